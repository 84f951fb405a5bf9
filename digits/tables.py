"""Tables of numbers for the terminal, for spreadsheets (CSV) and for Markdown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

from digits.judge import Judgement


@dataclass(frozen=True)
class RunRow:
    """A line of the table of runs; the field names are the header of comparison.csv."""

    run: str
    dataset: str
    model: str
    framework: str
    seed: int | None
    n: int  # test images
    accuracy: float
    interval_low: float  # 95 % Wilson interval
    interval_high: float
    loss: float
    training_seconds: float | None  # None where the run does not record it
    parameters: int | None  # None where the run does not record it


def run_rows(judgements: Sequence[Judgement]) -> list[RunRow]:
    """Return a row for each judged run, in the order given."""
    return [
        RunRow(
            run=one.run.name,
            dataset=one.run.dataset,
            model=one.run.model,
            framework=one.run.framework,
            seed=one.run.seed,
            n=one.n,
            accuracy=one.accuracy,
            interval_low=one.interval[0],
            interval_high=one.interval[1],
            loss=one.loss,
            training_seconds=one.run.training_seconds,
            parameters=one.run.parameters,
        )
        for one in judgements
    ]


def runs_as_text(rows: Sequence[RunRow]) -> str:
    """Return the table for a terminal, names as `plain` shows them."""
    raise NotImplementedError


def runs_as_csv(rows: Sequence[RunRow]) -> str:
    """Return comparison.csv: every field in full precision, '' for None."""
    raise NotImplementedError


def runs_as_markdown(rows: Sequence[RunRow]) -> str:
    """Return the table in GitHub's Markdown; names stay text whatever they hold."""
    raise NotImplementedError


def classes_as_text(judgement: Judgement) -> str:
    """Return the classification report of one run for a terminal: each class, then the means."""
    raise NotImplementedError


def plain(text: object) -> str:
    """Return the text with '?' for what a terminal would obey or cannot show: a folder's name may hold anything."""
    return "".join(character if character.isprintable() else "?" for character in str(text))
