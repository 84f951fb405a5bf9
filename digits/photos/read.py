"""Read photos as people have them: any common format and depth, turned by the camera, transparent, or damaged."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError
from PIL.ExifTags import Base

from digits.errors import UserError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # JPEG opens MPO too, as some phones call theirs
SUFFIXES = (".png", ".jpg", ".jpeg", ".mpo", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAX_PIXELS = 64_000_000  # more than today's phones take; a few bytes of PNG can claim any number, and memory for it
DECODING_BYTES = 512_000_000  # most memory for decoding: libjpeg needs up to 8 bytes a pixel (CMYK), libwebp 16
SHRUNK_SIDE = 1280  # the least longest side, in pixels, of a photo that was shrunk: find.py uses no more
STRIP_PIXELS = 1_000_000  # a photo is converted and shrunk in strips of about so many pixels, not as a whole


@dataclass(frozen=True)
class Photo:
    """A photo upright: its pixels, uint8 (H, W) or (H, W, 3), and its (width, height) before it was shrunk."""

    pixels: NDArray[np.uint8]
    size: tuple[int, int]


class TooManyPixels(UserError):
    """The photo has more pixels than may be decoded."""


def read_photo(path: Path, shrink: bool = False, max_pixels: int = MAX_PIXELS) -> Photo:
    """Return the photo in the file, its first frame, as decode_photo does. UserError if there is none."""
    if not os.path.exists(path):  # Path.exists raises for a name that no file can have
        raise UserError("there is no such file; check the name.")
    if not path.is_file():
        raise UserError("it is not a regular file; give an image file or a folder of them.")
    if path.stat().st_size == 0:
        raise UserError("the file is empty (0 bytes); copy it or take the photo again.")
    return decode_photo(path, shrink, max_pixels)


def decode_photo(source: Path | BinaryIO, shrink: bool = False, max_pixels: int = MAX_PIXELS) -> Photo:
    """Return the photo in a file or in bytes in memory. UserError for what is not an image file, or a damaged one.

    With `shrink` a large photo becomes smaller, in little memory, but its longest side stays above SHRUNK_SIDE.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's notes on odd but readable files
            with Image.open(source, formats=FORMATS) as image:
                most = min(max_pixels, DECODING_BYTES // (16 if image.format == "WEBP" else 8))
                width, height = image.size
                if width * height > most:
                    raise TooManyPixels(f"its {width:,} x {height:,} pixels are more than {most:,}; shrink it first.")
                return _decode(image, shrink)
    except TooManyPixels:
        raise
    except UnidentifiedImageError:
        raise UserError(f"it is not an image file of a known format ({', '.join(FORMATS)}).") from None
    except Image.DecompressionBombError:
        raise TooManyPixels(f"it claims more than {MAX_PIXELS:,} pixels; shrink it first.") from None
    except PermissionError:
        raise UserError("permission denied; change the file's permissions.") from None
    except Exception as error:  # for damaged files Pillow's decoders raise nearly everything
        raise UserError(f"the file is damaged ({str(error).rstrip('.')}); copy it or take the photo again.") from None


def _decode(image: Image.Image, shrink: bool) -> Photo:
    width, height = image.size
    times = max(1, max(width, height) // SHRUNK_SIDE) if shrink else 1
    if times > 1:
        image.draft(None, (max(1, width // times), max(1, height // times)))  # JPEG decodes fewer pixels
        times = max(1, max(image.size) // SHRUNK_SIDE)
    image.load()
    orientation = image.getexif().get(Base.Orientation, 1)
    small = _convert(image, times)
    if orientation in range(5, 9):  # turned by a quarter
        width, height = height, width
    small.getexif()[Base.Orientation] = orientation
    ImageOps.exif_transpose(small, in_place=True)
    if small.mode == "F":
        return Photo(_eight_bits(np.asarray(small)), (width, height))
    return Photo(np.array(_on_paper(small) if small.mode == "RGBA" else small), (width, height))


def _convert(image: Image.Image, times: int) -> Image.Image:
    """Return the image so many times smaller, in mode F (more than 8 bits deep), RGBA (transparent), L or RGB."""
    if image.mode.startswith(("I", "F")):
        mode = "F"
    elif image.has_transparency_data:
        mode = "RGBA"
    else:
        mode = "L" if image.mode in ("1", "L") else "RGB"
    if times == 1 and image.mode == mode:
        return image
    width, height = image.size
    small = Image.new(mode, (-(-width // times), -(-height // times)))
    step = times * max(1, STRIP_PIXELS // (width * times))
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(height, top + step))).convert(mode)
        small.paste(strip.reduce(times), (0, top // times))
    return small


def _eight_bits(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return values of 16 or 32 bits as 8; 0..1, 12 bits (scanners) and 16 keep their range, others are stretched."""
    values = np.nan_to_num(values)
    low, high = min(0.0, float(values.min())), float(values.max())
    full = next((top for top in (1.0, 255.0, 4095.0, 65535.0) if high <= top), high)
    return np.asarray(np.rint(np.clip((values - low) / max(full - low, 1e-9), 0, 1) * 255), np.uint8)


def _on_paper(image: Image.Image) -> Image.Image:
    """Return a transparent image on white, or on black where its ink is light: RGB."""
    *colours, alpha = ImageStat.Stat(image.convert("RGBa")).sum  # RGBa's colours are already multiplied by alpha
    is_light = alpha > 0 and sum(colours) / 3 / alpha * 255 >= 128
    paper = Image.new("RGBA", image.size, "black" if is_light else "white")
    return Image.alpha_composite(paper, image).convert("RGB")
