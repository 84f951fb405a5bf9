"""From runs to files: every figure drawn or found unchanged, report.json of each run, tables of each dataset."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from digits.data import Dataset, load_dataset
from digits.errors import UserError
from digits.evaluation import Comparison, Evaluation, compare_runs
from digits.evaluation.tables import run_rows, runs_as_csv, runs_as_markdown
from digits.figures.cache import DRAWN, FigureCache, figure_key
from digits.figures.registry import (
    FigureSpec,
    figure_of_all_runs,
    figure_of_comparison,
    figures_of_dataset,
    figures_of_pairs,
    figures_of_run,
    safe_name,
)
from digits.figures.style import save_figure


@dataclass(frozen=True)
class RenderedFigure:
    """A figure in its file."""

    name: str
    path: Path  # with the ending of the first format
    words: str  # what it says, as text


@dataclass(frozen=True)
class Group:
    """The runs on one dataset, with all that was drawn of them."""

    comparison: Comparison
    evaluations: list[Evaluation]
    comparison_figures: list[RenderedFigure]  # one, or none of a single run
    pair_figures: list[list[RenderedFigure]]  # of each pair
    dataset_figures: list[RenderedFigure]
    run_figures: list[list[RenderedFigure]]  # of each judged run


@dataclass
class Rendering:
    """What a call of render_all has done, and what it could not do."""

    groups: list[Group] = field(default_factory=list)
    overview: list[RenderedFigure] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # of these, as in --only
    new: int = 0  # of these, drawn now
    notes: list[str] = field(default_factory=list)  # what was left out for a good reason
    faults: list[str] = field(default_factory=list)


Display = Callable[[Sequence[Figure]], None]


def render_all(
    evaluations: Sequence[Evaluation],
    outputs: Path,
    data_dir: Path,
    *,
    only: Collection[str],
    formats: Sequence[str],
    display: Display | None = None,
) -> Rendering:
    """Draw the figures named in `only` of the judged runs, each in every format; write report.json and the tables.

    A run's files go into its folder, a dataset's into outputs/<dataset>/. Where `display` is given, the figures are
    handed to it, those of one folder at a time, whether or not they had to be drawn anew. What cannot be written or
    drawn is a fault, and does not keep the rest from being made.
    """
    work = _Work(outputs, only, formats, display)
    comparisons = compare_runs([one.run for one in evaluations])
    folders = _group_folders(comparisons, outputs)
    by_run = {id(one.run): one for one in evaluations}
    for comparison, folder in zip(comparisons, folders, strict=True):
        members = [by_run[id(run)] for run in comparison.runs]
        dataset = work.find_dataset(comparison, data_dir)
        run_figures = [work.render(figures_of_run(one, dataset)) for one in members]
        for one in members:
            work.write(one.run.path / "report.json", json.dumps(one.as_json(), indent=2) + "\n")
        comparison_figures = []
        if len(members) > 1:
            comparison_figures = work.render([figure_of_comparison(members, folder)])
            rows = run_rows(sorted(members, key=lambda one: -one.accuracy))
            work.write(folder / "comparison.csv", runs_as_csv(rows))
            work.write(folder / "comparison.md", runs_as_markdown(rows))
        pair_figures = [work.render(pictures) for pictures in figures_of_pairs(comparison.pairs, dataset, folder)]
        dataset_figures = work.render(figures_of_dataset(dataset, folder)) if dataset else []
        group = Group(comparison, members, comparison_figures, pair_figures, dataset_figures, run_figures)
        work.done.groups.append(group)
    work.done.overview = work.render([figure_of_all_runs([one.run for one in evaluations], outputs)])
    try:
        work.drawn.save()
    except OSError as error:
        work.cannot_write(outputs / DRAWN, error)
    return work.done


class _Work:
    """The state of one render_all."""

    def __init__(self, outputs: Path, only: Collection[str], formats: Sequence[str], display: Display | None) -> None:
        self.only, self.formats, self.display = only, formats, display
        self.drawn = FigureCache(outputs)
        self.done = Rendering()

    def find_dataset(self, comparison: Comparison, data_dir: Path) -> Dataset | None:
        """Return the dataset that the runs were tested on, None (and a note) where it is not at hand."""
        name = comparison.dataset
        left_out = f"the figures that show images of {name} are left out"
        try:
            dataset = load_dataset(name, data_dir)
        except UserError as error:
            self.done.notes.append(f"{left_out}: {error}")
            return None
        labels = comparison.runs[0].labels
        if dataset.fingerprint != comparison.fingerprint or not np.array_equal(dataset.test_labels, labels):
            runs = ", ".join(f"'{run.name}'" for run in comparison.runs)
            self.done.notes.append(
                f"{left_out} for {runs}: '{data_dir}' has other images than these runs were tested on."
            )
            return None
        return dataset

    def render(self, pictures: Sequence[FigureSpec]) -> list[RenderedFigure]:
        """Draw the pictures of one folder that are asked for and not there yet; return those that are then there."""
        shown, figures = [], []
        for picture in pictures:
            if picture.name not in self.only:
                continue
            key = figure_key(picture.name, picture.inputs)
            paths = [picture.path.with_name(f"{picture.path.name}.{ending}") for ending in self.formats]
            words = [self.drawn.words(path, key) for path in paths]
            try:
                figure = None
                if None in words or self.display:
                    figure = picture.plot()
                    figures += [figure] if self.display else []
                for path, known in zip(paths, words, strict=True):
                    if known is None:
                        assert figure is not None
                        path.parent.mkdir(parents=True, exist_ok=True)
                        save_figure(figure, path)
                        self.drawn.remember(path, key, str(figure.get_label()))
                        self.done.new += 1
            except OSError as error:
                self.cannot_write(paths[0], error)
            except Exception as error:  # numbers that no training gives; one figure is not to cost the others
                self.done.faults.append(f"'{paths[0]}' cannot be drawn ({type(error).__name__}: {error}).")
            else:
                self.done.pictures += paths
                self.done.names.add(picture.name)
                shown.append(RenderedFigure(picture.name, paths[0], self.drawn.words(paths[0], key) or ""))
        if self.display and figures:
            self.display(figures)
        return shown

    def write(self, path: Path, text: str) -> None:
        """Write a text file whole or not at all; a fault where that fails."""
        try:
            write_whole(path, text)
        except OSError as error:
            self.cannot_write(path, error)

    def cannot_write(self, path: Path, error: OSError) -> None:
        self.done.faults.append(
            f"cannot write '{path}' ({error.strerror or error}); free the place, then run this again."
        )


def write_whole(path: Path, text: str) -> None:
    """Write the text to `path` under a hidden name first, so that nobody sees half of it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _group_folders(comparisons: Sequence[Comparison], outputs: Path) -> list[Path]:
    """Return a folder for each group: outputs/<dataset>, with something behind it where that is taken."""
    folders: list[Path] = []
    for comparison in comparisons:
        name = safe_name(comparison.dataset)
        folder, number = outputs / name, 1
        while folder in folders or (folder / "run.json").exists():
            number += 1
            folder = outputs / f"{name}-{number}"
        folders.append(folder)
    return folders
