"""robustness.json in a run's folder: its accuracy under every corruption, at every strength."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Annotated

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from digits.errors import UserError
from digits.evaluation.corruptions import CORRUPTIONS, STRENGTHS
from digits.evaluation.tables import as_csv, as_text
from digits.files import read_bytes, sha256_of, write_whole
from digits.names import percent, percent_range, plain
from digits.runs import Run

FILE = "robustness.json"
LARGEST = 1 << 20  # bytes
Share = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[tuple[Share, ...], Field(min_length=len(STRENGTHS), max_length=len(STRENGTHS))]


@dataclass(frozen=True)
class Robustness:
    """What one network makes of corrupted images; accuracies are fractions of its images."""

    model_sha256: str  # of the model.onnx that was measured
    seed: int  # of the corruptions
    n: Annotated[int, Field(ge=1)]  # images
    evaluated_on: str  # "test" or "validation" images
    clean: Share  # accuracy without corruption
    accuracy: dict[str, Shares]  # by corruption, at the strengths 1 to 5
    interval_95: tuple[Share, Share]  # of the mean: over writers where they are known, else over images

    @property
    def mean(self) -> float:
        """The mean accuracy over all corruptions and strengths."""
        return fmean(accuracy for accuracies in self.accuracy.values() for accuracy in accuracies)

    @property
    def worst(self) -> str:
        """The corruption with the lowest mean accuracy."""
        return min(self.accuracy, key=lambda name: fmean(self.accuracy[name]))


def read_robustness(run: Run) -> Robustness | None:
    """Return what was measured of the run; None where nothing was, or of another network or by other corruptions.

    UserError where the file is damaged.
    """
    path = run.path / FILE
    if not path.exists():
        return None
    try:
        found = TypeAdapter(Robustness).validate_json(read_bytes(path, LARGEST))
    except (OSError, ValueError):
        raise UserError(f"'{path}' is damaged; delete it, then measure again with --robustness '{run.name}'.") from None
    current = found.model_sha256 == model_sha256(run) and found.accuracy.keys() == CORRUPTIONS.keys()
    return found if current else None


def write_robustness(run: Run, robustness: Robustness) -> None:
    """Write the file into the run's folder; UserError where that fails."""
    path = run.path / FILE
    try:
        write_whole(path, json.dumps(asdict(robustness), indent=2) + "\n")
    except OSError as error:
        raise UserError(
            f"cannot write '{path}' ({error.strerror or error}); make room there, then run again."
        ) from None


def model_sha256(run: Run) -> str | None:
    """Return the SHA-256 of the run's network; None where it has none."""
    path = run.path / "model.onnx"
    return sha256_of(path) if path.is_file() else None


Measured = Sequence[tuple[Run, Robustness]]


def robustness_as_csv(measured: Measured) -> str:
    """Return a table with a line for each run, corruption and strength; 0 is the strength of the clean images."""
    lines: list[tuple[object, ...]] = []
    for run, one in measured:
        lines.append((run.name, "none", 0, one.clean, one.n, one.evaluated_on))
        for name, accuracies in one.accuracy.items():
            for strength, accuracy in zip(STRENGTHS, accuracies, strict=True):
                lines.append((run.name, name, strength, accuracy, one.n, one.evaluated_on))
    return as_csv(["run", "corruption", "strength", "accuracy", "n", "evaluated_on"], lines)


def robustness_as_text(measured: Measured) -> str:
    """Return a table for a terminal, the most robust run first."""
    lines = [["run", "clean", "corrupted", "95 % interval", "worst corruption", ""]]
    for run, one in sorted(measured, key=lambda pair: -pair[1].mean):
        worst = fmean(one.accuracy[one.worst])
        numbers = percent(one.clean), percent(one.mean), percent_range(one.interval_95)
        lines.append([plain(run.name), *numbers, one.worst.replace("_", " "), percent(worst)])
    return as_text(lines)
