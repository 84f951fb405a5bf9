"""What the web page answers for a picture: each network's probabilities, in HTML for people and JSON for programs."""

from __future__ import annotations

import base64
import html
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.answers import describe
from digits.errors import UserError
from digits.photos import Digit, find_digit
from digits.trained import TRAIN_FIRST, TrainedRun, best_run, load_run, load_runs, readable_runs

CSS = """
.answer { display: flex; flex-wrap: wrap; gap: 1.5rem; }
.answer > * { flex: 1 1 11rem; }
.answer h2 { font-size: 1rem; margin: 0 0 .5rem; }
.bar { display: grid; grid-template-columns: 1.5rem 1fr 3.5rem; align-items: center; gap: .4rem; line-height: 1.5; }
.bar div { background: #8884; height: .8rem; border-radius: .2rem; }
.bar div div { background: #2563eb; }
.bar.first { font-weight: bold; }
.verdict { flex-basis: 100%; font-size: 1.4rem; margin: 0; }
.seen img { width: 112px; height: 112px; image-rendering: pixelated; border: 1px solid #8888; }
"""


class Networks:
    """The runs that the page shows: those that were named, else the best run of each framework, once there is one."""

    def __init__(self, names: Sequence[str], outputs: Path) -> None:
        self.outputs = outputs
        self.lock = threading.Lock()
        # Named runs are wanted now, or it is an error; others may still be trained while the page is open.
        self.loaded = load_runs(names, outputs) if names else []

    def find(self) -> list[TrainedRun]:
        """Return the runs; none where nothing is trained yet."""
        with self.lock:
            if not self.loaded:
                runs = readable_runs(self.outputs)
                for framework in ("pytorch", "tensorflow"):
                    own = [run for run in runs if run.framework == framework]
                    with suppress(UserError):  # the page says what is missing
                        self.loaded.append(load_run(best_run(own, self.outputs)))
            return self.loaded


def look_at(pixels: NDArray[np.uint8], runs: Sequence[TrainedRun]) -> tuple[Digit | None, list[NDArray[np.float32]]]:
    """Return the digit in the picture, and each run's probabilities, float32 (classes,), for it."""
    digit = find_digit(pixels)
    return digit, [run.predict(digit.image[None])[0] for run in runs] if digit else []


def as_json(pixels: NDArray[np.uint8], runs: Sequence[TrainedRun]) -> dict[str, Any]:
    """Return the answer of /predict: the digit's box, each run's answer, and whether they agree."""
    digit, probabilities = look_at(pixels, runs)
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


def as_html(pixels: NDArray[np.uint8], runs: Sequence[TrainedRun]) -> str:
    """Return the answer for people: a verdict, each run's ten bars, and the 28x28 picture that the networks saw."""
    if not runs:
        return message(f"No network is trained yet: {TRAIN_FIRST}, then try again.")
    digit, probabilities = look_at(pixels, runs)
    if digit is None:
        return message("No digit here yet: draw one, large.")
    parts = [_verdict(runs, probabilities)]
    parts += [_bars(run, own) for run, own in zip(runs, probabilities, strict=True)]
    png = base64.b64encode(cv2.imencode(".png", digit.image)[1].tobytes()).decode()
    parts.append(
        f'<div class="seen"><h2>What the networks saw</h2>'
        f'<img alt="the digit in 28 by 28 pixels" src="data:image/png;base64,{png}"></div>'
    )
    return f'<div class="answer" role="status">{"".join(parts)}</div>'


def message(text: str) -> str:
    """Return a sentence in the answer's place."""
    return f'<div class="answer" role="status"><p class="verdict">{html.escape(text)}</p></div>'


def _verdict(runs: Sequence[TrainedRun], probabilities: Sequence[NDArray[np.float32]]) -> str:
    answers = [describe(own, run.class_names) for run, own in zip(runs, probabilities, strict=True)]
    said = [str(answer["digit"]) + ("" if answer["sure"] else " (not sure)") for answer in answers]
    doubt = "" if all(answer["sure"] for answer in answers) else " (not sure)"
    if len(answers) == 1:
        text = f"It is a {said[0]}"
    elif len({answer["digit"] for answer in answers}) == 1:
        text = f"They agree: {answers[0]['digit']}{doubt}"
    else:
        text = "They disagree: " + ", ".join(f"{run.name} says {word}" for run, word in zip(runs, said, strict=True))
    return f'<p class="verdict">{html.escape(text)}</p>'


def _bars(run: TrainedRun, probabilities: NDArray[np.float32]) -> str:
    rows = "".join(
        f'<div class="bar{" first" if i == probabilities.argmax() else ""}"><span>{html.escape(name)}</span>'
        f'<div><div style="width: {100 * value:.1f}%"></div></div><span>{value:.1%}</span></div>'
        for i, (name, value) in enumerate(zip(run.class_names, probabilities, strict=True))
    )
    title = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}.get(run.framework, run.framework)
    return f'<div><h2 title="{html.escape(run.name)}">{html.escape(title)}</h2>{rows}</div>'
