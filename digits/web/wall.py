"""The class's latest drawings in memory, with the networks' answers and the true classes that somebody stated."""

import base64
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from digits.data.image_folder import NAME, labels_for_files
from digits.errors import UserError
from digits.files import check_place, naming
from digits.prediction import TrainedRun
from digits.web.answers import Reading

MOST = 1000
"""Drawings that are kept, the latest ones: about two megabytes."""
SHOWN = 60
"""Drawings that the page shows."""


class Keep:
    """A folder of {label}_{index}.png. Images that lie there stay, and the new ones are numbered after them."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing. UserError where it cannot be written, or is divided into parts."""
        if folder.exists() and not folder.is_dir():
            raise UserError(f"'{folder}' is not a folder; give --keep another one.")
        if parts := [part for part in ("train", "test") if (folder / part).exists()]:
            raise UserError(f"'{folder}' has '{parts[0]}' in it, the only images that are read then; give another one.")
        check_place(folder / "0_0.png")
        self._folder = folder
        matches = (NAME.fullmatch(path.name) for path in folder.iterdir())
        self._index = max((int(match["index"]) for match in matches if match), default=0)

    def add(self, png: bytes, label: int, class_names: Sequence[str]) -> Path:
        """Write an image of the class with this number; return its file. OSError names the file."""
        self._index += 1
        path = self._folder / f"{labels_for_files(class_names)[label]}_{self._index:05}.png"
        try:
            with naming(path), path.open("xb") as file:
                file.write(png)
        except FileExistsError:  # of another process that writes into the same folder
            return self.add(png, label, class_names)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path


@dataclass
class Drawing:
    """A drawing as the networks saw it, and what they answered."""

    mark: str  # a random text that the page which draws it alone knows
    number: int  # by which the wall's page names it
    png: bytes
    answer: dict[str, Any]  # Reading.as_json
    change: int  # the wall's count of changes at the drawing's latest one
    label: int | None = None  # the true class
    file: Path | None = None  # where --keep has put it


class Wall:
    """The latest drawings, the oldest first. Of one event loop: no two of its methods run at once."""

    def __init__(self, runs: Sequence[TrainedRun], note: str = "", keep: Keep | None = None) -> None:
        """note: what spoils the comparison of the runs. keep: where labelled drawings are saved."""
        self.key = secrets.token_urlsafe(9)  # whoever may label and clear knows it; another one at each start
        self.note = note
        self._runs, self._keep = runs, keep
        self._classes = runs[0].class_names
        self._drawings: deque[Drawing] = deque(maxlen=MOST)
        self._removed: deque[str] = deque(maxlen=MOST)  # marks
        self._changes = 0
        self._start = secrets.token_hex(4)  # tells the versions of this start from those of an earlier one

    def put(self, mark: str, reading: Reading) -> None:
        """Show a drawing, or how it has changed; take it away where there is no digit any more.

        What was removed stays away. What has been labelled stays as it is: a change of it is a further drawing.
        """
        latest = next((one for one in reversed(self._drawings) if one.mark == mark), None)
        open_one = latest if latest and latest.label is None else None
        if reading.digit is None:
            if open_one:
                self._drawings.remove(open_one)
                self._changes += 1
            return
        png = cv2.imencode(".png", reading.digit.image)[1].tobytes()
        if mark in self._removed or (latest and latest.png == png):
            return
        self._changes += 1
        if open_one:
            open_one.png, open_one.answer, open_one.change = png, reading.as_json(), self._changes
        else:
            self._drawings.append(Drawing(mark, self._changes, png, reading.as_json(), self._changes))

    def label(self, number: int, change: int, label: int) -> None:
        """State the true class of a drawing as it was after that change; UserError where it has changed meanwhile."""
        drawing = self._find(number)
        if change != drawing.change:
            raise UserError("the drawing has changed meanwhile; look again.")
        if not 0 <= label < len(self._classes):
            raise UserError(f"there is no class {label}; the networks know {len(self._classes)}.")
        if self._keep and label != drawing.label:
            earlier, drawing.file = drawing.file, self._keep.add(drawing.png, label, self._classes)
            if earlier:
                earlier.unlink(missing_ok=True)
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

    def state(self, version: str = "") -> dict[str, Any]:
        """Return what the page shows, as JSON: counts, and the latest drawings, the newest first.

        Only the version where it is still the given one, of which the page has everything.
        """
        current = f"{self._start}-{self._changes}"
        if version == current:
            return {"version": current}
        read = [
            ([str(run["digit"]) for run in one.answer["runs"]], self._classes[one.label])
            for one in self._drawings
            if one.label is not None
        ]
        return {
            "version": current,
            "classes": self._classes,
            "drawn": len(self._drawings),
            "most": MOST,
            "agreed": sum(drawing.answer["agree"] for drawing in self._drawings),
            "labelled": len(read),
            "right": [sum(digits[i] == label for digits, label in read) for i in range(len(self._runs))],
            "runs": [run.framework for run in self._runs],
            "note": self.note,
            "kept": self._keep is not None,
            "drawings": [self._as_json(drawing) for drawing in list(self._drawings)[: -SHOWN - 1 : -1]],
        }

    def _find(self, number: int) -> Drawing:
        for drawing in self._drawings:
            if drawing.number == number:
                return drawing
        raise UserError("this drawing is no longer on the wall.")

    def _as_json(self, drawing: Drawing) -> dict[str, Any]:
        return {
            "number": drawing.number,
            "change": drawing.change,
            "image": f"data:image/png;base64,{base64.b64encode(drawing.png).decode()}",
            "answers": drawing.answer["runs"],
            "agreed": drawing.answer["agree"],
            "label": None if drawing.label is None else self._classes[drawing.label],
        }
