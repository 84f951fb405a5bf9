"""Which runs the page shows, and what their networks read in a photo."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_twice.errors import UserError
from mnist_twice.names import FRAMEWORKS
from mnist_twice.photos import Photo, prepare
from mnist_twice.prediction import TRAIN_FIRST, TrainedRun, describe, differences, load_pair, load_runs, readable_runs


def runs_to_show(names: Sequence[str], outputs: Path) -> tuple[list[TrainedRun], str]:
    """Return the named runs, else one of each framework (load_pair), and a sentence on what spoils the comparison.

    That is a missing framework, or runs that differ; '' if nothing does. Raises UserError if there is no run.
    """
    runs = load_runs(names, outputs) if names else load_pair(readable_runs(outputs), outputs)
    if not runs:
        raise UserError(f"there is no trained run; {TRAIN_FIRST}, then start the page again.")
    lacking = FRAMEWORKS.keys() - {run.framework for run in runs}
    if not names and lacking:
        (framework,) = lacking
        return runs, f"There is no {FRAMEWORKS[framework]} network yet: 'python mnist_{framework}.py' trains one."
    for run in runs[1:]:
        if unequal := differences(runs[0], run):
            shown = ", ".join(unequal[:3]) + (f" and {len(unequal) - 3} more" if len(unequal) > 3 else "")
            remedy = "" if names else " Train both with the same options, then start the page again."
            return runs, f"{runs[0].name} and {run.name} differ: {shown}.{remedy}"
    return runs, ""


def answer_photo(photo: Photo, runs: Sequence[TrainedRun]) -> dict[str, Any]:
    """Return the answer to a photo as JSON: answer_image's, and the box of the digit in the photo's pixels."""
    digit = prepare(photo, runs[0].preprocessing)
    return answer_image(digit.image if digit else None, runs) | {"box": list(digit.box) if digit else None}


def answer_image(image: NDArray[np.uint8] | None, runs: Sequence[TrainedRun]) -> dict[str, Any]:
    """Return the answer to an image, uint8 (28, 28), as JSON: each run's, and whether they agree. None: no digit."""
    probabilities = [run.predict(image[None])[0] for run in runs] if image is not None else []
    answers = [
        {"run": run.name, "framework": run.framework, **describe(own, run.class_names)}
        | {"probabilities": [round(float(value), 4) for value in own]}
        for run, own in zip(runs, probabilities, strict=False)
    ]
    return {
        "found": image is not None,
        "runs": answers,
        "agree": len({str(answer["label"]) for answer in answers}) == 1,
        "classes": runs[0].class_names,
        "image": image.ravel().tolist() if image is not None else None,
    }
