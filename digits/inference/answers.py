"""From picture files to answers: what predict_digit.py prints, as JSON's objects and as lines for people."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.files import write_file
from digits.inference.networks import TrainedRun, average
from digits.names import plain
from digits.photos import Digit, Steps, find_digit, find_digits, read_photo

SURE = 0.8
"""Answers with a lower probability are 'not sure'. benchmarks/photo_accuracy.py prints what this threshold is worth."""
CHUNK = 64
"""Pictures read before their digits are put to the networks together."""
LONGEST_NAME = 200
"""Bytes of a picture's name that its output's names begin with; file systems take 255, '-6-as-MNIST.png' included."""
Answer = dict[str, Any]


def answer_pictures(
    files: Sequence[Path], runs: Sequence[TrainedRun], boxes: Path | None, steps: Path | None
) -> Iterator[Answer]:
    """Yield an answer for each picture file, in order; one that cannot be read gets an 'error' and no digit.

    With `boxes`, a folder, all digits of each picture are looked for, and a copy with boxes goes there. With `steps`,
    a folder, each picture's stages go there.
    """
    workers = os.cpu_count() or 1
    cv2.setNumThreads(1)  # one thread a picture is faster than all threads on each
    jobs = list(zip(files, output_names(files), strict=True))
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(jobs), CHUNK):
            chunk = jobs[start : start + CHUNK]
            found = list(pool.map(lambda job: _read(job[0], boxes is not None, steps and steps / job[1]), chunk))
            images = [
                digit.image for groups in found if not isinstance(groups, str) for group in groups for digit in group
            ]
            probabilities = iter(average(runs, np.stack(images)) if images else ())
            for (path, name), groups in zip(chunk, found, strict=True):
                if isinstance(groups, str):
                    yield answer_for_fault(path, groups)
                elif boxes is None:
                    yield _single(path, groups, probabilities, runs[0].class_names)
                else:
                    yield _several(path, groups, probabilities, runs[0].class_names, boxes / f"{name}-boxes.png")


def output_names(files: Sequence[Path]) -> list[str]:
    """Return for each picture a name of its own for its output to begin with; numbered where two would share one."""
    cleaned = [re.sub(r"[^\w.-]", "_", path.name).encode()[:LONGEST_NAME].decode(errors="ignore") for path in files]
    # Some file systems take A.png and a.png for one name.
    shared = Counter(name.casefold() for name in cleaned)
    taken = {name for name, count in shared.items() if count == 1}
    names = []
    for number, name in enumerate(cleaned, start=1):
        if shared[name.casefold()] > 1:
            name = f"{number}-{name}"
            while name.casefold() in taken:  # a picture is itself called 2-a.png
                name = f"{number}-{name}"
            taken.add(name.casefold())
        names.append(name)
    return names


def answer_for_fault(path: Path, fault: str) -> Answer:
    """Return the answer for a file or folder that cannot be read."""
    return {"path": str(path), **describe(None, ()), "error": fault}


def describe(probabilities: NDArray[Any] | None, class_names: Sequence[str]) -> Answer:
    """Return the digit, its probability, the runner-up and whether that is sure; nulls where there is no digit."""
    if probabilities is None:
        return {"digit": None, "probability": None, "runner_up": None, "runner_up_probability": None, "sure": False}
    order = np.argsort(-probabilities, kind="stable")
    first, second = order[0], order[min(1, len(order) - 1)]
    return {
        "digit": _value(class_names[first]),
        "probability": round(float(probabilities[first]), 4),
        "runner_up": _value(class_names[second]),
        "runner_up_probability": round(float(probabilities[second]), 4),
        "sure": bool(probabilities[first] >= SURE),
    }


def as_text(answer: Answer) -> str:
    """Return the answer as a line for people."""
    name = plain(answer["path"])
    if "error" in answer:
        return f"{name}: {answer['error']}"
    if "digits" in answer:
        if not answer["digits"]:
            return f"{name}: no digit found"
        unsure = sum(not digit["sure"] for digit in answer["digits"])
        note = f" ({unsure} of {len(answer['digits'])} digits not sure)" if unsure else ""
        return f"{name}: {' '.join(answer['numbers'])}{note}; boxes in '{answer['boxes']}'"
    if answer["digit"] is None:
        return f"{name}: no digit found"
    digit, other = answer["digit"], answer["runner_up"]
    certainty = f"{digit} ({answer['probability']:.1%}; next {other}, {answer['runner_up_probability']:.1%})"
    return f"{name}: {certainty}" if answer["sure"] else f"{name}: not sure, perhaps {certainty}"


def _read(path: Path, multiple: bool, steps: Path | None) -> list[list[Digit]] | str:
    """Return the groups of digits in the file (one digit in one group, unless `multiple`), or what is wrong with it."""
    try:
        picture = read_photo(path, shrink=True)
    except UserError as error:
        return str(error)
    stages: Steps | None = {} if steps else None
    if multiple:
        groups = find_digits(picture.pixels, stages, picture.size)
    else:
        digit = find_digit(picture.pixels, stages, picture.size)
        groups = [[digit]] if digit else []
    if steps and stages:
        for name, stage in stages.items():
            side = max(stage.shape)
            # So that 28x28 pixels can be seen as what they are.
            large = np.kron(stage, np.ones((10, 10), np.uint8)) if side <= 28 else stage
            _write(steps.with_name(f"{steps.name}-{name.replace(' ', '-')}.png"), large)
    return groups


def _single(
    path: Path, groups: list[list[Digit]], probabilities: Iterator[NDArray[Any]], class_names: Sequence[str]
) -> Answer:
    if not groups:
        return {"path": str(path), **describe(None, class_names), "box": None}
    return {"path": str(path), **describe(next(probabilities), class_names), "box": list(groups[0][0].box)}


def _several(
    path: Path,
    groups: list[list[Digit]],
    probabilities: Iterator[NDArray[Any]],
    class_names: Sequence[str],
    copy: Path,
) -> Answer:
    digits: list[Answer] = []
    numbers = []
    for group in groups:
        own = [{**describe(next(probabilities), class_names), "box": list(digit.box)} for digit in group]
        numbers.append("".join(str(digit["digit"]) for digit in own))
        digits += own
    # The fields of one digit are filled where there is just one.
    top = {key: value for key, value in digits[0].items() if key != "box"} if len(digits) == 1 else describe(None, ())
    answer = {"path": str(path), **top, "digits": digits, "numbers": numbers}
    if digits:
        _draw_boxes(read_photo(path).pixels, digits, copy)
        answer["boxes"] = str(copy)
    return answer


def _draw_boxes(pixels: NDArray[Any], digits: Sequence[Answer], path: Path) -> None:
    """Write the picture with a box around each digit, and the digit beside it."""
    colour = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.ndim == 2 else pixels[:, :, ::-1].copy()
    thick = max(1, round(max(colour.shape) / 400))
    for digit in digits:
        left, top, right, bottom = digit["box"]
        hue = (0, 160, 0) if digit["sure"] else (0, 0, 220)
        cv2.rectangle(colour, (left, top), (right, bottom), hue, thick)
        size = max(0.5, (bottom - top) / 60)
        cv2.putText(colour, str(digit["digit"]), (left, max(top - 2 * thick, 20)), 0, size, hue, thick + 1)
    _write(path, colour)


def _write(path: Path, picture: NDArray[Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"'{path.parent}' is in the way: a folder goes there; move it, or choose another.") from None
    write_file(path, cv2.imencode(".png", picture)[1].tobytes())


def _value(class_name: str) -> int | str:
    """Return a digit as a number, any other class by its name."""
    return int(class_name) if re.fullmatch("[0-9]", class_name) else class_name
