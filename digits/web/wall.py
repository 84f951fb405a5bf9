"""The class's latest drawings in memory, with the networks' answers and the true classes that somebody stated."""

import base64
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.names import spelled
from digits.prediction import TrainedRun, describe
from digits.web.keep import Keep

MOST = 1000
"""Drawings that are kept, the latest ones: about two megabytes."""
SHOWN = 60
"""Drawings that the page shows."""


class Gone(UserError):
    """The drawing is not, or no longer, as the request takes it to be."""


@dataclass
class Drawing:
    """A drawing as the networks saw it, uint8 (28, 28), and what each run's answer is: the parts of `describe`."""

    image: NDArray[np.uint8]
    answers: dict[str, dict[str, Any]]
    change: int  # the wall's count of changes at the drawing's latest one
    label: int | None = None  # the true class
    file: Path | None = None  # where --keep has put it

    def agreed(self) -> bool:
        return len({str(answer["digit"]) for answer in self.answers.values()}) == 1


@dataclass
class Wall:
    """The drawings by their numbers, the oldest first. Any thread may call its methods."""

    keep: Keep | None = None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    """Whoever may label and clear knows it; another one at each start."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._drawings: dict[int, Drawing] = {}
        self._numbers: dict[str, int | None] = {}  # by the drawing's mark; None once it was removed
        self._numbered = self._changes = 0
        self._latest: dict[str, Any] = {}  # what `state` returned last
        self._start = secrets.token_hex(4)  # tells the versions of this start from those of an earlier one

    def put(
        self, mark: str, image: NDArray[np.uint8], runs: Sequence[TrainedRun], probabilities: Sequence[NDArray[Any]]
    ) -> None:
        """Show a drawing, or how it has changed. Its mark is a random text that its page alone knows.

        What was removed stays away. What has been labelled stays as it is: a change of it is a further drawing.
        """
        answers = {
            run.name: {"framework": spelled(run.framework), **describe(own, run.class_names)}
            for run, own in zip(runs, probabilities, strict=True)
        }
        with self._lock:
            number = self._numbers.get(mark, 0)
            earlier = self._drawings.get(number or 0)
            if number is None or (earlier and np.array_equal(earlier.image, image)):
                return
            if earlier is None or earlier.label is not None:
                self._numbered += 1
                number = self._numbered
                self._numbers.pop(mark, None)  # to be the latest
                self._numbers[mark] = number
            self._drawings[number] = Drawing(image, answers, self._changed())
            _forget_oldest(self._drawings)
            _forget_oldest(self._numbers)

    def withdraw(self, mark: str) -> None:
        """Take a drawing away that its author has undone, unless it has a label."""
        with self._lock:
            number = self._numbers.get(mark) or 0
            if number in self._drawings and self._drawings[number].label is None:
                del self._drawings[number], self._numbers[mark]
                self._changed()

    def label(self, number: int, change: int, label: int, class_names: Sequence[str]) -> None:
        """State the true class of a drawing, as it was after that change. Gone where it has changed meanwhile."""
        with self._lock:
            drawing = self._find(number, change)
            if not 0 <= label < len(class_names):
                raise UserError(f"there is no class {label}; the networks know {len(class_names)}.")
            if self.keep and label != drawing.label:
                file = self.keep.add(drawing.image, label, class_names)
                self.keep.remove(drawing.file)
                drawing.file = file
            drawing.label, drawing.change = label, self._changed()

    def remove(self, number: int) -> None:
        """Take a drawing away, what --keep has of it included; further strokes of it do not bring it back."""
        with self._lock:
            drawing = self._find(number)
            if self.keep:
                self.keep.remove(drawing.file)
            del self._drawings[number]
            self._numbers |= {mark: None for mark, own in self._numbers.items() if own == number}
            self._changed()

    def clear(self) -> None:
        """Forget all drawings and labels. Files that --keep has stay."""
        with self._lock:
            self._drawings.clear()
            self._numbers.clear()
            self._changed()

    def state(self, runs: Sequence[TrainedRun], version: str = "", note: str = "") -> dict[str, Any]:
        """Return what the page shows, as JSON: counts, and the latest drawings, the newest first.

        Only the version where it is still the given one, of which the page has everything. note: on the networks.
        """
        with self._lock:
            current = f"{self._start}-{self._changes}-{len(runs)}"
            if version == current:
                return {"version": current}
            if self._latest.get("version") == current:  # many may look on
                return self._latest
            drawings = list(self._drawings.items())
        class_names = runs[0].class_names if runs else ()
        labelled = [drawing for _, drawing in drawings if drawing.label is not None]
        compared = [drawing for _, drawing in drawings if len(drawing.answers) > 1]
        self._latest = {
            "version": current,
            "classes": class_names,
            "drawn": len(drawings),
            "most": MOST,
            "compared": len(compared),
            "agreed": sum(drawing.agreed() for drawing in compared),
            "labelled": len(labelled),
            "note": note,
            "kept": self.keep is not None,
            "runs": [_score(run, labelled) for run in runs],
            "drawings": [_as_json(number, drawing, class_names) for number, drawing in drawings[: -SHOWN - 1 : -1]],
        }
        return self._latest

    def _changed(self) -> int:
        self._changes += 1
        return self._changes

    def _find(self, number: int, change: int | None = None) -> Drawing:
        drawing = self._drawings.get(number)
        if drawing is None:
            raise Gone("this drawing is no longer on the wall.")
        if change not in (None, drawing.change):
            raise Gone("the drawing has changed meanwhile; look again.")
        return drawing


def _forget_oldest(kept: dict[Any, Any]) -> None:
    while len(kept) > MOST:
        del kept[next(iter(kept))]


def _score(run: TrainedRun, labelled: Sequence[Drawing]) -> dict[str, Any]:
    """Return how many of the labelled drawings the run read, and how many of those correctly."""
    read = [(drawing.answers[run.name], drawing.label) for drawing in labelled if run.name in drawing.answers]
    right = sum(str(answer["digit"]) == run.class_names[label or 0] for answer, label in read)
    return {"run": run.name, "framework": spelled(run.framework), "read": len(read), "right": right}


def _as_json(number: int, drawing: Drawing, class_names: Sequence[str]) -> dict[str, Any]:
    return {
        "number": number,
        "change": drawing.change,
        "image": "data:image/png;base64," + base64.b64encode(png_of(drawing.image)).decode(),
        "answers": list(drawing.answers.values()),
        "agreed": drawing.agreed(),
        "label": None if drawing.label is None else class_names[drawing.label],
    }


def png_of(image: NDArray[np.uint8]) -> bytes:
    """Return the image as the bytes of a PNG file."""
    return cv2.imencode(".png", image)[1].tobytes()
