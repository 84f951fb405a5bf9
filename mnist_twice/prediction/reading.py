"""From photos to answers, on all cores: a few files in threads, many in processes, where a crash costs one file."""

import functools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mnist_twice.errors import UserError
from mnist_twice.files import naming
from mnist_twice.machine import cores
from mnist_twice.photos import Digit, Steps, find_digits, prepare, read_pages, read_photo
from mnist_twice.prediction.answers import Answer, answer_for_fault, describe, is_sure
from mnist_twice.prediction.listing import File
from mnist_twice.prediction.trained_run import TrainedRun, average
from mnist_twice.processes import spread

CHUNK = 64  # files at most that a process is given at once
FEW_FILES, FEW_BYTES = 2_000, 8_000_000
"""Up to which threads are faster than processes, which start in half a second."""
NOTHING = 0.95
"""Where one digit is expected, the answer is that there is none from this probability on."""
SHORT = 0.6
"""A part that is less high than so many times all the ink that it is cut from is less likely a digit."""
Read = tuple[Digit, NDArray[Any]]  # a digit and its class probabilities, float32 (classes,)


class Outputs(NamedTuple):
    """Folders to write into for each photo: a copy with the digits' boxes, an image of each stage, a copy of the file
    if a person should look at it. With `boxes` all digits are looked for."""

    boxes: Path | None = None
    steps: Path | None = None
    unsure: Path | None = None


@dataclass
class _Page:
    """A page of a file, or the one photo in it: its groups of digits, or why it could not be read."""

    file: File
    number: int | None  # where the file has several
    place: str  # of its outputs
    fault: str = ""
    note: str = ""
    groups: list[list[Digit]] = field(default_factory=list)


def answer_files(
    files: Iterable[File], runs: Sequence[TrainedRun], outputs: Outputs | None = None, workers: int = 0
) -> Iterator[list[Answer]]:
    """Yield the answers for the files, in order, in lists of some: for each page of a file that has several.

    What cannot be read gets an 'error' and no digit. On all cores, or so many `workers`: processes, or for few threads.
    """
    files, workers = list(files), workers or cores()
    size = max(1, min(CHUNK, len(files) // (4 * workers)))
    chunks = [files[start : start + size] for start in range(0, len(files), size)]
    work = functools.partial(_answer_chunk, runs, outputs or Outputs())
    total = sum(os.path.getsize(file.path) for file in files if os.path.isfile(file.path))
    if workers == 1 or (len(files) <= FEW_FILES and total <= FEW_BYTES):
        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(work, chunks)
        return
    fault = "reading it crashed; the file may be damaged, or need too much memory."
    for chunk, answers in spread(work, chunks, workers):
        yield [answer_for_fault(file.path, fault) for file in chunk] if answers is None else answers


def _answer_chunk(runs: Sequence[TrainedRun], outputs: Outputs, files: list[File]) -> list[Answer]:
    cv2.setNumThreads(1)  # one thread a photo is faster than all threads on each
    pages = [page for file in files for page in _read(file, outputs, runs[0].preprocessing)]
    images = [image for page in pages for image in images_of(page.groups)]
    # Of all together: that is faster.
    probabilities = iter(average(runs, np.stack(images), pieces=True) if images else ())
    answers = [_answer(page, probabilities, runs[0].class_names, outputs.boxes) for page in pages]
    for page, answer in zip(pages, answers, strict=True):
        if outputs.unsure and not is_sure(answer):
            _copy(Path(page.file.path), outputs.unsure / page.file.place)
    return answers


def _read(file: File, outputs: Outputs, preprocessing: str) -> Iterator[_Page]:
    """Yield the file's photo, or what is wrong with it, or each page's; with the groups of digits in it."""
    for number, photo in [(None, UserError(file.fault))] if file.fault else read_pages(Path(file.path), shrink=True):
        page = _Page(file, number, file.place + (f"-page-{number}" if number else ""))
        stages: Steps | None = {} if outputs.steps else None
        if isinstance(photo, UserError):
            page.fault = str(photo)
        elif outputs.boxes:
            page.groups = find_digits(photo.pixels, stages, photo.size)
        elif digit := prepare(photo, preprocessing, stages):
            page.groups = whole_and_cut(digit)
        page.note = getattr(photo, "note", "")
        if outputs.steps:
            for name, stage in (stages or {}).items():
                # Enlarged, so that 28x28 pixels can be seen.
                large = np.kron(stage, np.ones((10, 10), np.uint8)) if max(stage.shape) <= 28 else stage
                _write(outputs.steps / f"{page.place}-{name.replace(' ', '-')}.png", large)
        yield page


def _answer(
    page: _Page, probabilities: Iterator[NDArray[Any]], class_names: Sequence[str], boxes: Path | None
) -> Answer:
    """Return the answer for a photo; with `boxes`, for all its digits, marked in a copy in that folder."""
    about: Answer = {"path": page.file.path, **({"page": page.number} if page.number else {})}
    if page.fault:
        return about | answer_for_fault(page.file.path, page.fault)
    described = [
        [{**describe(row, class_names), "box": list(digit.box)} for digit, row in group]
        for group in choose(page.groups, probabilities, one=not boxes)
    ]
    digits = [digit for group in described for digit in group]
    note = {"note": page.note} if page.note else {}
    nothing = describe(None, ())
    if not boxes:
        if not digits:
            return {**about, **nothing, "box": None, **note}
        alone = max(map(len, described)) == 1 and page.groups[0][0].alone
        return {**about, **digits[0], **({} if alone else {"sure": False, "several": True}), **note}
    one = {key: digits[0][key] for key in nothing} if len(digits) == 1 else nothing
    numbers = ["".join(str(digit["label"]) for digit in group) for group in described if group]
    answer = {**about, **one, **note, "digits": digits, "numbers": numbers}
    if digits:
        whole = read_photo(Path(page.file.path), page=page.number or 1)
        _write_marked(whole.pixels, digits, boxes / f"{page.place}-boxes.png")
        answer["boxes"] = str(boxes / f"{page.place}-boxes.png")
    return answer


def _write_marked(pixels: NDArray[Any], digits: Sequence[Answer], path: Path) -> None:
    """Write the photo with a box around each digit, and the digit beside it."""
    colour = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.ndim == 2 else pixels[:, :, ::-1].copy()
    thick = max(1, round(max(colour.shape) / 400))
    for digit in digits:
        left, top, right, bottom = digit["box"]
        hue = (0, 160, 0) if digit["sure"] else (0, 0, 220)
        cv2.rectangle(colour, (left, top), (right, bottom), hue, thick)
        size = max(0.5, (bottom - top) / 60)
        cv2.putText(colour, str(digit["label"]), (left, max(top - 2 * thick, 20)), 0, size, hue, thick + 1)
    _write(path, colour)


def _write(path: Path, image: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def _copy(path: Path, copy: Path) -> None:
    """Copy the file; where there is none, or it cannot be read, its answer says so."""
    if path.is_file() and os.access(path, os.R_OK):
        copy.parent.mkdir(parents=True, exist_ok=True)
        # Not shutil.copyfile, which says of a full disk that the photo has no space.
        with naming(copy), path.open("rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)


def whole_and_cut(digit: Digit) -> list[list[Digit]]:
    """Return the groups to classify where one digit is expected: it as a whole, and, if it is wide, what it may be cut
    into. Of a messy digit the whole is read better; where several are chosen in the second group, it is in doubt."""
    return [[replace(digit, splits=())], *([[digit]] if digit.splits else [])]


def images_of(groups: Sequence[Sequence[Digit]]) -> list[NDArray[np.uint8]]:
    """Return the images to classify: of each digit in turn its own, or those of all that it may be cut into."""
    return [part.image for group in groups for digit in group for _, _, part in digit.splits or [(0, 1, digit)]]


def choose(
    groups: Sequence[Sequence[Digit]], probabilities: Iterator[NDArray[Any]], one: bool = False
) -> list[list[Read]]:
    """Return the digits of each group with their probabilities, cut apart where that is more probable.

    probabilities: of images_of(groups), in order, float32 (classes + 1,) each. Of all ways from the first cut to the
    last, the one is chosen whose parts are all right with the highest probability: the product of their best classes'
    probabilities, lower for parts that are not as high. What is most probably no digit is left out; where `one` is
    expected, what is nearly certainly none.
    """
    chosen = [[read for digit in group for read in _best_way(digit, probabilities)] for group in groups]
    return [
        [(part, row[:-1]) for part, row in group if row[-1] < (NOTHING if one else row[:-1].max())] for group in chosen
    ]


def _best_way(digit: Digit, probabilities: Iterator[NDArray[Any]]) -> list[Read]:
    ways: dict[int, tuple[float, list[Read]]] = {0: (1.0, [])}
    rows = [(start, stop, part, next(probabilities)) for start, stop, part in digit.splits or [(0, 1, digit)]]
    # All parts that end at a cut come before those that begin there.
    for start, stop, part, row in sorted(rows, key=lambda found: found[:2]):
        if start in ways:
            product, before = ways[start]
            height = (part.box[3] - part.box[1]) / (digit.box[3] - digit.box[1])
            product *= max(float(row[:-1].max()), 1e-9) * min(1, height / SHORT)
            if product > ways.get(stop, (0.0, []))[0]:
                ways[stop] = product, [*before, (part, row)]
    return ways[max(ways)][1]
