"""The 15 corruptions of MNIST-C, each at five strengths, keyed by a seed.

Mu and Gilmer (2019), 'MNIST-C: a robustness benchmark for computer vision', arXiv 1906.02337, chose these 15 because
networks fail on them while people do not. They publish one strength of each; the amounts for the other four are, where
they have any, those of Hendrycks and Dietterich (2019), arXiv 1903.12261, and ours for stripe, dotted line, zigzag and
Canny edges. The code is our own: images are like theirs, not equal to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.evaluation.blur import glass_blur, motion_blur
from digits.evaluation.geometry import rotate, scale, shear, translate
from digits.evaluation.overlays import canny_edges, dotted_line, stripe, zigzag
from digits.evaluation.pixels import brightness, fog, impulse_noise, shot_noise, spatter

Images = NDArray[np.float32]
STRENGTHS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption."""

    apply: Callable[[Images, Any, np.random.Generator], Images]
    amounts: tuple[Any, Any, Any, Any, Any]  # what `apply` takes at the strengths 1 to 5
    published: int  # the strength that MNIST-C has
    words: str  # what the amounts are


CORRUPTIONS = {
    "shot_noise": Corruption(shot_noise, (60, 25, 12, 5, 3), 5, "photons of a white pixel"),
    "impulse_noise": Corruption(impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27), 4, "share of pixels black or white"),
    "glass_blur": Corruption(
        glass_blur,
        ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        1,
        "standard deviation of the blur, farthest swap of pixels, rounds of swaps",
    ),
    "motion_blur": Corruption(motion_blur, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)), 1, "length, sigma: pixels"),
    "shear": Corruption(shear, (0.2, 0.4, 0.6, 0.8, 1.0), 2, "pixels to the side per pixel of height"),
    "scale": Corruption(scale, (0.9, 0.8, 0.7, 0.6, 0.5), 3, "size of the digit, of the original's"),
    "rotate": Corruption(rotate, (0.2, 0.4, 0.6, 0.8, 1.0), 2, "angle to either side, radians"),
    "brightness": Corruption(brightness, (0.1, 0.2, 0.3, 0.4, 0.5), 5, "added, of white"),
    "translate": Corruption(translate, (1, 2, 3, 4, 5), 3, "pixels, along both axes"),
    "stripe": Corruption(stripe, (1, 3, 5, 7, 9), 4, "columns inverted on either side"),
    "fog": Corruption(fog, ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)), 5, "density, smoothness"),
    "spatter": Corruption(
        spatter,
        ((0.3, 4, 0.69, 0.6), (0.3, 3, 0.68, 0.6), (0.3, 2, 0.68, 0.5), (0.3, 1, 0.65, 1.5), (0.4, 1, 0.63, 1.5)),
        4,
        "noise, its blur, threshold, blur of the drops",
    ),
    "dotted_line": Corruption(dotted_line, (1, 2, 3, 4, 5), 1, "lines"),
    "zigzag": Corruption(zigzag, (1, 2, 3, 4, 5), 1, "lines"),
    "canny_edges": Corruption(
        canny_edges, (0.6, 0.7, 0.8, 0.9, 1.0), 5, "share of the edges in a mixture with the image"
    ),
}


def corrupt(images: NDArray[np.uint8], name: str, strength: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return corrupted copies of the images, uint8 (N, H, W), ink bright.

    name: one of CORRUPTIONS; strength: 1 to 5. The same arguments give the same images; another corruption or
    strength has random numbers of its own.
    """
    corruption = CORRUPTIONS[name]
    generator = np.random.default_rng([seed, list(CORRUPTIONS).index(name), strength])
    changed = corruption.apply(images.astype(np.float32) / np.float32(255), corruption.amounts[strength - 1], generator)
    result: NDArray[np.uint8] = np.rint(255 * np.clip(changed, 0, 1)).astype(np.uint8)
    return result
