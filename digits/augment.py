"""Augmentation: images as other hands would have written them, by one affine and one elastic warp each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmentation:
    """How much each image may be changed; every change is drawn anew for each image. All at 0 changes nothing.

    The elastic part is that of Simard, Steinkraus and Platt (2003), 'Best practices for convolutional neural networks
    applied to visual document analysis', ICDAR, with their sigma and alpha.
    """

    rotation: float = 10.0
    """degrees, at most, to either side"""
    shift: float = 2.0
    """pixels, at most, in each direction"""
    scale: float = 0.1
    """0.1 makes an image up to 10 % larger or smaller"""
    shear: float = 0.1
    """pixels to the side per pixel of height, at most, to either side"""
    elastic: float = 34.0
    """alpha: what the smoothed random field is multiplied by; 34 moves a pixel by about 1.4 pixels"""
    smoothness: float = 4.0
    """sigma in pixels of the Gaussian that smooths the elastic field"""


def augment(
    images: NDArray[np.uint8], generator: np.random.Generator, amount: Augmentation = Augmentation()
) -> NDArray[np.uint8]:
    """Return a changed copy of each image, uint8 (N, 28, 28).

    images: uint8 (N, 28, 28), background 0. Each image takes its random numbers in turn: one call for all images, or
    several calls with the same generator for parts of them, give the same.
    """
    raise NotImplementedError
