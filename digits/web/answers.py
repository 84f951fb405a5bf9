"""What the web page answers for a picture: each network's probabilities, in HTML for people and JSON for programs."""

from __future__ import annotations

import base64
import html
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.inference import TRAIN_FIRST, TrainedRun, describe, load_best, load_runs, readable_runs
from digits.names import FRAMEWORKS, spelled
from digits.photos import Digit, find_digit
from digits.photos.read import Picture

CSS = """
.answer { display: flex; flex-wrap: wrap; align-items: end; gap: 1rem; }
.answer > * { flex: 1 1 7.5rem; }
.answer h2 { font-size: 1rem; margin: 0 0 .5rem; }
.bar { display: grid; grid-template-columns: minmax(.8rem, max-content) 1fr 3.6rem; align-items: center; }
.bar { gap: .4rem; line-height: 1.5; }
.bar div { background: #8884; height: .8rem; border-radius: .2rem; }
.bar div div { background: #2563eb; }
.bar.first { font-weight: bold; }
.answer h2 small { display: block; font-weight: normal; opacity: .7; overflow-wrap: anywhere; }
.verdict { flex-basis: 100%; font-size: 1.4rem; margin: 0; }
.note, .seen { flex-basis: 100%; margin: 0; }
.seen img { width: 112px; height: 112px; image-rendering: pixelated; border: 1px solid #8888; }
"""


class Networks:
    """The runs that the page shows: those that were named, else the best run of each framework, once there is one."""

    def __init__(self, names: Sequence[str], outputs: Path) -> None:
        self._outputs = outputs
        # Named runs are wanted now, or it is an error; others may still be trained while the page is open.
        self._named = load_runs(names, outputs) if names else []
        self._best: dict[str, TrainedRun] = {}
        self._lock = threading.Lock()
        self._next_look = 0.0

    def find(self) -> list[TrainedRun]:
        """Return the runs; none where nothing is trained yet. Looks for missing ones every other second at most."""
        if self._named:
            return self._named
        with self._lock:
            if len(self._best) < len(FRAMEWORKS) and time.monotonic() >= self._next_look:
                runs = readable_runs(self._outputs)
                for framework in FRAMEWORKS.keys() - self._best.keys():
                    own = [run for run in runs if run.framework == framework]
                    with suppress(UserError):  # the page says what is missing
                        self._best[framework] = load_best(own, self._outputs)
                self._next_look = time.monotonic() + 2
            return [self._best[framework] for framework in FRAMEWORKS if framework in self._best]

    def missing(self) -> str:
        """Return a sentence on the framework that has no run yet, '' where none is missing."""
        there = {run.framework for run in self.find()}
        lacking = [framework for framework in FRAMEWORKS if framework not in there]
        if self._named or len(lacking) != 1:
            return ""
        command = f"python mnist_{lacking[0]}.py"
        return f"There is no {FRAMEWORKS[lacking[0]]} network to compare with yet: '{command}' trains one."


def look_at(picture: Picture, runs: Sequence[TrainedRun]) -> tuple[Digit | None, list[NDArray[np.float32]]]:
    """Return the digit in the picture, and each run's probabilities, float32 (classes,), for it."""
    digit = find_digit(picture.pixels, size=picture.size)
    return digit, [run.predict(digit.image[None])[0] for run in runs] if digit else []


def as_json(picture: Picture, runs: Sequence[TrainedRun]) -> dict[str, Any]:
    """Return the answer of /predict: the digit's box, each run's answer, and whether they agree."""
    digit, probabilities = look_at(picture, runs)
    answers = [
        {
            "run": run.name,
            "framework": run.framework,
            **describe(own, run.class_names),
            "probabilities": [round(float(value), 4) for value in own],
        }
        for run, own in zip(runs, probabilities, strict=False)
    ]
    return {
        "found": digit is not None,
        "box": list(digit.box) if digit else None,
        "runs": answers,
        "agree": len({str(answer["digit"]) for answer in answers}) == 1,
    }


def as_html(picture: Picture, networks: Networks) -> str:
    """Return the answer for people: a verdict, each run's ten bars, and the 28x28 picture that the networks saw."""
    runs = networks.find()
    if not runs:
        return message(f"No network is trained yet: {TRAIN_FIRST}, then try again.")
    digit, probabilities = look_at(picture, runs)
    if digit is None:
        return message("No digit here yet: draw or show one, large.", networks.missing())
    png = base64.b64encode(cv2.imencode(".png", digit.image)[1].tobytes()).decode()
    seen = (
        f'<div class="seen"><h2>What {"the networks" if len(runs) > 1 else "the network"} saw</h2>'
        f'<img alt="the digit in 28 by 28 pixels" src="data:image/png;base64,{png}"></div>'
    )
    bars = [_bars(run, own) for run, own in zip(runs, probabilities, strict=True)]
    return _page(_verdict(runs, probabilities), *bars, seen, _note(networks.missing()))


def welcome(networks: Networks) -> str:
    """Return what stands there before a picture comes, be something trained or not."""
    return as_html(Picture(np.zeros((28, 28), np.uint8), (28, 28)), networks)


def message(text: str, note: str = "") -> str:
    """Return a sentence in the answer's place, and a note below it."""
    return _page(f'<p class="verdict">{html.escape(text)}</p>', _note(note))


def _page(*parts: str) -> str:
    return f'<div class="answer" role="status">{"".join(parts)}</div>'


def _note(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>' if text else ""


def _verdict(runs: Sequence[TrainedRun], probabilities: Sequence[NDArray[np.float32]]) -> str:
    answers = [describe(own, run.class_names) for run, own in zip(runs, probabilities, strict=True)]
    said = [str(answer["digit"]) + ("" if answer["sure"] else " (not sure)") for answer in answers]
    doubt = "" if all(answer["sure"] for answer in answers) else " (not sure)"
    if len(answers) == 1:
        text = f"It is a {said[0]}"
    elif len({answer["digit"] for answer in answers}) == 1:
        text = f"They agree: {answers[0]['digit']}{doubt}"
    else:
        names = [spelled(run.framework) for run in runs]
        if len(set(names)) < len(names):
            names = [run.name for run in runs]
        text = "They disagree: " + ", ".join(f"{name} says {word}" for name, word in zip(names, said, strict=True))
    return f'<p class="verdict">{html.escape(text)}</p>'


def _bars(run: TrainedRun, probabilities: NDArray[np.float32]) -> str:
    rows = "".join(
        f'<div class="bar{" first" if i == probabilities.argmax() else ""}"><span>{html.escape(name)}</span>'
        f'<div><div style="width: {100 * value:.1f}%"></div></div><span>{value:.1%}</span></div>'
        for i, (name, value) in enumerate(zip(run.class_names, probabilities, strict=True))
    )
    title = spelled(run.framework)
    return f"<div><h2>{html.escape(title)} <small>{html.escape(run.name)}</small></h2>{rows}</div>"
