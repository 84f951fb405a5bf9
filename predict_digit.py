"""Say which digit is in a photo, a scan or a drawing, or in each one of a folder.

    python predict_digit.py photo.jpg
    python predict_digit.py scans/ more.png --json
    python predict_digit.py photo.jpg --run mnist-cnn-pytorch mnist-cnn-tensorflow
    python predict_digit.py page.jpg --multiple             # all digits of a page, boxes marked in a copy
    python predict_digit.py photo.jpg --save-steps steps    # a figure of each stage, from photo to 28x28

Any pen on any paper, dark on light or light on dark. The probabilities of several runs are averaged.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

from pydantic import Field

from digits.command_line import options_dataclass, parse, refuse
from digits.errors import run_script
from digits.inference import answer_for_fault, answer_photos, as_text, load_runs
from digits.photos import list_photos


@options_dataclass
class Options:
    photos: Annotated[tuple[Path, ...], Field(title="PHOTO_OR_FOLDER")] = ()
    """photos, or folders of photos: PNG, JPEG, WebP, BMP, TIFF or GIF"""
    run: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """trained runs, by name or folder; the run for digits with the best validation accuracy if none is given"""
    multiple: bool = False
    """find all the digits of each photo, and the numbers that they make up"""
    json: bool = False
    """print one JSON list, an object for each photo"""
    save_steps: Path | None = None
    """folder for a figure of each stage of each photo"""
    boxes: Path | None = None
    """with --multiple: folder for the copies with boxes marked in them; boxes/ in the folder of runs if not given"""
    output_dir: Path = Path("outputs")
    """folder of runs"""


def main() -> int:
    options = parse(Options(), __doc__, positional="photos", needs={"boxes": "multiple"})
    if not options.photos:
        refuse("no photo is named; name photos or folders before the options: 'python predict_digit.py photo.jpg'.")
    files, faults = list_photos(options.photos)
    runs = load_runs(options.run, options.output_dir)
    boxes = (options.boxes or options.output_dir / "boxes") if options.multiple else None
    answers = [answer_for_fault(path, fault) for path, fault in faults]
    for answer in answer_photos(files, runs, boxes, options.save_steps):
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
