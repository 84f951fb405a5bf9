"""Predict the digit in a photo, a scan or a drawing, or in each image of a folder; with other runs, the class.

    python predict_digit.py photo.jpg
    python predict_digit.py scans/ more.png --json
    python predict_digit.py photo.jpg --run mnist-cnn-pytorch mnist-cnn-tensorflow
    python predict_digit.py page.jpg --multiple             # all digits of a page, boxes marked in a copy
    python predict_digit.py photo.jpg --save-steps steps    # a figure of each stage, from photo to 28x28
    python predict_digit.py scans/ --recursive --csv answers.csv --resume    # many files
    python predict_digit.py pngs/ --run fashion-mnist-cnn-pytorch            # pictures of other things, as they are
    python predict_digit.py test.csv --csv submission.csv   # 784 pixels in each row, for Kaggle

Any pen on any paper, dark on light or light on dark. The probabilities of several runs are averaged.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from mnist_twice import prediction
from mnist_twice.command_line import Field, options_dataclass, parse, refuse
from mnist_twice.data.tables import read_unlabelled
from mnist_twice.errors import UserError, run_script
from mnist_twice.files import write_whole
from mnist_twice.names import DIGITS, plain
from mnist_twice.photos import as_is, scale_of


@options_dataclass
class Options:
    photos: Annotated[tuple[Path, ...], Field(title="PHOTO_OR_FOLDER")] = ()
    """photos, or folders of photos: PNG, JPEG, WebP, BMP, TIFF, GIF, PPM, AVIF or HEIC; or a table of pixels, CSV"""
    run: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """trained runs, by name or folder; if none is given, the run for digits with the best validation accuracy"""
    multiple: bool = False
    """find all digits of each photo, and the numbers that they form"""
    recursive: bool = False
    """read the subfolders of folders as well"""
    json: bool = False
    """print one JSON list, an object for each photo"""
    jsonl: bool = False
    """print JSON Lines: an object for each photo, each on a line of its own"""
    csv: Path | None = None
    """write a table to this file, a row for each photo, or for each digit with --multiple; of a table of pixels,
    ImageId and Label of each row"""
    resume: bool = False
    """with --csv: continue the table of an interrupted call, without the photos that it has"""
    unsure: Path | None = None
    """folder for copies of the photos that a person should look at: not sure, no digit found, or damaged"""
    save_steps: Path | None = None
    """folder for a figure of each stage of each photo"""
    boxes: Path | None = None
    """with --multiple: folder for the copies with boxes marked in them; boxes/ in the folder of runs if not given"""
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    """processes that read many photos; 0: one for each core"""
    output_dir: Path = Path("outputs")
    """folder of runs"""


def main() -> int:
    options = parse(Options(), __doc__, positional="photos", needs={"boxes": "multiple", "resume": "csv"})
    if not options.photos:
        refuse("no photo is given; give photos or folders before the options: 'python predict_digit.py photo.jpg'.")
    if sum([options.json, options.jsonl, options.csv is not None]) > 1:
        refuse("--json, --jsonl and --csv cannot go together; choose one.")
    is_table = options.photos[0].suffix.lower() == ".csv"
    if is_table and (len(options.photos) > 1 or options.csv is None or options.multiple or options.resume):
        refuse("a table of pixels must be the only file, with --csv FILE, and without --multiple or --resume.")
    boxes = (options.boxes or options.output_dir / "boxes") if options.multiple else None
    outputs = prediction.Outputs(boxes, options.save_steps, options.unsure)
    folders = [folder for folder in outputs if folder is not None]
    for folder in folders:  # it would read what it writes, or write copies over the photos themselves
        named, place = [path.resolve() for path in options.photos], folder.resolve()
        if place in named or (folder == outputs.unsure and any(path.is_relative_to(place) for path in named)):
            refuse(f"photos are read from '{folder}', so that copies cannot be written there; choose another folder.")
    runs = prediction.load_runs(options.run, options.output_dir)
    if options.multiple and runs[0].preprocessing != DIGITS:
        refuse(f"--multiple needs a run for photographs of digits, which '{runs[0].name}' is not; leave it out.")
    notes = [] if options.run else [f"answered by '{runs[0].name}'; --run selects another run."]
    files = prediction.list_files(options.photos, options.recursive, folders, notes)
    answer = partial(prediction.answer_files, runs=runs, outputs=outputs, workers=options.workers)
    if is_table and options.csv is not None:
        counts = submit(options.photos[0], options.csv, runs)
    elif options.csv is not None:
        counts = fill_table(options.csv, options.resume, files, answer)
    else:
        answers = []
        for some in answer(files):
            answers += some
            if options.jsonl:
                print(*map(json.dumps, some), sep="\n", flush=True)
            elif not options.json:
                prediction.print_lines(some)
        if options.json:
            print(json.dumps(answers, indent=2))
        counts = Counter(map(outcome, answers))
    for note in notes:
        print(f"note: {plain(note)}", file=sys.stderr)
    return 1 if counts["fault"] else 0


def fill_table(
    path: Path, resume: bool, files: Iterable[prediction.File], answer: Callable[..., Iterator[list[prediction.Answer]]]
) -> Counter[str]:
    """Write the answers into the table, show progress, and return how many there are of each outcome."""
    from tqdm import tqdm

    started = time.perf_counter()
    counts: Counter[str] = Counter()
    with prediction.writing_table(path, resume) as table:
        rest = [file for file in files if prediction.as_cell(file.path) not in table.answered]
        with tqdm(total=len(rest), unit=" photos", leave=False, disable=None, dynamic_ncols=True) as bar:
            for answers in answer(rest):
                table.write(answers)
                counts.update(map(outcome, answers))
                bar.update(len(answers))
    photos, seconds = counts.total(), time.perf_counter() - started
    before = f" ({len(table.answered):,} more had been done)" if table.answered else ""
    print(f"'{plain(path)}': {photos:,} photos{before} in {seconds:.1f} s, {photos / seconds:,.0f} a second; ", end="")
    print(f"{counts['unsure']:,} not sure, {counts['no digit']:,} without a digit, {counts['fault']:,} unreadable.")
    return counts


def submit(table: Path, submission: Path, runs: Sequence[prediction.TrainedRun]) -> Counter[str]:
    """Write the class of each row of the table into a new one, in the form of Kaggle's submissions."""
    import numpy as np
    import pandas as pd  # type: ignore[import-untyped]

    if submission.exists():
        raise UserError(f"'{submission}' already exists; move it, or choose another --csv.")
    column, ids, rows = read_unlabelled(table, scale_of(runs[0].preprocessing))
    images = np.stack([as_is(row, runs[0].preprocessing) for row in rows])
    labels = [runs[0].class_names[number] for number in prediction.average(runs, images).argmax(axis=1)]
    write_whole(submission, pd.DataFrame({column: ids, "Label": labels}).to_csv(index=False, lineterminator="\n"))
    print(f"'{plain(submission)}': {len(ids):,} rows of {column} and Label.")
    return Counter()


def outcome(answer: prediction.Answer) -> str:
    """Return what became of a photo: 'sure', or why a person should look at it."""
    if "error" in answer:
        return "fault"
    if answer["label"] is None and not answer.get("digits"):
        return "no digit"
    return "sure" if prediction.is_sure(answer) else "unsure"


if __name__ == "__main__":
    sys.exit(run_script(main))
