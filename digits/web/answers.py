"""What the web page answers for a photo: each network's probabilities, in HTML for people and JSON for programs."""

import base64
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.names import FRAMEWORKS, spelled
from digits.photos import Digit, find_digit
from digits.photos.read import Photo
from digits.prediction import TRAIN_FIRST, TrainedRun, describe, differences, load_pair, load_runs, readable_runs

Probabilities = list[NDArray[np.float32]]  # of each run, (classes,)


class Networks:
    """The runs that the page shows: those that were named, else a run of each framework (load_pair)."""

    def __init__(self, names: Sequence[str], outputs: Path) -> None:
        self._outputs = outputs
        # A named run that is missing is an error now; others may still be trained while the page is open.
        self._named = load_runs(names, outputs) if names else []
        self._best: list[TrainedRun] = []
        self._lock = threading.Lock()
        self._next_look = 0.0

    def find(self) -> list[TrainedRun]:
        """Return the runs; none where nothing is trained yet. Looks for missing ones every other second at most."""
        if self._named:
            return self._named
        with self._lock:
            if len(self._best) < len(FRAMEWORKS) and time.monotonic() >= self._next_look:
                self._best = load_pair(readable_runs(self._outputs), self._outputs)
                self._next_look = time.monotonic() + 2
            return self._best

    def note(self) -> str:
        """Return a sentence on what spoils the comparison: a missing framework, or unequal runs; '' where nothing."""
        runs = self.find()
        lacking = FRAMEWORKS.keys() - {run.framework for run in runs}
        if not self._named and len(lacking) == 1:
            (framework,) = lacking
            command = f"python mnist_{framework}.py"
            return f"There is no {FRAMEWORKS[framework]} network to compare with yet: '{command}' trains one."
        for run in runs[1:]:
            if unequal := differences(runs[0], run):
                shown = ", ".join(unequal[:3]) + (f" and {len(unequal) - 3} more" if len(unequal) > 3 else "")
                remedy = "" if self._named else " Train both with the same options, then start the page again."
                return f"{runs[0].name} and {run.name} are unequal: {shown}.{remedy}"
        return ""


@dataclass(frozen=True)
class Reading:
    """What the networks read in a photo."""

    runs: Sequence[TrainedRun]
    digit: Digit | None
    probabilities: Probabilities  # none where there is no digit


def read_digit(photo: Photo | None, networks: Networks) -> Reading:
    """Return the digit in the photo, and each run's probabilities for it; neither without a photo."""
    runs = networks.find()
    digit = find_digit(photo.pixels, size=photo.size) if photo and runs else None
    return Reading(runs, digit, [run.predict(digit.image[None])[0] for run in runs] if digit else [])


def as_json(reading: Reading) -> dict[str, Any]:
    """Return the answer of /predict: the digit's box, each run's answer, and whether they agree."""
    answers = [
        {"run": run.name, "framework": run.framework, **describe(own, run.class_names)}
        | {"probabilities": [round(float(value), 4) for value in own]}
        for run, own in zip(reading.runs, reading.probabilities, strict=False)
    ]
    return {
        "found": reading.digit is not None,
        "box": list(reading.digit.box) if reading.digit else None,
        "runs": answers,
        "agree": len({str(answer["digit"]) for answer in answers}) == 1,
    }


def as_html(reading: Reading, note: str = "") -> str:
    """Return the answer for people: a verdict, each run's ten bars, and the 28x28 image that the networks saw.

    Without a digit, or where nothing is trained, a sentence on what to do. note: what Networks.note says.
    """
    runs, digit, probabilities = reading.runs, reading.digit, reading.probabilities
    if not runs:
        return message(f"No network is trained yet: {TRAIN_FIRST}, then try again.")
    if digit is None:
        return message("No digit here yet: draw or show one, large.", note)
    png = base64.b64encode(cv2.imencode(".png", digit.image)[1].tobytes()).decode()
    seen = (
        f'<div class="seen"><h2>What {"the networks" if len(runs) > 1 else "the network"} saw</h2>'
        f'<img alt="the digit in 28 by 28 pixels" src="data:image/png;base64,{png}"></div>'
    )
    bars = [_bars(run, own) for run, own in zip(runs, probabilities, strict=True)]
    return message(_verdict(runs, probabilities), note, *bars, seen)


def message(verdict: str, note: str = "", *parts: str) -> str:
    """Return the HTML of an answer: a sentence, parts in HTML below it, and a note at the end."""
    end = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<div class="answer" role="status"><p class="verdict">{escape(verdict)}</p>{"".join(parts)}{end}</div>'


def _verdict(runs: Sequence[TrainedRun], probabilities: Probabilities) -> str:
    answers = [describe(own, run.class_names) for run, own in zip(runs, probabilities, strict=True)]
    said = [f"{answer['digit']}{'' if answer['sure'] else ' (not sure)'}" for answer in answers]
    if len(answers) == 1:
        return f"It is a {said[0]}"
    if len({answer["digit"] for answer in answers}) == 1:
        return f"They agree: {max(said, key=len)}"  # not sure where one of them is not
    names = [spelled(run.framework) for run in runs]
    if len(set(names)) < len(names):
        names = [run.name for run in runs]
    return "They disagree: " + ", ".join(f"{name} says {word}" for name, word in zip(names, said, strict=True))


def _bars(run: TrainedRun, probabilities: NDArray[np.float32]) -> str:
    rows = "".join(
        f'<div class="bar{" first" if i == probabilities.argmax() else ""}"><span>{escape(name)}</span>'
        f'<div><div style="width: {100 * value:.1f}%"></div></div><span>{value:.1%}</span></div>'
        for i, (name, value) in enumerate(zip(run.class_names, probabilities, strict=True))
    )
    return f"<div><h2>{escape(spelled(run.framework))} <small>{escape(run.name)}</small></h2>{rows}</div>"
