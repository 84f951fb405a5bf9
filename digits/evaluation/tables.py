"""Tables of numbers for the terminal, for spreadsheets (CSV) and for Markdown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from statistics import fmean
from typing import Any

from digits.evaluation.compare import PairComparison
from digits.evaluation.evaluate import MANY_CLASSES, Evaluation
from digits.evaluation.recipes import RecipeSummary, setting_text
from digits.names import percent, percent_range, plain


@dataclass(frozen=True)
class RunRow:
    """A line of the table of runs; the field names are the header of comparison.csv."""

    run: str
    dataset: str
    model: str
    framework: str
    seed: int | None
    evaluated_on: str  # "test" or "validation" images
    n: int  # of these
    accuracy: float
    interval_low: float  # 95 % interval: over writers where they are known, else Wilson's
    interval_high: float
    wilson_low: float
    wilson_high: float
    writers: int | None  # who wrote the images; None where not known
    loss: float
    training_seconds: float | None  # None where the run does not record it
    parameters: int | None  # None where the run does not record it
    recipe: dict[str, Any]  # of each option its value: a column each, after the others


def run_rows(evaluations: Sequence[Evaluation]) -> list[RunRow]:
    """Return a row for each evaluated run, in the order given."""
    rows = []
    for one in evaluations:
        run = one.run
        what = (run.name, run.dataset, run.model, run.framework, run.seed)
        intervals = (*one.interval, *one.wilson)
        writers = None if one.writers is None else len(one.writers.numbers)
        recipe = {key: value for key, value in run.settings.items() if key not in ("model", "seed")}
        others = (writers, one.loss, run.training_seconds, run.parameters)
        rows.append(RunRow(*what, run.evaluated_on, one.n, one.accuracy, *intervals, *others, recipe))
    return rows


def runs_as_text(rows: Sequence[RunRow]) -> str:
    """Return the table for a terminal, names as `plain` shows them."""
    header, *others = _cells(rows)
    text = as_text([header, *([plain(cell) for cell in line] for line in others)])
    return text + (WRITERS if any(row.writers for row in rows) else "")


def runs_as_csv(rows: Sequence[RunRow]) -> str:
    """Return comparison.csv: the fields of RunRow, the recipe's options in columns of their own."""
    *names, _ = (field.name for field in fields(RunRow))
    options = list(dict.fromkeys(option for row in rows for option in row.recipe))
    lines = ([*astuple(row)[:-1], *(setting_text(row.recipe.get(option)) for option in options)] for row in rows)
    return as_csv([*names, *(option.replace(" ", "_") for option in options)], lines)


def recipes_as_csv(recipes: Sequence[RecipeSummary]) -> str:
    """Return recipes.csv: accuracy by recipe, the mean over its seeds and their standard deviation."""
    header = ["model", "framework", "recipe", "n", "seeds", "mean", "standard_deviation", "minimum", "maximum"]
    lines = [
        [one.model, one.framework, one.differences, len(one.runs), " ".join(map(str, one.seeds)), *numbers]
        for one in recipes
        for numbers in [(one.mean, one.standard_deviation, one.minimum, one.maximum)]
    ]
    return as_csv(header, lines)


def runs_as_markdown(rows: Sequence[RunRow]) -> str:
    """Return the table in GitHub's Markdown; names stay text whatever they hold."""
    header, *others = _cells(rows)
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    lines += [[re.sub(r"([\\`*_~\[\]<>&|!$])", r"\\\1", plain(cell)) for cell in line] for line in others]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def classes_as_text(evaluation: Evaluation) -> str:
    """Return the classification report of one run for a terminal: each class, the means, each series of writers, and
    of many classes the most frequent confusions.

    'macro' counts each class once, 'weighted' by its images, as in scikit-learn's classification_report.
    """
    scores = evaluation.per_class
    lines = [["class", "precision", "recall", "95 % interval", "F1", "images"]]

    def add(name: str, numbers: Sequence[float], interval: str, images: int) -> None:
        precision, recall, f1 = map(percent, numbers)
        lines.append([name, precision, recall, interval, f1, f"{images:,}"])

    for score in scores:
        interval = percent_range(score.recall_interval_95) if score.recall_interval_95 else ""
        add(plain(score.name), (score.precision, score.recall, score.f1), interval, score.support)
    columns = [
        [score.precision for score in scores],
        [score.recall for score in scores],
        [score.f1 for score in scores],
    ]
    for name, weights in (("macro mean", None), ("weighted mean", [score.support for score in scores])):
        add(name, [fmean(column, weights) for column in columns], "", evaluation.n)
    text = as_text(lines)
    if len(scores) > MANY_CLASSES:
        lines = [["class", "taken for", "images", "of the class"]]
        for pair in evaluation.top_confusions:
            lines.append([plain(pair.true), plain(pair.predicted), f"{pair.count:,}", percent(pair.share)])
        text += f"\n{as_text(lines, 2)}"
    if evaluation.writers is not None:
        lines = [["written by", "accuracy", "95 % interval", "writers", "images"]]
        for one in evaluation.writers.series:
            numbers = percent(one.accuracy), percent_range(one.interval_95), f"{one.writers:,}", f"{one.images:,}"
            lines.append([one.name, *numbers])
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
        cells = [
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text += "  ".join(cells).rstrip() + "\n"
    return text


WRITERS = "95 % interval: a bootstrap over writers, where they are known; Wilson's takes all images for independent.\n"
FORMULA = ("=", "+", "-", "@")  # what a cell begins with that a spreadsheet would calculate


def _cells(rows: Sequence[RunRow]) -> list[list[str]]:
    """Return the header and a line for each row; Wilson's intervals have a column of their own where others differ."""
    header = ["run", "accuracy", "95 % interval", "Wilson", "loss", "training", "parameters", "n"]
    lines = [header] + [
        [
            row.run,
            percent(row.accuracy),
            percent_range((row.interval_low, row.interval_high)),
            percent_range((row.wilson_low, row.wilson_high)),
            f"{row.loss:.4f}",
            "-" if row.training_seconds is None else f"{row.training_seconds:,.1f} s",
            "-" if row.parameters is None else f"{row.parameters:,}",
            f"{row.n:,}" + (" (validation)" if row.evaluated_on == "validation" else ""),
        ]
        for row in rows
    ]
    return lines if any(row.writers for row in rows) else [[*line[:3], *line[4:]] for line in lines]
