"""Read photos as people have them: any common format and depth, turned by the camera, transparent, or damaged."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base

from mnist_twice.errors import UserError

FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF"]  # JPEG opens MPO too, as some phones call theirs
with suppress(ImportError):
    import pillow_heif  # type: ignore[import-not-found, unused-ignore]

    pillow_heif.register_heif_opener()
    FORMATS.append("HEIF")
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".mpo", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm"),
    *(".avif", ".heic", ".heif"),
)
"""By which most image files are known without opening them; is_image knows the others."""
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # ISO/IEC 23008-12, brands
NEW_SUBFILE_TYPE = 254  # a tag of TIFF 6.0: bit 0 for an image of lower resolution, bit 2 for a mask
ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF")
MAX_FRAMES = 1_000  # of an animation, that are looked at
BLANK = 16  # least difference between the darkest and the lightest of an animation's frame that shows something
MAX_PIXELS = 64_000_000  # more than today's phones take; a few bytes of PNG can claim any number, and memory for it
DECODING_BYTES = 512_000_000  # most memory for decoding: libjpeg needs up to 8 bytes a pixel (CMYK), libwebp 16
SHRUNK_SIDE = 1280  # the least longest side, in pixels, of a photo that was shrunk: find.py uses no more
FEW = 0.03  # up to this fraction of a transparent image's pixels are odd ones, at the edges of strokes
LEAST_LEFT = 0.005  # of its opaque pixels, that a thin digit on a sticker covers
MIDDLE = 127  # grey level above which ink, or paper, is light
STRIP_PIXELS = 1_000_000  # a photo is converted and shrunk in strips of about so many pixels, not as a whole


@dataclass(frozen=True)
class Photo:
    """A photo upright: its pixels, uint8 (H, W) or (H, W, 3), and its (width, height) before it was shrunk."""

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    note: str = ""  # which frame of an animation this is


def read_photo(source: Path | BinaryIO, shrink: bool = False, page: int = 1) -> Photo:
    """Return the photo in a file or in bytes in memory: of a TIFF file that page, of an animation the first frame that
    is not blank. Raises UserError for what is not an image file, or a damaged one.

    With `shrink` a large photo becomes smaller, in little memory, but its longest side stays above SHRUNK_SIDE.
    """
    _, photo = next(read_pages(source, shrink, page), (None, UserError("it has fewer pages now.")))
    if isinstance(photo, UserError):
        raise photo
    return photo


def read_pages(
    source: Path | BinaryIO, shrink: bool = False, first: int = 1
) -> Iterator[tuple[int | None, Photo | UserError]]:
    """Yield the photo in the file, or what is wrong with it, after None; of a TIFF file of several pages the photo of
    each, from the first one on, after the page's number."""
    try:
        with _sentences(source):
            if isinstance(source, Path):
                _check_regular(source)
            image = Image.open(source, formats=FORMATS)
            frames = _pages(image) if image.format == "TIFF" else [0]
    except UserError as error:
        yield None, error
        return
    with image:
        for page, frame in list(enumerate(frames, start=1))[first - 1 :]:
            found: Photo | UserError
            try:
                with _sentences(source):
                    if image.format in ANIMATIONS and getattr(image, "is_animated", False):
                        found = _first_shown(image, shrink)
                    else:
                        image.seek(frame)
                        found = _decode(image, shrink)
            except UserError as error:
                found = error
            yield page if len(frames) > 1 else None, found


def is_named_image(name: str) -> bool:
    """Return whether the name is that of an image file; ._a.jpg is not, in which macOS keeps what it knows of a.jpg."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("._")


def is_image(path: str | Path) -> bool:
    """Return whether the regular file begins as an image file of a known format does, whatever its name."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS):
            return True
    except UnidentifiedImageError:
        return _is_heic(path)
    except Exception:  # a damaged one, for instance: reading it says what is wrong
        return True


def _check_regular(path: Path) -> None:
    if not os.path.exists(path):  # Path.exists raises for a name that no file can have
        raise UserError("there is no such file; check the name.")
    if not path.is_file():
        raise UserError("it is not a regular file; give an image file or a folder of them.")
    if path.stat().st_size == 0:
        raise UserError("the file is empty (0 bytes); copy it or take the photo again.")


def _pages(image: Image.Image) -> list[int]:
    """Return which frames of a TIFF file are pages: not those that its tag NewSubfileType calls a thumbnail or mask."""
    pages: list[int] = []
    for frame in count():
        try:
            image.seek(frame)
            kind = int(image.tag_v2.get(NEW_SUBFILE_TYPE, 0))  # type: ignore[attr-defined]
        except EOFError:
            break
        except Exception:
            if not pages:
                raise
            return [*pages, frame]  # reading it says what is wrong
        if not kind & 5:
            pages.append(frame)
    return pages or [0]


def _first_shown(image: Image.Image, shrink: bool) -> Photo:
    """Return the first frame of an animation that is not blank; the first of all where none is found."""
    first = photo = _decode(image, shrink)
    most = min(MAX_FRAMES, MAX_PIXELS // (image.width * image.height))  # no more work than a large photo is
    with suppress(EOFError):
        for frame in range(1, most + 1):
            if int(np.ptp(photo.pixels)) >= BLANK:
                note = f"frame {frame} of an animation" + ", the first that is not blank" * (frame > 1)
                return replace(photo, note=note)
            image.seek(frame)
            photo = _decode(image, shrink)
    return replace(first, note="frame 1 of an animation; it and those after it are blank")


@contextmanager
def _sentences(source: Path | str | BinaryIO) -> Iterator[None]:
    """Have what goes wrong with an image file within the block said in a UserError."""
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow's notes on odd but readable files
            yield
    except UserError:
        raise
    except UnidentifiedImageError:
        if _is_heic(source):
            if "HEIF" in FORMATS:
                raise UserError("the file is damaged (no HEIC photo); copy it or take the photo again.") from None
            install = """pip install -c constraints.txt -e ".[heic]\""""
            raise UserError(f"it is a HEIC photo, which needs pillow-heif ({install}); or save it as JPEG.") from None
        raise UserError(f"it is not an image file of a known format ({', '.join(FORMATS)}).") from None
    except Image.DecompressionBombError:
        raise UserError(f"it claims more than {MAX_PIXELS:,} pixels; shrink it first.") from None
    except Exception as error:  # for damaged files Pillow's decoders raise nearly everything
        if isinstance(error, OSError) and error.errno:
            raise UserError(f"it cannot be read ({error.strerror}); check its permissions and the disk.") from None
        raise UserError(f"the file is damaged ({str(error).rstrip('.')}); copy it or take the photo again.") from None


def _is_heic(source: Path | str | BinaryIO) -> bool:
    """Return whether the file is one of HEIF's, as phones write them; Pillow alone reads only AVIF's."""
    with open(source, "rb") if isinstance(source, Path | str) else nullcontext(source) as file:
        file.seek(0)
        start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:12] in HEIC


def _decode(image: Image.Image, shrink: bool) -> Photo:
    width, height = image.size
    most = min(MAX_PIXELS, DECODING_BYTES // (16 if image.format in ("WEBP", "AVIF", "HEIF") else 8))
    if width * height > most:
        raise UserError(f"its {width:,} x {height:,} pixels are more than {most:,}; shrink it first.")
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
    """Return values of 16 or 32 bits as 8: the lowest becomes 0, the highest 255."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    # Divided before they are subtracted: the difference may be more than a float holds.
    size = max(abs(low), abs(high), 1e-30)
    share = np.nan_to_num(np.clip(values, low, high), nan=low) / size - low / size
    return np.asarray(np.rint(255 * share / max(high / size - low / size, 1e-9)), np.uint8)


def _on_paper(image: Image.Image) -> Image.Image:
    """Return a transparent image on white or black paper: RGB.

    Outlines and stickers lie around the ink: on paper of their brightness they vanish and leave the ink; where nothing
    would be left, they are the ink. An eraser's white strokes lie beside dark ink. Shadows are not opaque.
    """
    alpha, grey = np.asarray(image.getchannel("A")), np.asarray(image.convert("L"))
    opaque = alpha > 0.75 * alpha.max()
    inner = opaque & (cv2.erode(opaque.view(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    outer = opaque & ~inner
    light_outside, light_inside = (
        np.mean(grey[part if part.any() else opaque] > MIDDLE) if opaque.any() else 0.0 for part in (outer, inner)
    )
    black = light_inside > (LEAST_LEFT if light_outside < FEW else 1 - LEAST_LEFT)
    return Image.alpha_composite(Image.new("RGBA", image.size, "black" if black else "white"), image).convert("RGB")
