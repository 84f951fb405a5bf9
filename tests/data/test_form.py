"""Datasets of the user's own that lack MNIST's form are warned of, with the option that brings them into it."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mnist_twice.data.catalogue import stratified_sample
from mnist_twice.data.form import Changes, look_at

NAMES = tuple("0123456789")
_images, _labels = stratified_sample()[2:]
CHOSEN = np.concatenate([np.flatnonzero(_labels == digit)[:20] for digit in range(10)])
IMAGES, LABELS = _images[CHOSEN], _labels[CHOSEN]


def signs(images: np.ndarray, changes: Changes = Changes(), names: tuple[str, ...] = NAMES) -> str:  # noqa: B008
    return "\n".join(look_at((images[::2], LABELS[::2], images[1::2], LABELS[1::2]), names, changes))


def test_what_has_the_form_is_not_warned_of() -> None:
    assert signs(IMAGES) == ""
    other = np.random.default_rng(0).permutation(10)[LABELS]  # glyphs that are not MNIST's digits
    assert look_at((IMAGES.transpose(0, 2, 1), other, IMAGES[:9], other[:9]), NAMES, Changes()) == []
    assert signs(IMAGES.transpose(0, 2, 1), names=tuple("abcdefghij")) == ""


@given(
    full=st.sampled_from([1, 15, 16, 100, 255]), invert=st.booleans(), transpose=st.booleans(), paper=st.floats(0, 0.3)
)
def test_the_named_options_bring_the_form_back(full: int, invert: bool, transpose: bool, paper: float) -> None:
    dark = np.maximum(IMAGES / 255, paper)
    bad = np.rint((1 - dark if invert else dark) * full).astype(np.uint8)
    bad = bad.transpose(0, 2, 1) if transpose else bad
    found = signs(bad)
    most = int(bad.max())
    assert (f"with --scale {most}." in found) == (most <= 128)
    assert ("with --invert." in found) == invert
    assert ("with --transpose." in found) == transpose
    changes = Changes(most if most <= 128 else None, invert, transpose)
    assert signs(changes.apply(bad), changes) == ""
    if (invert or transpose) and most > 128:  # an option that should not have been given is named too
        assert signs(changes.apply(IMAGES), changes).count(" without --") == invert + transpose


def test_what_no_option_brings_into_form_is_not_told_to_use_one() -> None:
    """Grey paper, little contrast, a frame: --scale and --invert are no remedy."""
    for bad in (254 + IMAGES // 128, 100 + IMAGES // 2, 255 - IMAGES // 4, 127 + IMAGES // 255):
        assert "stretch them" in (found := signs(bad))
        assert not re.search("--(scale|invert)", found)
        assert "--scale" not in signs(255 - bad, Changes(invert=True))
    for paper in (0, 255):
        framed = np.full_like(IMAGES, 255 - paper)
        framed[:, 1:-1, 1:-1] = IMAGES[:, 1:-1, 1:-1] ^ paper
        assert "have a frame" in (found := signs(framed))
        assert "--invert" not in found


def test_parts_that_differ_are_warned_of() -> None:
    mixed = np.where(np.arange(len(IMAGES))[:, None, None] % 4 == 1, 255 - IMAGES, IMAGES)
    assert "50 of the 200 images have a light background" in signs(mixed)
    found = look_at((IMAGES, LABELS, 255 - IMAGES, LABELS), NAMES, Changes())
    assert found[0].startswith("200 of the 400 images have a light background")
    assert "all pixels of all images are 0" in signs(IMAGES * 0)
    numbers = np.arange(len(IMAGES), dtype=np.uint8)
    found = look_at((IMAGES, numbers, IMAGES, numbers), list(map(str, numbers)), Changes())
    assert "200 classes for 200 training images" in found[0]
