"""Tables, touching digits, underlines, signs and sheets on a table: what is found, without any network."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from synthetic_pages import number, on_table, table

from digits.data.sample import stratified_sample
from digits.photos.find import Digit, find_digit, find_digits
from digits.photos.sheet import find_sheet
from digits.prediction import choose, images_of
from digits.training.pens import write_digit

IMAGES, LABELS = stratified_sample()[2:]


def likeness(image: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two images, blurred so that a pixel's shift hardly counts."""
    first, second = (cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 1.5).ravel() for pixels in (image, other))
    return float(np.corrcoef(first, second)[0, 1])


def found_in(page: np.ndarray) -> list[Digit]:
    return [digit for group in find_digits(page) for digit in group]


@pytest.mark.parametrize(("side", "light"), [(20, True), (60, False), (311, True)])
def test_a_clean_digit_of_any_size_is_found(side: int, light: bool) -> None:
    for image in IMAGES[::80]:
        large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        digit = find_digit(large if light else 255 - large)
        assert digit is not None
        assert likeness(digit.image, image) > 0.75


@pytest.mark.parametrize(("thick", "shift"), [(2, 14), (8, 0)])
def test_digits_in_a_table_come_without_its_lines(thick: int, shift: int) -> None:
    generator = np.random.default_rng(thick)
    rows = [[IMAGES[generator.integers(len(IMAGES))] for _ in range(4)] for _ in range(3)]
    found = found_in(table(rows, thick, shift))
    assert len(found) == 12
    alike = [likeness(digit.image, image) for digit, image in zip(found, itertools.chain(*rows), strict=True)]
    assert np.median(alike) > 0.9
    assert np.mean(np.array(alike) > 0.7) > 0.8


def test_a_digit_that_crosses_a_line_stays_whole() -> None:
    image = write_digit(1, np.random.default_rng(3))
    page = table([[image]], 4, 45)  # its lower half is below the cell
    (digit,) = found_in(page)
    assert digit.box[3] - digit.box[1] == pytest.approx(80, abs=6)


def test_a_long_stroke_is_no_line() -> None:
    """The stem of a 4 that fills the photo from top to bottom."""
    photo = np.full((120, 100), 235, np.uint8)
    for start, stop in (((60, 3), (60, 117)), ((20, 10), (20, 70)), ((20, 70), (85, 70))):
        cv2.line(photo, start, stop, 30, 6)
    digit = find_digit(photo)
    assert digit is not None
    left, top, right, bottom = digit.box
    assert (left, right) == (pytest.approx(17, abs=4), pytest.approx(88, abs=4))
    assert bottom - top > 105


def test_the_sheet_on_a_table_is_seen_from_above() -> None:
    generator = np.random.default_rng(75)
    digits = [IMAGES[i] for i in (3, 200, 410, 780)]
    page = np.vstack([np.full((100, 900), 236, np.uint8), np.full((300, 900), 236, np.uint8)])
    written = number(digits, 30)
    page[60 : 60 + written.shape[0], 200 : 200 + written.shape[1]] = written
    photo, corners = on_table(page, -25, generator)
    found = find_sheet(photo)
    assert found is not None
    np.testing.assert_allclose(found, corners, atol=0.03 * max(page.shape))
    (group,) = find_digits(photo)
    assert [likeness(digit.image, image) > 0.7 for digit, image in zip(group, digits, strict=True)] == [True] * 4
    onto = cv2.getPerspectiveTransform(np.float32([[0, 0], [900, 0], [900, 400], [0, 400]]), corners.astype(np.float32))
    first = cv2.perspectiveTransform(np.array([[[300.0, 180.0]]]), onto).ravel()
    left, top, right, bottom = group[0].box
    assert left - 20 < first[0] < right + 20
    assert top - 20 < first[1] < bottom + 20


def test_no_sheet_where_there_is_none() -> None:
    for i, image in enumerate(IMAGES[::80]):
        side = (28, 90, 250)[i % 3]
        large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        assert find_sheet(large) is None
        assert find_sheet(255 - large) is None
    assert find_sheet(table([[IMAGES[0]] * 3] * 3, 8)) is None
    shadow = np.full((300, 400), 230, np.uint8)
    shadow[:, 250:] = 120
    assert find_sheet(shadow) is None


@pytest.mark.parametrize("underline", [8, 0])
def test_an_underline_takes_no_digit_with_it(underline: int) -> None:
    found = 0
    for i in range(10):
        digits = IMAGES[[7 * i, 300 + 7 * i, 600 + 7 * i]]
        groups = find_digits(number(list(digits), 14, underline))
        found += [len(group) for group in groups] == [3]
    assert found >= {8: 9, 0: 7}[underline]


SIGNS = {
    "+": [((10, 40), (70, 42)), ((41, 10), (39, 70))],
    "x": [((12, 12), (68, 68)), ((12, 66), (66, 12))],
    "=": [((10, 30), (70, 28)), ((10, 50), (70, 50))],
    "-": [((10, 40), (70, 42))],
}


@pytest.mark.parametrize("sign", SIGNS)
def test_signs_are_no_digits(sign: str) -> None:
    mask = np.zeros((80, 80), np.uint8)
    for start, stop in SIGNS[sign]:
        cv2.line(mask, start, stop, 1, 7)
    assert find_digit(np.pad(235 - 200 * mask, 40, constant_values=235)) is None


def test_one_digit_among_several_is_not_alone() -> None:
    images = IMAGES[::200]
    assert all(find_digit(number([image], 0)).alone for image in images)
    for one, other in itertools.pairwise(images):
        for apart in (8, 60):  # two that are taken for the strokes of one digit, and two that are not
            assert not find_digit(number([one, other], apart)).alone


def test_a_digit_beside_a_sign_is_alone() -> None:
    sheet = np.pad(number([IMAGES[0]], 0), ((0, 0), (0, 160)), constant_values=236)
    for start, stop in SIGNS["+"]:
        cv2.line(sheet, *(tuple(np.add(end, (180, 80)).tolist()) for end in (start, stop)), 40, 7)
    digit = find_digit(sheet)
    assert digit.alone
    assert digit.box[2] < 180


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


def test_the_network_decides_between_cuts() -> None:
    def digit(number: int) -> Digit:
        return Digit(np.full((28, 28), number, np.uint8), (number, 0, number + 1, 1))

    def sure_of(*best: float) -> list[np.ndarray]:
        return [np.array([probability, *[(1 - probability) / 9] * 9]) for probability in best]

    whole, left, right, middle = (digit(number) for number in range(4))
    wide = Digit(whole.image, whole.box, ((0, 2, whole), (0, 1, left), (1, 2, right)))
    groups = [[middle, wide]]
    assert len(images_of(groups)) == 4
    for probabilities, expected in (((0.9, 0.4, 0.99, 0.98), [3, 1, 2]), ((0.9, 0.95, 0.99, 0.98), [3, 0])):
        chosen = choose(groups, iter(sure_of(*probabilities)))
        assert [read.box[0] for read, _ in chosen[0]] == expected
