"""From photos to answers: what predict_digit.py prints, as JSON's objects and as lines for people."""

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
from digits.inference.trained_run import TrainedRun, average
from digits.names import plain
from digits.photos import Digit, Steps, find_digit, find_digits, read_photo

SURE = 0.8  # answers with a lower probability are 'not sure'; benchmarks/photo_accuracy.py prints how many that are
CHUNK = 64  # photos read before their digits are classified together
LONGEST_NAME = 200  # bytes of a photo's name in its output's names; file systems take 255, '-6-as-MNIST.png' included
Answer = dict[str, Any]
Groups = list[list[Digit]]


def answer_photos(
    files: Sequence[Path], runs: Sequence[TrainedRun], boxes: Path | None, steps: Path | None
) -> Iterator[Answer]:
    """Yield an answer for each photo, in order; one that cannot be read gets an 'error' and no digit.

    With `boxes`, a folder, all digits of each photo are looked for, and a copy with boxes goes there. With `steps`, a
    folder, an image of each stage goes there.
    """
    cv2.setNumThreads(1)  # one thread a photo is faster than all threads on each
    jobs = list(zip(files, output_names(files), strict=True))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(jobs), CHUNK):
            chunk = jobs[start : start + CHUNK]
            found = list(pool.map(lambda job: _read(job[0], boxes is not None, steps and steps / job[1]), chunk))
            images = [digit.image for groups, _ in found for group in groups for digit in group]
            probabilities = iter(average(runs, np.stack(images)) if images else ())
            for (path, name), (groups, fault) in zip(chunk, found, strict=True):
                copy = boxes and boxes / f"{name}-boxes.png"
                if fault:
                    yield answer_for_fault(path, fault)
                else:
                    yield _answer(path, groups, probabilities, runs[0].class_names, copy)


def output_names(files: Sequence[Path]) -> list[str]:
    """Return for each photo a name of its own for its output to begin with; numbered where two would share one."""
    names = [re.sub(r"[^\w.-]", "_", path.name).encode()[:LONGEST_NAME].decode(errors="ignore") for path in files]
    counts = Counter(name.casefold() for name in names)  # some file systems take A.png and a.png for one name
    taken = set(counts)
    for i, name in enumerate(names):
        if counts[name.casefold()] > 1:
            while names[i].casefold() in taken:  # more than once where a photo is itself called 2-a.png
                names[i] = f"{i + 1}-{names[i]}"
            taken.add(names[i].casefold())
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


def _value(class_name: str) -> int | str:
    """Return a digit as a number, any other class by its name."""
    return int(class_name) if re.fullmatch("[0-9]", class_name) else class_name


def as_text(answer: Answer) -> str:
    """Return the answer as a line for people."""
    name = plain(answer["path"])
    if "error" in answer:
        return f"{name}: {answer['error']}"
    if digits := answer.get("digits"):
        unsure = sum(not digit["sure"] for digit in digits)
        note = f" ({unsure} of {len(digits)} digits not sure)" if unsure else ""
        return f"{name}: {' '.join(answer['numbers'])}{note}; boxes in '{answer['boxes']}'"
    if answer["digit"] is None:
        return f"{name}: no digit found"
    doubt = "" if answer["sure"] else "not sure, perhaps "
    other = f"{answer['runner_up']}, {answer['runner_up_probability']:.1%}"
    return f"{name}: {doubt}{answer['digit']} ({answer['probability']:.1%}; next {other})"


def _read(path: Path, multiple: bool, steps: Path | None) -> tuple[Groups, str]:
    """Return the groups of digits in the photo (one digit in one group, unless `multiple`), and what is wrong with it.

    `steps` is what the paths of the stages' images begin with.
    """
    try:
        photo = read_photo(path, shrink=True)
    except UserError as error:
        return [], str(error)
    stages: Steps | None = {} if steps else None
    if multiple:
        groups = find_digits(photo.pixels, stages, photo.size)
    else:
        digit = find_digit(photo.pixels, stages, photo.size)
        groups = [[digit]] if digit else []
    if steps and stages:
        for name, stage in stages.items():
            # Enlarged, so that 28x28 pixels can be seen.
            large = np.kron(stage, np.ones((10, 10), np.uint8)) if max(stage.shape) <= 28 else stage
            _write(steps.with_name(f"{steps.name}-{name.replace(' ', '-')}.png"), large)
    return groups, ""


def _answer(
    path: Path, groups: Groups, probabilities: Iterator[NDArray[Any]], class_names: Sequence[str], copy: Path | None
) -> Answer:
    """Return the answer for a photo with these digits; with `copy`, for several, marked in that copy of the photo."""
    described = [
        [{**describe(next(probabilities), class_names), "box": list(digit.box)} for digit in group] for group in groups
    ]
    digits = [digit for group in described for digit in group]
    # The fields of one digit are filled where there is just one.
    answer = {"path": str(path), **(digits[0] if len(digits) == 1 else {**describe(None, ()), "box": None})}
    if copy:
        del answer["box"]
        answer["digits"] = digits
        answer["numbers"] = ["".join(str(digit["digit"]) for digit in group) for group in described]
        if digits:
            _write_marked(read_photo(path).pixels, digits, copy)
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


def _write(path: Path, image: NDArray[Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"'{path.parent}' is in the way: a folder goes there; move it, or choose another.") from None
    write_file(path, cv2.imencode(".png", image)[1].tobytes())
