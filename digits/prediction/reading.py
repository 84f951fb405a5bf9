"""From some photos to their answers: read them, find their digits, classify all of them together."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.files import naming, write_file
from digits.photos import Digit, Photo, Steps, find_digit, find_digits, read_pages, read_photo
from digits.prediction.answers import Answer, answer_for_fault, describe, is_sure
from digits.prediction.listing import File
from digits.prediction.splits import choose, images_of, whole_and_cut
from digits.prediction.trained_run import TrainedRun, average

Groups = list[list[Digit]]


@dataclass(frozen=True)
class Outputs:
    """Folders to write into for each photo: a copy with the digits' boxes, an image of each stage, a copy of the file
    if a person should look at it. With `boxes` all digits are looked for."""

    boxes: Path | None = None
    steps: Path | None = None
    unsure: Path | None = None

    def folders(self) -> list[Path]:
        """Return those that are written."""
        return [folder for folder in (self.boxes, self.steps, self.unsure) if folder is not None]


@dataclass
class _Page:
    """A page of a file, or the one photo in it: its groups of digits, or why it could not be read."""

    file: File
    fault: str = ""
    groups: Groups = field(default_factory=list)
    page: int | None = None  # where the file has several
    note: str = ""

    def output(self, folder: Path, ending: str) -> Path:
        """Return the path in the folder for an output of this page."""
        return folder / (self.file.place + (f"-page-{self.page}" if self.page else "") + ending)


def answer_chunk(runs: Sequence[TrainedRun], outputs: Outputs, files: list[File]) -> list[Answer]:
    """Return the answer for each file, for each page where it has several; one that cannot be read gets an 'error' and
    no digit."""
    pages = [page for file in files for page in _read(file, outputs)]
    images = [image for page in pages for image in images_of(page.groups)]
    probabilities = iter(average(runs, np.stack(images)) if images else ())
    answers = [_answer(page, probabilities, runs[0].class_names, outputs.boxes) for page in pages]
    if outputs.unsure:
        unsure = {page.file: None for page, answer in zip(pages, answers, strict=True) if not is_sure(answer)}
        for file in unsure:
            _copy(file, outputs.unsure)
    return answers


def _read(file: File, outputs: Outputs) -> Iterator[_Page]:
    """Yield the pages of the file."""
    if file.fault:
        yield _Page(file, file.fault)
        return
    for number, photo in read_pages(Path(file.path), shrink=True):
        if isinstance(photo, UserError):
            yield _Page(file, str(photo), page=number)
        else:
            page = _Page(file, page=number, note=photo.note)
            page.groups = _find(photo, page, outputs)
            yield page


def _find(photo: Photo, page: _Page, outputs: Outputs) -> Groups:
    """Return the groups of digits in the photo; without boxes, those of whole_and_cut."""
    stages: Steps | None = {} if outputs.steps else None
    if outputs.boxes:
        groups = find_digits(photo.pixels, stages, photo.size)
    else:
        digit = find_digit(photo.pixels, stages, photo.size)
        groups = whole_and_cut(digit) if digit else []
    if outputs.steps and stages:
        for name, stage in stages.items():
            # Enlarged, so that 28x28 pixels can be seen.
            large = np.kron(stage, np.ones((10, 10), np.uint8)) if max(stage.shape) <= 28 else stage
            _write(page.output(outputs.steps, f"-{name.replace(' ', '-')}.png"), large)
    return groups


def _answer(
    found: _Page, probabilities: Iterator[NDArray[Any]], class_names: Sequence[str], boxes: Path | None
) -> Answer:
    """Return the answer for a page with its digits; with `boxes`, for several, marked in a copy in that folder."""
    about: Answer = {"path": found.file.path, **({"page": found.page} if found.page else {})}
    if found.fault:
        return about | answer_for_fault(found.file.path, found.fault)
    described = [
        [{**describe(row, class_names), "box": list(digit.box)} for digit, row in group]
        for group in choose(found.groups, probabilities)
    ]
    digits = [digit for group in described for digit in group]
    one = digits and (len(digits) == 1 or not boxes)
    alone = all(digit.alone for group in found.groups for digit in group)
    if several := not boxes and (max(map(len, described), default=0) > 1 or not alone):
        digits[0]["sure"] = False
    answer = {**about, **(digits[0] if one else {**describe(None, ()), "box": None})}
    if several:
        answer["several"] = True
    if found.note:
        answer["note"] = found.note
    if boxes:
        del answer["box"]
        answer["digits"] = digits
        answer["numbers"] = ["".join(str(digit["digit"]) for digit in group) for group in described]
        if digits:
            try:
                photo = read_photo(Path(found.file.path), page=found.page or 1)
            except UserError as error:  # the file has gone meanwhile
                return about | answer_for_fault(found.file.path, str(error))
            copy = found.output(boxes, "-boxes.png")
            _write_marked(photo.pixels, digits, copy)
            answer["boxes"] = str(copy)
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
        cv2.putText(colour, str(digit["digit"]), (left, max(top - 2 * thick, 20)), 0, size, hue, thick + 1)
    _write(path, colour)


def _copy(file: File, folder: Path) -> None:
    """Copy the file into the folder; where it is none, or cannot be read, its answer says so."""
    if Path(file.path).is_file() and os.access(file.path, os.R_OK):
        _make_folder_for(folder / file.place)
        # Not shutil.copyfile, which says of a full disk that the photo has no space.
        with naming(folder / file.place), open(file.path, "rb") as photo, open(folder / file.place, "wb") as copy:
            shutil.copyfileobj(photo, copy)


def _write(path: Path, image: NDArray[Any]) -> None:
    _make_folder_for(path)
    write_file(path, cv2.imencode(".png", image)[1].tobytes())


def _make_folder_for(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"'{path.parent}' is in the way: a folder goes there; move it, or choose another.") from None
