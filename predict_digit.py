"""Say which digit is in a photograph, a scan or a drawing, or in each picture of a folder.

    python predict_digit.py photo.jpg
    python predict_digit.py scans/ more.png --json
    python predict_digit.py page.jpg --multiple             # all digits of a page, boxes drawn into a copy
    python predict_digit.py photo.jpg --save-steps steps    # a picture of each stage, from photo to 28x28

Any pen on any paper, dark on light or light on dark. With several --run, their probabilities are averaged.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from digits.errors import UserError, run_script
from digits.inference import answer_for_fault, answer_pictures, as_text, load_runs
from digits.photos import list_photos


@dataclass(frozen=True)
class Options:
    """Say which digit is in each picture."""

    pictures: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE_OR_FOLDER ...")] = ()
    """Pictures, or folders of pictures: PNG, JPEG, WebP, BMP, TIFF or GIF."""
    run: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A trained run, by its name in the outputs folder or by its folder; may be given several times. The default is the
    run for digits there with the best validation accuracy."""
    multiple: bool = False
    """Find all the digits of each picture, and the numbers that they make up."""
    json: bool = False
    """Print one JSON list, an object for each picture."""
    save_steps: Path | None = None
    """A folder to write a picture of each stage into."""
    boxes: Path = Path("outputs/boxes")
    """With --multiple: the folder for the copies with boxes drawn into them."""
    outputs: Path = Path("outputs")
    """The folder that the training scripts write runs into."""


def main() -> int:
    options = tyro.cli(Options, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    if not options.pictures:
        raise UserError("no picture is named; give one, such as 'python predict_digit.py photo.jpg', or a folder.")
    files, faults = list_photos(options.pictures)
    runs = load_runs(options.run, options.outputs)
    boxes = options.boxes if options.multiple else None
    answers = [answer_for_fault(path, fault) for path, fault in faults]
    for answer in answer_pictures(files, runs, boxes, options.save_steps):
        answers.append(answer)
        if not options.json and "error" not in answer:
            print(as_text(answer), flush=True)
    if options.json:
        print(json.dumps(answers, indent=2))
    sys.stdout.flush()  # errors stand below the answers also where both go into one file
    for answer in answers:
        if "error" in answer and not options.json:
            print(f"error: {as_text(answer)}", file=sys.stderr)
    return 1 if any("error" in answer for answer in answers) else 0


if __name__ == "__main__":
    sys.exit(run_script(main))
