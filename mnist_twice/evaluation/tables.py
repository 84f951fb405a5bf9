"""Tables of numbers for the terminal and for spreadsheets (CSV)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from statistics import fmean

from mnist_twice.evaluation.compare import PairComparison, RecipeSummary, setting_text
from mnist_twice.evaluation.evaluate import Evaluation
from mnist_twice.names import percent, percent_range, plain

FORMULA = ("=", "+", "-", "@")  # what a cell begins with that a spreadsheet would calculate


def runs_as_text(evaluations: Sequence[Evaluation]) -> str:
    """Return the table of the runs for a terminal, names as `plain` shows them."""
    lines = [["run", "accuracy", "95 % interval", "loss", "training", "parameters", "n"]]
    for one in evaluations:
        seconds, parameters = one.run.training_seconds, one.run.parameters
        cells = [plain(one.run.name), percent(one.accuracy), percent_range(one.interval), f"{one.loss:.4f}"]
        cells.append("-" if seconds is None else f"{seconds:,.1f} s")
        cells.append("-" if parameters is None else f"{parameters:,}")
        cells.append(f"{one.n:,}{' (validation)' if one.run.evaluated_on == 'validation' else ''}")
        lines.append(cells)
    return as_text(lines)


def runs_as_csv(evaluations: Sequence[Evaluation]) -> str:
    """Return comparison.csv: every number of each run, each option of its recipe in a column of its own."""
    rows: list[dict[str, object]] = []
    for one in evaluations:
        run = one.run
        row = {
            **one.heading,
            "interval_low": one.interval[0],
            "interval_high": one.interval[1],
            "writers": one.writers and len(one.writers.numbers),
            "loss": one.loss,
            "training_seconds": run.training_seconds,
            "parameters": run.parameters,
        }
        settings = {key: value for key, value in run.settings.items() if key not in ("model", "seed")}
        rows.append(row | {key.replace(" ", "_"): setting_text(value) for key, value in settings.items()})
    header = list(dict.fromkeys(key for row in rows for key in row))
    return as_csv(header, ([row.get(key, setting_text(None)) for key in header] for row in rows))


def recipes_as_csv(recipes: Sequence[RecipeSummary]) -> str:
    """Return recipes.csv: accuracy by recipe, the mean over its seeds and their standard deviation."""
    header = ["model", "framework", "recipe", "n", "seeds", "mean", "standard_deviation", "minimum", "maximum"]
    lines = []
    for one in recipes:
        what = [one.model, one.framework, one.differences, len(one.runs), " ".join(map(str, one.seeds))]
        lines.append([*what, one.mean, one.standard_deviation, one.minimum, one.maximum])
    return as_csv(header, lines)


def classes_as_text(evaluation: Evaluation) -> str:
    """Return the classification report of one run for a terminal: each class, the means, and each series of writers.

    'macro' counts each class once, 'weighted' by its images, as in scikit-learn's classification_report.
    """
    scores = evaluation.per_class
    lines = [["class", "precision", "recall", "95 % interval", "F1", "images"]]
    for one in scores:
        interval = percent_range(one.recall_interval_95) if one.recall_interval_95 else ""
        precision, recall, f1 = percent(one.precision), percent(one.recall), percent(one.f1)
        lines.append([plain(one.name), precision, recall, interval, f1, f"{one.support:,}"])
    for name, weights in (("macro mean", None), ("weighted mean", [one.support for one in scores])):
        columns = zip(*((one.precision, one.recall, one.f1) for one in scores), strict=True)
        precision, recall, f1 = (percent(fmean(column, weights)) for column in columns)
        lines.append([name, precision, recall, "", f1, f"{evaluation.n:,}"])
    text = as_text(lines)
    if evaluation.writers is not None:
        lines = [["written by", "accuracy", "95 % interval", "writers", "images"]]
        for series in evaluation.writers.series:
            numbers = percent(series.accuracy), percent_range(series.interval_95), f"{series.writers:,}"
            lines.append([series.name, *numbers, f"{series.images:,}"])
        text += f"\n{as_text(lines)}"
    return text


def pair_as_text(pair: PairComparison) -> str:
    """Return for a terminal how many images both runs, one of them, or neither classifies correctly."""
    a, b = map(plain, pair.names)
    lines = [
        ["", f"{b} correct", f"{b} wrong"],
        [f"{a} correct", f"{pair.both_right:,}", f"{pair.only_a_right:,}"],
        [f"{a} wrong", f"{pair.only_b_right:,}", f"{pair.both_wrong:,}"],
    ]
    differing = f"They predict different classes for {len(pair.disagreements):,} of {pair.n:,} images.\n"
    return as_text(lines) + differing + plain(pair.verdict) + "\n"


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table for spreadsheets: every number in full precision, nothing for None.

    Text as `plain` shows it; what a spreadsheet would take for a formula gets an apostrophe in front.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for row in (header, *rows):
        cells = [plain(value) if isinstance(value, str) else value for value in row]
        writer.writerow("'" + cell if isinstance(cell, str) and cell[:1] in FORMULA else cell for cell in cells)
    return file.getvalue()


def as_text(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return the lines as columns two spaces apart, the first `left` of them to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ""
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line[:left], widths, strict=False)]
        cells += [cell.rjust(width) for cell, width in zip(line[left:], widths[left:], strict=True)]
        text += "  ".join(cells).rstrip() + "\n"
    return text
