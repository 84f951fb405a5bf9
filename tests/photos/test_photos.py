"""digits/photos/find.py: what must hold for every photo, and what it finds in photographs of known digits."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from benchmarks.synthetic_photos import STRENGTHS, photograph
from digits.data.sample import stratified_sample
from digits.errors import UserError
from digits.photos.find import Digit, find_digit, find_digits
from digits.photos.read import FORMATS, read_photo

Pixels = np.ndarray


@pytest.fixture(scope="module")
def digits() -> tuple[Pixels, Pixels]:
    """The sample's test images and labels: real digits."""
    return stratified_sample()[2:]


def drawing(digit: Pixels, size: int = 240) -> Pixels:
    """Return the digit as dark ink on a white sheet, uint8 (size, size); the ink fills about half of it."""
    large = cv2.resize(digit, (size * 28 // 40, size * 28 // 40), interpolation=cv2.INTER_CUBIC)
    sheet = np.full((size, size), 235, np.uint8)
    start = (size - large.shape[0]) // 2
    part = sheet[start : start + large.shape[0], start : start + large.shape[1]]
    part[:] = (235 - large.astype(np.float32) / 255 * 200).astype(np.uint8)
    return sheet


def image_of(pixels: Pixels) -> Pixels:
    digit = find_digit(pixels)
    assert digit is not None
    return digit.image


def assert_alike(image: Pixels, other: Pixels) -> None:
    """The two are the same image, but for a shift of at most a pixel and the rounding of their greys."""
    shifts = [np.roll(image, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    difference = min(np.abs(shifted.astype(int) - other).mean() for shifted in shifts)
    assert difference < 0.15 * other.mean() + 1, difference


def assert_whole(digit: Digit, shape: tuple[int, ...]) -> None:
    assert digit.image.dtype == np.uint8
    assert digit.image.shape == (28, 28)
    left, top, right, bottom = digit.box
    assert 0 <= left < right <= shape[1]
    assert 0 <= top < bottom <= shape[0]


sides = st.integers(0, 70)
photos = st.one_of(
    st.tuples(sides, sides).flatmap(lambda shape: arrays(np.uint8, shape)),
    st.tuples(sides, sides, st.just(3)).flatmap(lambda shape: arrays(np.uint8, shape)),
    st.tuples(sides, sides, st.integers(0, 2**32 - 1)).map(
        lambda given: np.random.default_rng(given[2]).integers(0, 256, given[:2], np.uint8)
    ),
    st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1)).map(
        lambda given: np.random.default_rng(given[2]).choice(np.array([142, 215], np.uint8), given[:2], p=[0.7, 0.3])
    ),
)


@pytest.mark.slow
@given(photos)
@np.errstate(divide="raise", invalid="raise", over="raise")
def test_any_photo_gives_whole_digits_or_none(pixels: Pixels) -> None:
    digit = find_digit(pixels)
    if digit is not None:
        assert_whole(digit, pixels.shape)
        assert digit.image.any()
    for group in find_digits(pixels):
        for found in group:
            assert_whole(found, pixels.shape)


@pytest.mark.parametrize("shape", [(1, 5000), (1, 1), (28, 28, 3)], ids=str)
def test_odd_shapes(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for odd in (pixels, pixels // 255 * 255, np.full_like(pixels, 128)):
        digit = find_digit(odd)
        assert digit is None or digit.image.shape == (28, 28)
        find_digits(odd)


@pytest.mark.slow
def test_every_clean_digit_is_found(digits: tuple[Pixels, Pixels]) -> None:
    """Digit 997 is a narrow 4 in one stroke, which once was taken for a plus."""
    assert [index for index, digit in list(enumerate(digits[0]))[7::10] if find_digit(drawing(digit)) is None] == []


@pytest.mark.slow
@given(index=st.integers(0, 999), x=st.integers(-36, 36), y=st.integers(-36, 36), factor=st.floats(0.3, 1.08))
def test_place_brightness_and_inversion_do_not_matter(
    digits: tuple[Pixels, Pixels], index: int, x: int, y: int, factor: float
) -> None:
    sheet = drawing(digits[0][index])
    moved = cv2.warpAffine(sheet, np.array([[1.0, 0, x], [0, 1, y]]), sheet.shape, borderValue=235)
    assert_alike(image_of(moved), image_of(sheet))
    np.testing.assert_allclose(find_digit(moved).box, np.add(find_digit(sheet).box, (x, y, x, y)), atol=2)
    assert_alike(image_of(np.rint(sheet * factor).astype(np.uint8)), image_of(sheet))
    np.testing.assert_array_equal(image_of(255 - sheet), image_of(sheet))


@pytest.mark.parametrize(("level", "grain"), [(0, 0), (90, 4), (255, 4)])
def test_an_empty_sheet_has_no_digit(level: int, grain: int) -> None:
    rng = np.random.default_rng(level)
    slope = np.linspace(0.7, 1, 300)[:, None] * np.linspace(0.9, 1, 400)
    sheet = level * slope + rng.normal(0, grain, slope.shape)
    assert find_digit(np.clip(np.rint(sheet), 0, 255).astype(np.uint8)) is None


@pytest.mark.slow
@pytest.mark.parametrize("strength", STRENGTHS)
def test_the_digit_is_found_where_it_was_written(digits: tuple[Pixels, Pixels], strength: str) -> None:
    """Compared with the digit itself, since no network is at hand: alike enough not to be another."""
    likenesses = []
    for i in range(12):
        original = image_of(digits[0][i])
        digit = find_digit(photograph([[digits[0][i]]], strength, np.random.default_rng([i, 1])))
        image = digit.image if digit else np.zeros((28, 28), np.uint8)
        blurred = [cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 1.5) for pixels in (image, original)]
        likenesses.append(np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1] if image.any() else 0)
    assert np.median(likenesses) > 0.9
    assert np.mean(np.array(likenesses) > 0.6) >= {"mild": 0.9, "medium": 0.9, "harsh": 0.8}[strength]


def test_several_digits_come_in_reading_order(digits: tuple[Pixels, Pixels]) -> None:
    images, labels = digits
    rows = [[4, 0, 7], [1, 9, 2]]
    pick = {digit: images[np.flatnonzero(labels == digit)[3]] for digit in range(10)}
    page = np.full((600, 900), 240, np.uint8)
    for y, row in enumerate(rows):
        for x, digit in enumerate(row):
            ink = cv2.resize(pick[digit], (112, 112), interpolation=cv2.INTER_CUBIC)
            # Two close together and one far off: a number of two digits, and one alone; the row slants.
            left, top = 60 + 95 * x + 350 * (x == 2), 60 + 250 * y + 12 * x
            part = page[top : top + 112, left : left + 112]
            np.minimum(part, 240 - (ink * 0.8).astype(np.uint8), out=part)
    groups = find_digits(page)
    assert [len(group) for group in groups] == [2, 1, 2, 1]
    found = [digit for group in groups for digit in group]
    for digit, expected in zip(found, [digit for row in rows for digit in row], strict=True):
        assert_alike(digit.image, image_of(drawing(pick[expected])))


def strokes(*lines: tuple[int, ...]) -> Pixels:
    """Return lines (x, y, x, y) of dark ink on a sheet, uint8 (300, 500)."""
    sheet = np.full((300, 500), 235, np.uint8)
    for x, y, to_x, to_y in lines:
        cv2.line(sheet, (x, y), (to_x, to_y), 30, 9)
    return sheet


def test_strokes_that_do_not_touch_make_up_a_digit() -> None:
    one = (60, 50, 60, 150)
    four = [(150, 50, 130, 105), (130, 105, 175, 105), (192, 60, 190, 150)]  # a gap of eight pixels before the stem
    five = [(300, 70, 290, 100), (290, 100, 330, 120), (330, 120, 290, 150), (305, 50, 340, 48)]  # and its hat
    (group,) = find_digits(strokes(one, *four, *five))
    assert [digit.box[0] for digit in group] == pytest.approx([56, 126, 286], abs=4)
    assert [digit.box[2] for digit in group] == pytest.approx([65, 197, 345], abs=4)


def test_digits_close_to_each_other_stay_apart() -> None:
    zero = [(130, 50, 180, 50), (180, 50, 180, 150), (180, 150, 130, 150), (130, 150, 130, 50)]
    small = [(200, 90, 240, 90), (240, 90, 240, 150), (240, 150, 200, 150), (200, 150, 200, 90)]
    one = (110, 50, 110, 150)
    below = [(x, y + 114, to_x, to_y + 114) for x, y, to_x, to_y in (one, *zero)]  # five pixels between the rows
    groups = find_digits(strokes(one, *zero, *small, *below))
    assert [len(group) for group in groups] == [3, 2]


def test_steps_show_each_stage(digits: tuple[Pixels, Pixels]) -> None:
    steps: dict[str, Pixels] = {}
    digit = find_digit(photograph([[digits[0][0]]], "medium", np.random.default_rng(0)), steps)
    assert list(steps) == [
        "1 grey", "2 light evened out", "3 ink", "4 ink without lines", "5 digit", "6 as MNIST",
    ]  # fmt: skip
    assert all(photo.dtype == np.uint8 and photo.ndim == 2 for photo in steps.values())
    np.testing.assert_array_equal(steps["6 as MNIST"], digit.image)


MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F")


def encoded(mode: str, kind: str, image: Image.Image) -> bytes | None:
    """Return the image in that mode and format, None where the format does not know the mode."""
    file = io.BytesIO()
    try:
        image.convert(mode).save(file, kind)
    except (OSError, ValueError):
        return None
    return file.getvalue()


SMALL = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 10), np.uint8))
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
        photo = read_photo(io.BytesIO(raw[: int(keep * len(raw))]), shrink, max_pixels=100_000)
    except UserError as error:
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert photo.pixels.dtype == np.uint8
        assert shrink or photo.pixels.shape[1::-1] == photo.size


@pytest.mark.parametrize(("kind", "orientation"), [("JPEG", 6), ("PNG", 1)])
def test_a_shrunk_photo_has_the_box_where_it_was(digits: tuple[Pixels, Pixels], kind: str, orientation: int) -> None:
    sheet = Image.fromarray(np.pad(drawing(digits[0][0], 1200), ((300, 2001), (150, 2)), constant_values=235))
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    file = io.BytesIO()
    sheet.convert("RGB").save(file, kind, exif=exif, quality=95)
    whole, small = (read_photo(file, shrink) for shrink in (False, True))
    assert (
        small.size == whole.size == whole.pixels.shape[1::-1] == (sheet.size if orientation == 1 else sheet.size[::-1])
    )
    assert 1280 <= max(small.pixels.shape) < 2 * 1280
    expected, found = find_digit(whole.pixels), find_digit(small.pixels, size=small.size)
    np.testing.assert_allclose(found.box, expected.box, atol=8)
    assert_alike(found.image, expected.image)


@pytest.mark.parametrize("mode", ["1", "RGBA", "I;16"])
def test_shrinking_changes_nothing_but_the_size(mode: str) -> None:
    smooth = Image.fromarray(np.add.outer(np.linspace(0, 120, 2570), np.linspace(5, 130, 1300)).astype(np.uint8))
    file = io.BytesIO(encoded(mode, "TIFF", smooth))
    whole, small = (read_photo(file, shrink) for shrink in (False, True))
    assert small.pixels.shape[:2] == (1285, 650)
    expected = np.asarray(ImageOps.scale(Image.fromarray(whole.pixels), 0.5, Image.Resampling.BOX), np.float32)
    away = np.abs(expected - small.pixels)
    assert away.mean() < 2


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
