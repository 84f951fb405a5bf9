"""From a photograph to MNIST's form: read the file, find the ink, take rulings away, cut out each digit."""

from mnist_twice.photos.find import Digit, Steps, find_digit, find_digits
from mnist_twice.photos.preprocess import as_is, prepare, scale_of
from mnist_twice.photos.read import Photo, is_image, is_named_image, read_pages, read_photo
