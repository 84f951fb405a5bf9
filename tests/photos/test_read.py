"""Image files as people have them: any format and depth, pages and frames, turned, shrunk, transparent or damaged."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from mnist_twice.errors import UserError
from mnist_twice.photos import Photo, find_digit, read_pages, read_photo
from mnist_twice.photos.read import FORMATS


def shade(value: int, dot: int | None = None) -> Image.Image:
    """Return an image of one shade of grey, and with a dot in another."""
    pixels = np.full((40, 40), value, np.uint8)
    pixels[10:20, 10:20] = value if dot is None else dot
    return Image.fromarray(pixels)


def encoded(mode: str, kind: str, image: Image.Image) -> bytes | None:
    """Return the image in that mode and format, None where the format does not know the mode."""
    file = io.BytesIO()
    try:
        image.convert(mode).save(file, kind)
    except (OSError, ValueError):
        return None
    return file.getvalue()


SMALL = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 10), np.uint8))
MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F")
FILES = [file for kind in FORMATS for mode in MODES if (file := encoded(mode, kind, SMALL))]


@given(
    file=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([0, 1, 255]) | st.integers(0, 255))),
    keep=st.just(1.0) | st.floats(0, 1),
    shrink=st.booleans(),
)
def test_damaged_bytes_in_memory_give_a_photo_or_a_sentence(
    file: bytes, changes: list[tuple[float, int]], keep: float, shrink: bool
) -> None:
    raw = bytearray(file)
    for where, value in changes:
        raw[int(where * len(raw))] = value
    try:
        with pytest.MonkeyPatch.context() as patch:  # damaged bytes may claim any size
            patch.setattr("mnist_twice.photos.read.MAX_PIXELS", 100_000)
            photo = read_photo(io.BytesIO(raw[: int(keep * len(raw))]), shrink)
    except UserError as error:
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert photo.pixels.dtype == np.uint8
        assert shrink or photo.pixels.shape[1::-1] == photo.size


@pytest.mark.parametrize(("kind", "orientation"), [("JPEG", 6), ("PNG", 1)])
def test_a_shrunk_photo_has_the_box_where_it_was(kind: str, orientation: int) -> None:
    sheet = Image.new("RGB", (1352, 3501), "white")
    for stroke in ((500, 700, 740, 760), (740, 700, 800, 1200)):  # a seven
        sheet.paste("black", stroke)
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    file = io.BytesIO()
    sheet.save(file, kind, exif=exif, quality=95)
    whole, small = (read_photo(file, shrink) for shrink in (False, True))
    expected = sheet.size if orientation == 1 else sheet.size[::-1]
    assert small.size == whole.size == whole.pixels.shape[1::-1] == expected
    assert 1280 <= max(small.pixels.shape) < 2 * 1280
    box = find_digit(small.pixels, size=small.size).box
    np.testing.assert_allclose(box, find_digit(whole.pixels).box, atol=8)


@pytest.mark.parametrize("mode", ["1", "RGBA", "I;16"])
def test_shrinking_changes_nothing_but_the_size(mode: str) -> None:
    smooth = Image.fromarray(np.add.outer(np.linspace(0, 120, 2570), np.linspace(5, 130, 1300)).astype(np.uint8))
    file = io.BytesIO(encoded(mode, "TIFF", smooth))
    whole, small = (read_photo(file, shrink) for shrink in (False, True))
    assert small.pixels.shape[:2] == (1285, 650)
    expected = np.asarray(ImageOps.scale(Image.fromarray(whole.pixels), 0.5, Image.Resampling.BOX), np.float32)
    assert np.abs(expected - small.pixels).mean() < 2


@pytest.mark.parametrize("light", [False, True])
def test_transparent_images_lie_on_paper(light: bool) -> None:
    """Dark ink on white paper, light ink on black; at the edges of a stroke half of each."""
    ink, paper = (230, 0) if light else (20, 255)
    image = Image.new("RGBA", (40, 30), (7, 7, 7, 0))
    image.paste((ink, ink, ink, 255), (10, 10, 20, 20))
    image.putpixel((20, 15), (ink, ink, ink, 128))
    pixels = read_photo(io.BytesIO(encoded("RGBA", "PNG", image))).pixels
    assert pixels[0, 0].tolist() == [paper] * 3
    assert pixels[15, 15].tolist() == [ink] * 3
    assert pixels[15, 20, 0] == pytest.approx((ink + paper) / 2, abs=2)


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("beside", ["outline", "eraser", "shadow"])
def test_the_paper_of_transparent_images_leaves_the_ink(beside: str, light: bool) -> None:
    """An outline is of the other brightness than the ink, a shadow is not opaque; an eraser is white."""
    ink, other = (250, 0) if light and beside != "eraser" else (0, 250)
    image = Image.new("RGBA", (60, 60))
    if beside == "shadow":
        image.paste((0, 0, 0, 128), (22, 22, 42, 42))
    elif beside == "outline":
        image.paste((other, other, other, 255), (10, 10, 50, 50))
    else:
        image.paste((other, other, other, 255), (30, 15, 50, 25))
    image.paste((ink, ink, ink, 255), (20, 20, 40, 40))
    pixels = read_photo(io.BytesIO(encoded("RGBA", "PNG", image))).pixels[..., 0]
    assert (pixels[0, 0] > 127) != (pixels[30, 30] > 127)
    assert beside == "shadow" or (np.abs(pixels.astype(int) - pixels[0, 0]) > 127).sum() == 400


@given(scale=st.floats(1e-30, 1e30), offset=st.floats(-20, 20), hole=st.sampled_from([0, np.nan, -np.inf]))
def test_values_of_any_range_become_0_to_255(scale: float, offset: float, hole: float) -> None:
    values = (np.linspace(0, 1, 256, dtype=np.float32) + np.float32(offset)) * np.float32(scale)
    values = np.append(values, hole or values[0]).astype(np.float32)[None]
    file = io.BytesIO(encoded("F", "TIFF", Image.fromarray(values)))
    np.testing.assert_allclose(read_photo(file).pixels[0], [*range(256), 0], atol=1)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1000, 1003), (0, 65535)])
def test_16_bits_are_stretched(low: int, high: int) -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[low, high, low]], np.uint16)).save(file, "PNG")
    assert read_photo(file).pixels.tolist() == [[0, 255, 0]]


def test_each_page_of_a_tiff_file_is_read_and_a_damaged_one_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    pages = [shade(250), shade(100), shade(10)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")
    assert [(number, photo.pixels[0, 0]) for number, photo in read_pages(path)] == [(1, 250), (2, 100), (3, 10)]
    assert read_photo(path, page=2).pixels[0, 0] == 100
    with Image.open(path) as image:
        image.seek(1)
        start = image.tag_v2[273][0]  # StripOffsets
    data = bytearray(path.read_bytes())
    data[start : start + 20] = b"\xff" * 20
    path.write_bytes(data)
    found = dict(read_pages(path))
    assert [type(found[page]) for page in (1, 2, 3)] == [Photo, UserError, Photo]


def test_a_thumbnail_in_a_tiff_file_is_no_page(tmp_path: Path) -> None:
    small, large = shade(100).resize((10, 10)), shade(200)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    large.save(tmp_path / "a.tif", save_all=True, append_images=[small])
    ((number, photo),) = read_pages(tmp_path / "a.tif")
    assert (number, photo.size) == (None, (40, 40))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_the_first_frame_of_an_animation_that_is_not_blank_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    blank, shown = shade(255), shade(255, dot=0)
    for frames, note, darkest in (
        ([shade(250), blank, shown, blank], "frame 3 of an animation, the first that is not blank", 0),
        ([shown, blank], "frame 1 of an animation", 0),
        ([blank, shade(200)], "frame 1 of an animation; it and those after it are blank", 255),
    ):
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        photo = read_photo(path)
        assert (photo.note, photo.pixels.min()) == (note, darkest)
