"""Files with several images: pages of TIFF files, and frames of animations."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.errors import UserError
from digits.photos import Photo, read_pages, read_photo


def shade(value: int, dot: int | None = None) -> Image.Image:
    """Return an image of one shade of grey, and with a dot in another."""
    pixels = np.full((40, 40), value, np.uint8)
    pixels[10:20, 10:20] = value if dot is None else dot
    return Image.fromarray(pixels)


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
    assert number is None
    assert photo.size == (40, 40)


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
        assert photo.note == note
        assert photo.pixels.min() == darkest
