"""Read pictures as people have them: any common format, any depth, turned by the camera, see-through, or broken."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from digits.errors import UserError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # JPEG opens MPO too, as some phones call theirs
SUFFIXES = (".png", ".jpg", ".jpeg", ".mpo", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MAX_PIXELS = 64_000_000
"""More than today's phones take; a few bytes of PNG can claim any number, and memory for it."""


def list_pictures(paths: Sequence[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Return the files to read, folders replaced by the pictures in them, and a sentence for each path that has none.

    In a folder, a file is a picture by its suffix; a file that is named itself is always tried.
    """
    files: list[Path] = []
    faults = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        except OSError as error:
            faults.append((path, f"the folder cannot be read ({error.strerror}); check its permissions."))
            continue
        files += found
        if not found:
            faults.append((path, f"there are no pictures in this folder; files end in {', '.join(SUFFIXES)}."))
    return files, faults


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return the picture in the file, its first frame, upright: uint8 (H, W) or (H, W, 3). UserError if it is none."""
    if not path.exists():
        raise UserError("there is no such file; check the name.")
    if not path.is_file():
        raise UserError("it is not a regular file; give a picture or a folder of pictures.")
    if path.stat().st_size == 0:
        raise UserError("the file is empty (0 bytes); copy or take the picture again.")
    return decode_picture(path)


def decode_picture(source: Path | BinaryIO) -> NDArray[np.uint8]:
    """Return what read_picture returns, from a file or from bytes in memory."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's notes on odd but readable files
            with Image.open(source, formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise UserError(f"its {width:,} x {height:,} pixels are more than {MAX_PIXELS:,}; shrink it first.")
                image.load()
                return to_pixels(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise UserError(f"it is not a picture that can be read; {', '.join(FORMATS)} can.") from None
    except Image.DecompressionBombError:
        raise UserError(f"it claims more than {MAX_PIXELS:,} pixels; shrink it first.") from None
    except PermissionError:
        raise UserError("it must not be read; change its permissions.") from None
    # What Pillow's decoders raise for damaged files.
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error) as error:
        raise UserError(f"the picture is damaged ({str(error).rstrip('.')}); copy or take it again.") from None


def to_pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Return the image's pixels, uint8 (H, W) or (H, W, 3); deeper ones scaled, see-through ones laid on paper."""
    if image.mode.startswith(("I", "F")):
        return _shallow(np.asarray(image))
    if image.has_transparency_data:
        return _on_paper(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _shallow(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return values of 16 or 32 bits as 8; 0..1, 12 bits (scanners) and 16 keep their range, others are stretched."""
    values = np.nan_to_num(np.asarray(values, np.float64))
    low, high = min(0.0, float(values.min())), float(values.max())
    full = next((top for top in (1.0, 255.0, 4095.0, 65535.0) if high <= top), high)
    return np.rint(np.clip((values - low) / max(full - low, 1e-9), 0, 1) * 255).astype(np.uint8)


def _on_paper(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return see-through pixels, (H, W, 4), on white, or on black where what is drawn is light: (H, W, 3)."""
    colour, alpha = pixels[:, :, :3].astype(np.float32), pixels[:, :, 3:].astype(np.float32) / 255
    drawn = float(alpha.sum())
    brightness = float((colour.mean(axis=2, keepdims=True) * alpha).sum()) / drawn if drawn else 0.0
    paper = 255.0 if brightness < 128 or bool((alpha == 1).all()) else 0.0
    return np.rint(colour * alpha + paper * (1 - alpha)).astype(np.uint8)
