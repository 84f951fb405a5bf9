"""How a picture becomes the image that a network gets: a training records it, and prediction repeats it.

    digits                          the digit in the picture is found and brought into MNIST's form
    as is [--scale N] [--invert]    the whole picture in shades of grey, resized to fit 28x28 pixels, padded

The options are those by which download_mnist.py brought the images into MNIST's form.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_twice.names import AS_IS, DIGITS
from mnist_twice.photos.find import Digit, Steps, find_digit
from mnist_twice.photos.normalize import SIDE, mnist_form
from mnist_twice.photos.read import Photo

SOME, ALIKE = 2_000, 0.999
"""Of so many images at least such a fraction has MNIST's form: to find their digits anew changes few answers."""


def preprocessing_of(images: NDArray[np.uint8], made_by: str) -> str:
    """Return the preprocessing for networks that are trained on these images, (N, 28, 28), made with these options."""
    some = images[:: max(1, len(images) // SOME)]
    if "--convert" in made_by or np.mean([mnist_form(image) is not None for image in some]) >= ALIKE:
        return DIGITS
    return AS_IS + "".join(re.findall(r" --scale \S+| --invert", made_by))


def prepare(photo: Photo, preprocessing: str, steps: Steps | None = None) -> Digit | None:
    """Return the image that a network gets of the photo, and its box, or None; `steps` receives an image per stage."""
    if preprocessing == DIGITS:
        return find_digit(photo.pixels, steps, photo.size)
    image = as_is(photo.pixels, preprocessing)
    if steps is not None:
        steps |= {"1 as is": image}
    return Digit(image, (0, 0, *photo.size))


def as_is(pixels: NDArray[Any], preprocessing: str, anew: bool = True) -> NDArray[np.uint8]:
    """Return the whole picture, grey (H, W) or colour (H, W, 3), as image, uint8 (28, 28).

    To do it `anew`, in prediction, neither scales what has pixels above the scale nor inverts a dark background: such
    pictures, as download_mnist.py exports them, have MNIST's form already.
    """
    grey = np.asarray(Image.fromarray(pixels).convert("L")) if pixels.ndim == 3 else pixels
    edges = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if (scale := scale_of(preprocessing)) and not (anew and grey.max() > scale):
        grey, edges = np.rint(grey * (255 / scale)), edges * (255 / scale)
    if "--invert" in preprocessing and not (anew and np.median(edges) < 128):
        grey = 255 - grey
    (height, width), side = grey.shape, max(grey.shape)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side), np.uint8)
    square[top : top + height, left : left + width] = grey
    return np.array(Image.fromarray(square).resize((SIDE, SIDE)))  # a copy, where it has that size


def scale_of(preprocessing: str) -> float | None:
    """Return the value that becomes 255."""
    option = re.search(r"--scale (\S+)", preprocessing)
    return float(option[1]) if option else None
