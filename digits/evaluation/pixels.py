"""Corruptions of the pixels' brightness: noise, fog, drops of mud. Images are float32 (N, H, W), 0 to 1."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

Images = NDArray[np.float32]
FOGS = 64  # fractals of which windows are taken: 512 kB each while they are made
FOG_SIZE = 256  # their side, pixels
MUD = 63 / 255


def shot_noise(images: Images, photons: float, generator: np.random.Generator) -> Images:
    """Return what a sensor counts that receives so many photons from white: mean x, variance x / photons."""
    return (generator.poisson(images * photons) / photons).astype(np.float32)


def impulse_noise(images: Images, share: float, generator: np.random.Generator) -> Images:
    """Return images in which this share of the pixels is replaced, one half of them by black, one half by white."""
    chosen = generator.random(images.shape, dtype=np.float32)
    return np.where(chosen < share / 2, 0, np.where(chosen < share, 1, images)).astype(np.float32)


def brightness(images: Images, added: float, generator: np.random.Generator) -> Images:
    """Return brighter images."""
    brighter: Images = np.minimum(images + np.float32(added), np.float32(1))
    return brighter


def fog(images: Images, amount: tuple[float, float], generator: np.random.Generator) -> Images:
    """Return images behind fog: a fractal of this density is added, and white stays as white as it was.

    The original's fractal is by midpoint displacement, whose displacements fall by smoothness ** 2 from each scale to
    the next of half the size; ours has the spectrum that this gives, and a window of it for each image.
    """
    density, smoothness = amount
    hurst = 2 * math.log2(smoothness)  # by what power of the distance two points of the fog differ
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(FOG_SIZE), np.fft.rfftfreq(FOG_SIZE), indexing="ij"))
    frequency[0, 0] = np.inf
    noise = generator.standard_normal((FOGS, FOG_SIZE, FOG_SIZE), dtype=np.float32)
    fogs = np.fft.irfft2(np.fft.rfft2(noise) * frequency ** -(hurst + 1), s=(FOG_SIZE, FOG_SIZE))
    fogs -= fogs.min(axis=(1, 2), keepdims=True)
    fogs = (fogs / fogs.max(axis=(1, 2), keepdims=True)).astype(np.float32)

    n, height, width = images.shape
    which = generator.integers(FOGS, size=(n, 1, 1))
    top, left = generator.integers(FOG_SIZE, size=(2, n, 1, 1))
    rows, columns = np.arange(height)[:, None], np.arange(width)
    windows = fogs[which, (top + rows) % FOG_SIZE, (left + columns) % FOG_SIZE]
    white = images.max(axis=(1, 2), keepdims=True)
    foggy: Images = (images + density * windows) * white / (white + density)
    return foggy


def spatter(images: Images, amount: tuple[float, float, float, float], generator: np.random.Generator) -> Images:
    """Return images with drops of mud: where blurred noise of mean 0.65 exceeds a threshold.

    amount: the noise's standard deviation, that of its blur in pixels, the threshold, and the blur of the drops.
    """
    deviation, blur, threshold, edge = amount
    noise = generator.normal(0.65, deviation, images.shape).astype(np.float32)
    drops = (gaussian_filter(noise, (0, blur, blur)) > threshold).astype(np.float32)
    mud = gaussian_filter(drops, (0, edge, edge))
    mud[mud < 0.8] = 0
    spattered: Images = images * (1 - mud) + MUD * mud
    return spattered
