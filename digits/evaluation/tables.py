"""Tables of numbers for the terminal, for spreadsheets (CSV) and for Markdown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

from digits.evaluation.evaluate import Evaluation


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


def run_rows(evaluations: Sequence[Evaluation]) -> list[RunRow]:
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
        for one in evaluations
    ]


def runs_as_text(rows: Sequence[RunRow]) -> str:
    """Return the table for a terminal, names as `plain` shows them."""
    return _aligned([_HEADER, *([plain(cell) for cell in _cells(row)] for row in rows)])


def runs_as_csv(rows: Sequence[RunRow]) -> str:
    """Return comparison.csv: every number in full precision, nothing for None.

    Names as `plain` shows them; text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(field.name for field in fields(RunRow))
    for row in rows:
        writer.writerow(_no_formula(plain(value)) if isinstance(value, str) else value for value in astuple(row))
    return file.getvalue()


def runs_as_markdown(rows: Sequence[RunRow]) -> str:
    """Return the table in GitHub's Markdown; names stay text whatever they hold."""
    lines = [_HEADER, ["---", *["---:"] * (len(_HEADER) - 1)]]
    lines += [[_escape_markdown(plain(cell)) for cell in _cells(row)] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def classes_as_text(evaluation: Evaluation) -> str:
    """Return the classification report of one run for a terminal: each class, then the means over the classes.

    'macro' counts each class once, 'weighted' by its images, as in scikit-learn's classification_report.
    """
    scores = evaluation.per_class
    lines = [["class", "precision", "recall", "95 % interval", "F1", "images"]]
    for score in scores:
        numbers = (score.precision, score.recall, score.f1)
        lines.append(_class_line(plain(score.name), numbers, score.interval, score.support))
    support = [score.support for score in scores]
    for name, weights in (("macro mean", [1] * len(scores)), ("weighted mean", support)):
        columns = zip(*((score.precision, score.recall, score.f1) for score in scores), strict=True)
        lines.append(_class_line(name, [_mean(column, weights) for column in columns], None, sum(support)))
    return _aligned(lines)


def plain(text: object) -> str:
    """Return the text with '?' for what a terminal would obey or cannot show: a folder's name may hold anything."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


_HEADER = ["run", "accuracy", "95 % interval", "loss", "training", "parameters", "n"]


def _cells(row: RunRow) -> list[str]:
    return [
        row.run,
        f"{100 * row.accuracy:.2f} %",
        f"{_interval(row.interval_low, row.interval_high)} %",
        f"{row.loss:.4f}",
        "-" if row.training_seconds is None else f"{row.training_seconds:,.1f} s",
        "-" if row.parameters is None else f"{row.parameters:,}",
        f"{row.n:,}",
    ]


def _class_line(name: str, numbers: Sequence[float], interval: tuple[float, float] | None, support: int) -> list[str]:
    precision, recall, f1 = (f"{100 * number:.2f} %" for number in numbers)
    return [name, precision, recall, f"{_interval(*interval)} %" if interval else "", f1, f"{support:,}"]


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return the lines as columns two spaces apart, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ""
    for first, *others in lines:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        text += "  ".join(cells).rstrip() + "\n"
    return text


def _no_formula(text: str) -> str:
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_~\[\]<>&|!$])", r"\\\1", text)
