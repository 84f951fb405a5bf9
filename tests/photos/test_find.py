"""What is found in photos of known digits, without any network, and what must hold for every photo."""

import io
from itertools import chain, pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from synthetic_pages import number, on_table, table

from benchmarks.easy_pictures import KINDS
from benchmarks.synthetic_photos import STRENGTHS, photograph
from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.photos import read_photo
from mnist_twice.photos.find import Digit, find_digit, find_digits
from mnist_twice.photos.sheet import find_sheet
from mnist_twice.prediction import choose, images_of
from mnist_twice.training.pens import write_digit

IMAGES, LABELS = stratified_sample()[2:]
Pixels = np.ndarray  # uint8


def likeness(image: Pixels, other: Pixels) -> float:
    """Return the correlation of two images, blurred so that a pixel's shift hardly counts."""
    first, second = (cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 1.5).ravel() for pixels in (image, other))
    return float(np.corrcoef(first, second)[0, 1])


def drawing(digit: Pixels, size: int = 240, margin: float = 0.15) -> Pixels:
    """Return the digit as dark ink on a white sheet, uint8 (size, size), with margins of this fraction of it."""
    edge = round(margin * size)
    large = cv2.resize(digit, (size - 2 * edge, size - 2 * edge), interpolation=cv2.INTER_CUBIC)
    return np.pad(235 - (large * 0.8).astype(np.uint8), edge, constant_values=235)


def lines(*ends: tuple[int, int, int, int], shape: tuple[int, int] = (300, 500), thick: int = 9) -> Pixels:
    """Return lines (x, y, x, y) of dark ink on a sheet."""
    sheet = np.full(shape, 235, np.uint8)
    for x, y, to_x, to_y in ends:
        cv2.line(sheet, (x, y), (to_x, to_y), 30, thick)
    return sheet


def found_in(page: Pixels) -> list[Digit]:
    return [*chain(*find_digits(page))]


sides = st.integers(0, 70)
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.slow
@given(
    st.one_of(
        st.tuples(sides, sides).flatmap(lambda shape: arrays(np.uint8, shape)),
        st.tuples(sides, sides, st.just(3)).flatmap(lambda shape: arrays(np.uint8, shape)),
        st.tuples(sides, sides, seeds).map(lambda x: np.random.default_rng(x[2]).integers(0, 256, x[:2], np.uint8)),
        st.sampled_from([(1, 5000), (1, 1), (28, 28, 3)]).map(lambda shape: np.eye(*shape[:2], dtype=np.uint8) * 255),
    )
)
@np.errstate(divide="raise", invalid="raise", over="raise")
def test_any_photo_gives_whole_digits_or_none(pixels: Pixels) -> None:
    for digit in filter(None, [find_digit(pixels), *found_in(pixels)]):
        assert (digit.image.dtype, digit.image.shape) == (np.uint8, (28, 28))
        left, top, right, bottom = digit.box
        assert 0 <= left < right <= pixels.shape[1]
        assert 0 <= top < bottom <= pixels.shape[0]


def test_mnist_images_reach_the_network_as_they_are() -> None:
    for image in IMAGES[::40]:
        for pixels in (image, np.dstack([image] * 3)):
            np.testing.assert_array_equal(find_digit(pixels).image, image)


@pytest.mark.parametrize(("side", "light"), [(20, True), (60, False), (311, True)])
def test_a_clean_digit_of_any_size_is_found(side: int, light: bool) -> None:
    for image in IMAGES[[*range(0, 1000, 80), 997]]:  # the last, a narrow 4 in one stroke, was once taken for a plus
        large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        assert likeness(find_digit(large if light else 255 - large).image, image) > 0.75


@pytest.mark.slow
@given(index=st.integers(0, 999), x=st.integers(-36, 36), y=st.integers(-36, 36), factor=st.floats(0.3, 1.08))
def test_place_brightness_and_inversion_do_not_matter(index: int, x: int, y: int, factor: float) -> None:
    sheet = drawing(IMAGES[index])
    digit = find_digit(sheet)
    moved = find_digit(cv2.warpAffine(sheet, np.array([[1.0, 0, x], [0, 1, y]]), sheet.shape, borderValue=235))
    np.testing.assert_allclose(moved.box, np.add(digit.box, (x, y, x, y)), atol=2)
    assert likeness(moved.image, digit.image) > 0.95
    assert likeness(find_digit(np.rint(sheet * factor).astype(np.uint8)).image, digit.image) > 0.95
    # A photo that is resampled rounds halves up, its negative down.
    np.testing.assert_allclose(find_digit(255 - sheet).image.astype(int), digit.image, atol=3)


@pytest.mark.parametrize(("level", "grain"), [(0, 0), (90, 4), (255, 4)])
def test_an_empty_sheet_has_no_digit(level: int, grain: int) -> None:
    slope = np.linspace(0.7, 1, 300)[:, None] * np.linspace(0.9, 1, 400)
    sheet = level * slope + np.random.default_rng(level).normal(0, grain, slope.shape)
    assert find_digit(np.clip(np.rint(sheet), 0, 255).astype(np.uint8)) is None


@pytest.mark.slow
@pytest.mark.parametrize("strength", STRENGTHS)
def test_the_digit_is_found_where_it_was_written(strength: str) -> None:
    alike = []
    for i in range(12):
        digit = find_digit(photograph([[IMAGES[i]]], strength, np.random.default_rng([i, 1])))
        alike.append(likeness(digit.image, IMAGES[i]) if digit else 0)
    assert np.median(alike) > 0.9
    assert np.mean(np.array(alike) > 0.6) >= {"mild": 0.9, "medium": 0.9, "harsh": 0.8}[strength]


@pytest.mark.parametrize("kind", KINDS)
def test_easy_pictures_show_their_digit_alone(kind: str) -> None:
    alike = []
    for i in range(0, 1000, 91):
        file, picture = io.BytesIO(), KINDS[kind](IMAGES[i], np.random.default_rng(i))
        picture.save(file, "TIFF" if picture.mode == "F" else "PNG")
        digit = find_digit(read_photo(file).pixels)
        alike.append(likeness(digit.image, IMAGES[i]) if digit else 0)
    assert np.sum(np.array(alike) > (0.6 if kind == "thick pens" else 0.75)) >= 10, np.round(alike, 2)


@pytest.mark.parametrize("wall", [20, 240])
def test_a_board_may_be_round_or_cut_off_by_the_photo(wall: int) -> None:
    board = drawing(IMAGES[3], 200) if wall == 20 else 255 - drawing(IMAGES[3], 200)
    corner = np.pad(board, ((0, 120), (150, 0)), constant_values=wall)
    disc = cv2.circle(np.zeros((400, 500), np.uint8), (250, 200), 150, 1, -1)
    round_board = np.where(disc, np.pad(board, ((100, 100), (150, 150)), "edge"), np.uint8(wall))
    for photo in (corner, round_board):
        assert likeness(find_digit(photo).image, IMAGES[3]) > 0.75


@pytest.mark.parametrize("depth", [0, 25])
def test_what_lies_beside_a_sheet_is_not_its_digit(depth: int) -> None:
    """The edge of a dark table, and the thick lines of a cell: both reach the photo's edge, and the digit does not."""
    sheet = drawing(IMAGES[3])
    sheet[:depth], sheet[:, -6:], sheet[-6:] = 40, 30, 30
    assert likeness(find_digit(sheet).image, IMAGES[3]) > 0.75


def test_several_digits_come_in_reading_order() -> None:
    rows = [[4, 0, 7], [1, 9, 2]]
    pick = {digit: IMAGES[np.flatnonzero(digit == LABELS)[3]] for digit in range(10)}
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
    for digit, expected in zip(chain(*groups), chain(*rows), strict=True):
        assert likeness(digit.image, pick[expected]) > 0.9


def test_strokes_that_do_not_touch_make_up_a_digit() -> None:
    one = (60, 50, 60, 150)
    four = [(150, 50, 130, 105), (130, 105, 175, 105), (192, 60, 190, 150)]  # a gap of eight pixels before the stem
    five = [(300, 70, 290, 100), (290, 100, 330, 120), (330, 120, 290, 150), (305, 50, 340, 48)]  # and its hat
    (group,) = find_digits(lines(one, *four, *five))
    assert [digit.box[0] for digit in group] == pytest.approx([56, 126, 286], abs=4)
    assert [digit.box[2] for digit in group] == pytest.approx([65, 197, 345], abs=4)


def test_digits_close_to_each_other_stay_apart() -> None:
    zero = [(130, 50, 180, 50), (180, 50, 180, 150), (180, 150, 130, 150), (130, 150, 130, 50)]
    small = [(200, 90, 240, 90), (240, 90, 240, 150), (240, 150, 200, 150), (200, 150, 200, 90)]
    one = (110, 50, 110, 150)
    below = [(x, y + 114, to_x, to_y + 114) for x, y, to_x, to_y in (one, *zero)]  # five pixels between the rows
    groups = find_digits(lines(one, *zero, *small, *below))
    lefts = [[part.box[0] for digit in group for _, _, part in digit.splits or [(0, 1, digit)]] for group in groups]
    for found, expected in zip(lefts, ([106, 126, 196], [106, 126]), strict=True):
        assert all(min(abs(left - digit) for left in found) < 4 for digit in expected)


def test_a_long_stroke_is_no_line() -> None:
    """The stem of a 4 that fills the photo from top to bottom."""
    four = lines((60, 3, 60, 117), (20, 10, 20, 70), (20, 70, 85, 70), shape=(120, 100), thick=6)
    left, top, right, bottom = find_digit(four).box
    assert (left, right) == (pytest.approx(17, abs=4), pytest.approx(88, abs=4))
    assert bottom - top > 105


@pytest.mark.parametrize(("thick", "shift"), [(2, 14), (8, 0)])
def test_digits_in_a_table_come_without_its_lines(thick: int, shift: int) -> None:
    generator = np.random.default_rng(thick)
    rows = [[IMAGES[generator.integers(len(IMAGES))] for _ in range(4)] for _ in range(3)]
    found = found_in(table(rows, thick, shift))
    alike = [likeness(digit.image, image) for digit, image in zip(found, chain(*rows), strict=True)]
    assert np.median(alike) > 0.9
    assert np.mean(np.array(alike) > 0.7) > 0.8


def test_a_digit_that_crosses_a_line_stays_whole() -> None:
    (digit,) = found_in(table([[write_digit(1, np.random.default_rng(3))]], 4, 45))  # its lower half is below the cell
    assert digit.box[3] - digit.box[1] == pytest.approx(80, abs=6)


@pytest.mark.parametrize("printed", [40, 155])
def test_a_number_that_fills_a_form_s_box_is_found_whole(printed: int) -> None:
    """Digits that stand close to the lines of a box, black or pale, in a picture of nothing else; a 1 is no line."""
    good = 0
    for i in range(10):
        page = number([IMAGES[7 * i], IMAGES[LABELS == 1][i], IMAGES[300 + 7 * i]], 14)
        top, left, bottom, right = 72, 70, 168, page.shape[1] - 70
        page = np.minimum(page, cv2.rectangle(np.full_like(page, 236), (left, top), (right, bottom), printed, 3))
        found = found_in(page[top - 4 : bottom + 4, left - 4 : right + 4])
        heights = [digit.box[3] - digit.box[1] for digit in found]
        good += len(found) == 3 and min(heights) > 70 and max(heights) < 86
    assert good >= 8


def test_a_number_that_is_cropped_to_its_ink_is_found_whole() -> None:
    page = number(list(IMAGES[[0, 300, 600]]), 14)
    left, top, width, height = cv2.boundingRect((page < 128).astype(np.uint8))
    assert len(found_in(page[top : top + height, left : left + width])) == 3


def test_many_digits_that_touch_are_no_dash() -> None:
    page = number(list(IMAGES[LABELS == 0][:6]), -6)
    found = found_in(page)
    assert sum(digit.box[2] - digit.box[0] for digit in found) > 0.9 * (page.shape[1] - 160)


@pytest.mark.parametrize("underline", [8, 0])
def test_an_underline_takes_no_digit_with_it(underline: int) -> None:
    pages = [number(list(IMAGES[[7 * i, 300 + 7 * i, 600 + 7 * i]]), 14, underline) for i in range(10)]
    found = [[len(group) for group in find_digits(page)] == [3] for page in pages]
    assert sum(found) >= {8: 9, 0: 7}[underline]


def test_the_sheet_on_a_table_is_seen_from_above() -> None:
    digits = [IMAGES[i] for i in (3, 200, 410, 780)]
    page = np.full((400, 900), 236, np.uint8)
    written = number(digits, 30)
    page[60 : 60 + written.shape[0], 200 : 200 + written.shape[1]] = written
    photo, corners = on_table(page, -25, np.random.default_rng(75))
    np.testing.assert_allclose(find_sheet(photo), corners, atol=0.03 * max(page.shape))
    (group,) = find_digits(photo)
    assert [likeness(digit.image, image) > 0.7 for digit, image in zip(group, digits, strict=True)] == [True] * 4
    onto = cv2.getPerspectiveTransform(np.float32([[0, 0], [900, 0], [900, 400], [0, 400]]), corners.astype(np.float32))
    x, y = cv2.perspectiveTransform(np.array([[[300.0, 180.0]]]), onto).ravel()  # the middle of the first
    left, top, right, bottom = group[0].box
    assert left - 20 < x < right + 20
    assert top - 20 < y < bottom + 20


def test_no_sheet_where_there_is_none() -> None:
    shadow = np.full((300, 400), 230, np.uint8)
    shadow[:, 250:] = 120
    large = [cv2.resize(image, (90, 90), interpolation=cv2.INTER_CUBIC) for image in IMAGES[::80]]
    for page in (shadow, table([[IMAGES[0]] * 3] * 3, 8), *large, *(255 - page for page in large)):
        assert find_sheet(page) is None


SIGNS = {
    "+": [(50, 80, 110, 82), (81, 50, 79, 110)],
    "x": [(52, 52, 108, 108), (52, 106, 106, 52)],
    "=": [(50, 70, 110, 68), (50, 90, 110, 90)],
    "-": [(50, 80, 110, 82)],
}


@pytest.mark.parametrize("sign", SIGNS)
def test_signs_are_no_digits(sign: str) -> None:
    drawn = lines(*SIGNS[sign], shape=(160, 160), thick=7)
    assert find_digit(drawn) is None
    digit = find_digit(np.hstack([drawing(IMAGES[0], 160, 0), drawn]))
    assert digit.alone
    assert digit.box[2] < 160


def test_one_digit_among_several_is_not_alone() -> None:
    images = IMAGES[::200]
    assert all(find_digit(number([image], 0)).alone for image in images)
    for one, other in pairwise(images):
        for apart in (8, 60):  # two that are taken for the strokes of one digit, and two that are not
            assert not find_digit(number([one, other], apart)).alone


@pytest.mark.parametrize("apart", [0, -4])
def test_digits_that_touch_may_be_cut_apart(apart: int) -> None:
    """Among the parts there are two, one after the other, that look like what was written."""
    good = 0
    for i in range(10):
        pair = [IMAGES[11 * i], IMAGES[500 + 13 * i]]
        found = found_in(number(pair, apart))
        if len(found) == 2:
            good += 1
            continue
        parts = {(start, stop): digit.image for start, stop, digit in found[0].splits}
        last = max((stop for _, stop in parts), default=0)
        ways = [(parts[0, cut], parts[cut, last]) for cut in range(1, last) if {(0, cut), (cut, last)} <= parts.keys()]
        good += any(min(likeness(ink, one) for ink, one in zip(way, pair, strict=True)) > 0.75 for way in ways)
    assert good >= 7


def test_the_network_decides_between_cuts_and_what_is_no_digit() -> None:
    def digit(number: int) -> Digit:
        return Digit(np.full((28, 28), number, np.uint8), (number, 0, number + 1, 1))

    whole, left, right, middle = (digit(number) for number in range(4))
    wide = Digit(whole.image, whole.box, ((0, 2, whole), (0, 1, left), (1, 2, right)))
    groups = [[middle, wide]]
    assert len(images_of(groups)) == 4
    for best, expected in (((0.9, 0.4, 0.99, 0.98), [3, 1, 2]), ((0.9, 0.98, 0.99, 0.98), [3, 0])):
        rows = iter(np.array([probability, *[(1 - probability) / 9] * 9, 0]) for probability in best)
        assert [read.box[0] for read, _ in choose(groups, rows)[0]] == expected
    for share, of_many, of_one in ((0.4, 1, 1), (0.6, 0, 1), (0.97, 0, 0)):
        row = np.array([1 - share, *[0] * 9, share])
        assert [len(choose([[left]], iter([row]), one=one)[0]) for one in (False, True)] == [of_many, of_one]


def test_steps_show_each_stage() -> None:
    steps: dict[str, Pixels] = {}
    digit = find_digit(photograph([[IMAGES[0]]], "medium", np.random.default_rng(0)), steps)
    assert ", ".join(steps) == "1 grey, 2 light evened out, 3 ink, 4 ink without lines, 5 digit, 6 as MNIST"
    np.testing.assert_array_equal(steps["6 as MNIST"], digit.image)
