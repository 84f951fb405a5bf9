"""The class's latest drawings in memory, with the networks' answers and the true classes that somebody stated."""

import base64
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mnist_twice.data.image_folder import labels_for_files
from mnist_twice.errors import UserError
from mnist_twice.files import check_place, write_whole
from mnist_twice.prediction import TrainedRun

MOST, SHOWN = 1000, 60  # drawings that are kept, the latest ones: some ten megabytes; and that the page shows


def check_keep(folder: Path) -> None:
    """Make the folder for --keep if it is missing. Raises UserError if it cannot be written, or has parts."""
    if parts := [part for part in ("train", "test") if (folder / part).exists()]:
        raise UserError(f"'{folder}' has a folder '{parts[0]}', and images beside that are not read; give another one.")
    check_place(folder / "0_0.png")


@dataclass
class Drawing:
    """A drawing on the wall."""

    mark: str  # a random text that the page which draws it alone knows
    number: int  # by which the wall's page names it
    change: int  # the wall's count of changes at the drawing's latest one
    answer: dict[str, Any]  # of `answer_image`
    label: int | None = None  # the true class
    file: Path | None = None  # where --keep has put it

    def png(self) -> bytes:
        return cv2.imencode(".png", np.array(self.answer["image"], np.uint8).reshape(28, 28))[1].tobytes()

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "change": self.change,
            "image": f"data:image/png;base64,{base64.b64encode(self.png()).decode()}",
            "answers": self.answer["runs"],
            "agreed": self.answer["agree"],
            "label": self.label,
        }


class Wall:
    """The latest drawings, the oldest first. Of one event loop: no two of its methods run at once."""

    def __init__(self, runs: Sequence[TrainedRun], note: str = "", keep: Path | None = None) -> None:
        """note: what spoils the comparison of the runs. keep: the folder where labelled drawings are saved."""
        self.key = secrets.token_urlsafe(9)  # whoever may label and clear knows it; another one at each start
        self.runs, self.note, self.keep = runs, note, keep
        self._classes = runs[0].class_names
        self._drawings: deque[Drawing] = deque(maxlen=MOST)
        self._removed: deque[str] = deque(maxlen=MOST)  # marks
        self._changes = 0
        self._start = secrets.token_hex(4)  # tells the versions of this start from those of an earlier one

    def put(self, mark: str, answer: dict[str, Any]) -> None:
        """Show a drawing, or how it has changed; take it away where there is no digit any more.

        What was removed stays away. What has been labelled stays as it is: a change of it is a further drawing.
        """
        latest = next((one for one in reversed(self._drawings) if one.mark == mark), None)
        if mark in self._removed or (latest and latest.answer["image"] == answer["image"]):
            return
        self._changes += 1
        if latest is None or latest.label is not None:
            if answer["found"]:
                self._drawings.append(Drawing(mark, self._changes, self._changes, answer))
        elif answer["found"]:
            latest.answer, latest.change = answer, self._changes
        else:
            self._drawings.remove(latest)

    def label(self, number: int, change: int, label: int) -> None:
        """State the true class of a drawing as of that change; raises UserError if it has changed since."""
        drawing = self._find(number)
        if change != drawing.change:
            raise UserError("the drawing has changed in the meantime; look at it again.")
        if not 0 <= label < len(self._classes):
            raise UserError(f"there is no class {label}; the networks know {len(self._classes)}.")
        if self.keep and label != drawing.label:
            file = self.keep / f"{labels_for_files(self._classes)[label]}_{time.time_ns()}.png"
            write_whole(file, drawing.png())
            if drawing.file:
                drawing.file.unlink(missing_ok=True)
            drawing.file = file
        self._changes += 1
        drawing.label, drawing.change = label, self._changes

    def remove(self, number: int) -> None:
        """Take a drawing away, what --keep has of it included; further strokes of it do not bring it back."""
        drawing = self._find(number)
        if drawing.file:
            drawing.file.unlink(missing_ok=True)
        self._drawings.remove(drawing)
        self._removed.append(drawing.mark)
        self._changes += 1

    def clear(self) -> None:
        """Forget all drawings and labels. Files that --keep has stay."""
        self._drawings.clear()
        self._removed.clear()
        self._changes += 1

    def state(self, version: str) -> dict[str, Any]:
        """Return what the page shows as JSON, the newest drawing first; only the version where it has that already."""
        current = f"{self._start}-{self._changes}"
        if version == current:
            return {"version": current}
        labelled = [one for one in self._drawings if one.label is not None]
        right = [
            sum(str(one.answer["runs"][i]["label"]) == self._classes[one.label or 0] for one in labelled)
            for i in range(len(self.runs))
        ]
        return {
            "version": current,
            "drawn": len(self._drawings),
            "agreed": sum(drawing.answer["agree"] for drawing in self._drawings),
            "labelled": len(labelled),
            "right": right,
            "drawings": [drawing.as_json() for drawing in list(self._drawings)[: -SHOWN - 1 : -1]],
        }

    def _find(self, number: int) -> Drawing:
        for drawing in self._drawings:
            if drawing.number == number:
                return drawing
        raise UserError("this drawing is no longer on the wall.")
