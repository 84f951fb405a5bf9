"""From a photograph to MNIST's form: read the file, find the ink, take rulings away, cut out and normalise each digit.

May import: nothing of digits but errors.
"""

from digits.photos.find import Digit, Steps, find_digit, find_digits
from digits.photos.read import Photo, is_image, is_named_image, read_pages, read_photo
