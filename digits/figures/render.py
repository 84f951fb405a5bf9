"""From runs to files: every figure rendered or found unchanged, report.json of each run, tables of each dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from digits.data import Dataset, load_dataset
from digits.errors import UserError
from digits.evaluation import Comparison, Evaluation, compare_runs
from digits.evaluation.robustness import Robustness, read_robustness, robustness_as_csv
from digits.evaluation.tables import recipes_as_csv, runs_as_csv, runs_as_markdown
from digits.figures.cache import CACHE_FILE, FigureCache, figure_key
from digits.figures.fonts import evaluation_with_labels, note_on_labels, pair_with_labels, with_labels
from digits.figures.page import Page, Words, save_figure
from digits.figures.predictions import Images
from digits.figures.registry import (
    FigureSpec,
    figure_of_comparison,
    figure_of_confusions,
    figures_of_dataset,
    figures_of_pairs,
    figures_of_robustness,
    figures_of_run,
)
from digits.figures.vector import as_fragment
from digits.files import write_whole
from digits.names import safe_name
from digits.recipes import Recipe
from digits.runs import Run
from digits.training import evaluation_set


@dataclass(frozen=True)
class RenderedFigure:
    """A figure in its file."""

    name: str
    path: Path  # with the ending of the first format
    words: Words
    fragment: Path  # of the figure as part of a page (see vector.py), where the first format is PNG


@dataclass(frozen=True)
class Group:
    """The runs on one dataset, with all figures of them."""

    comparison: Comparison
    evaluations: list[Evaluation]
    comparison_figures: list[RenderedFigure]  # of several runs, and of those measured on corrupted images
    pair_figures: list[list[RenderedFigure]]  # of each pair
    confusions: list[RenderedFigure]  # of all runs side by side
    dataset_figures: list[RenderedFigure]
    run_figures: list[list[RenderedFigure]]  # of each evaluated run


@dataclass
class Rendering:
    """What a call of render_all has done, and what it could not do."""

    groups: list[Group] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)  # of figures, in all formats
    names: set[str] = field(default_factory=set)  # of these, as in --only
    new: int = 0  # of these, rendered now
    notes: list[str] = field(default_factory=list)  # what was left out for a good reason
    faults: list[str] = field(default_factory=list)

    def cannot_write(self, path: Path, error: OSError) -> None:
        self.faults.append(f"cannot write '{path}' ({error.strerror or error}); make room there, then run this again.")


Display = Callable[[Sequence[Figure]], None]


def render_all(
    evaluations: Sequence[Evaluation],
    outputs: Path,
    data_dir: Path,
    *,
    only: Collection[str],
    formats: Sequence[str],
    display: Display | None = None,
    chosen: tuple[Run, Run] | None = None,
    shared: Path | None = None,
) -> Rendering:
    """Render the figures named in `only` of the evaluated runs, each in every format; write report.json and the tables.

    A run's files go into its folder, a dataset's into outputs/<dataset>/, those of several runs together too, but in
    the folder `shared` in place of `outputs` where it is given. Where `display` is given, the figures are
    handed to it, those of one folder at a time, whether or not their files are new. What cannot be written or
    rendered is a fault, and does not keep the rest from being made. chosen: as of compare_runs.
    """
    done, cache = Rendering(), FigureCache(outputs)

    shared = shared or outputs
    bar = tqdm(desc="figures", unit=" figures", leave=False, disable=None, delay=2)

    def wanted(specs: Sequence[FigureSpec]) -> Iterator[FigureSpec]:
        for spec in specs:
            if spec.name in only:
                bar.set_postfix_str(spec.name)
                yield spec
                bar.update()

    def render(specs: Sequence[FigureSpec], make_folder: bool = True) -> list[RenderedFigure]:
        return render_figures(wanted(specs), formats, done, cache, display, make_folder)

    def write(path: Path, text: str, make_folder: bool = True) -> None:
        try:
            write_whole(path, text, make_folder)
        except OSError as error:
            done.cannot_write(path, error)

    comparisons = compare_runs([one.run for one in evaluations], chosen)
    by_run = {id(one.run): one for one in evaluations}
    shown: set[str | None] = set()  # datasets whose own figures an earlier group has
    folders, dataset_folders = (_group_folders(comparisons, one) for one in (shared, outputs))
    for comparison, folder, dataset_folder in zip(comparisons, folders, dataset_folders, strict=True):
        members = [by_run[id(run)] for run in comparison.runs]
        dataset, images = _find_dataset(comparison, data_dir, done)
        # No folder is made for a run that was deleted meanwhile: a training of its name would be refused that place.
        run_figures = [
            render(figures_of_run(evaluation_with_labels(one), images), make_folder=False) for one in members
        ]
        for one in members:
            write(one.run.path / "report.json", json.dumps(one.as_json(), indent=2) + "\n", make_folder=False)
        comparison_figures = []
        if len(members) > 1:
            comparison_figures = render([figure_of_comparison(members, folder)])
            ordered = sorted(members, key=lambda one: -one.accuracy)
            write(folder / "comparison.csv", runs_as_csv(ordered))
            write(folder / "comparison.md", runs_as_markdown(ordered))
            write(folder / "recipes.csv", recipes_as_csv(comparison.recipes))
        measured = _read_robustness(members, done)
        comparison_figures += render(figures_of_robustness(measured, images, folder))
        if measured:
            write(folder / "robustness.csv", robustness_as_csv(measured))
        confusions = render([figure_of_confusions([*map(with_labels, comparison.runs)], folder)])
        labelled = replace(comparison, pairs=[*map(pair_with_labels, comparison.pairs)])
        pair_figures = [render(specs) for specs in figures_of_pairs(labelled, images, folder)]
        dataset_figures = (
            render(figures_of_dataset(with_labels(dataset), dataset_folder))
            if dataset and dataset.fingerprint not in shown
            else []
        )
        shown.add(comparison.fingerprint)
        figures = (comparison_figures, pair_figures, confusions, dataset_figures, run_figures)
        done.groups.append(Group(comparison, members, *figures))
    if len({one.run.dataset for one in evaluations}) == 1:  # errors on unlike datasets are not to be compared
        render([figure_of_confusions([with_labels(one.run) for one in evaluations], shared)])
    bar.close()
    notes = (note_on_labels(one.run.class_names) for one in evaluations)
    done.notes += dict.fromkeys(note for note in notes if note)
    try:
        cache.save()
    except OSError as error:
        done.cannot_write(outputs / CACHE_FILE, error)
    return done


def render_figures(
    specs: Iterable[FigureSpec],
    formats: Sequence[str],
    done: Rendering,
    cache: FigureCache,
    display: Display | None = None,
    make_folder: bool = True,
) -> list[RenderedFigure]:
    """Render the figures of one folder whose files are not current, note all that is done; return all that are then."""
    rendered, displayed = [], []
    for spec in specs:
        key = figure_key(spec.name, spec.inputs)
        paths = [spec.path.with_name(f"{spec.path.name}.{ending}") for ending in formats]
        stale = [path for path in paths if cache.words(path, key) is None]
        try:
            if stale or display:
                figure = spec.plot()
                assert isinstance(figure, Page)
                displayed += [figure] if display else []
                for path in stale:
                    save_figure(figure, path, make_folder=make_folder)
                    fragment = as_fragment(figure, key) if path.suffix == ".png" else None
                    cache.remember(path, key, figure.words, fragment)
                    done.new += 1
        except OSError as error:
            done.cannot_write(paths[0], error)
        except Exception as error:  # numbers that no training gives; one figure is not to cost the others
            done.faults.append(f"'{paths[0]}' cannot be rendered ({type(error).__name__}: {error}).")
        else:
            done.files += paths
            done.names.add(spec.name)
            if words := cache.words(paths[0], key):
                rendered.append(RenderedFigure(spec.name, paths[0], words, cache.fragment(key)))
    if display and displayed:
        display(displayed)
    return rendered


def _read_robustness(evaluations: Sequence[Evaluation], done: Rendering) -> list[tuple[Run, Robustness]]:
    """Return the runs that were measured on corrupted images; a damaged file is a fault."""
    measured = []
    for evaluation in evaluations:
        try:
            if (one := read_robustness(evaluation.run)) is not None:
                measured.append((evaluation.run, one))
        except UserError as error:
            done.faults.append(str(error))
    return measured


def _find_dataset(comparison: Comparison, data_dir: Path, done: Rendering) -> tuple[Dataset | None, Images | None]:
    """Return the runs' dataset and the images that they were evaluated on; Nones and a note where it is not at hand."""
    left_out = f"the figures that show images of {comparison.dataset} are left out"
    try:
        dataset = load_dataset(comparison.dataset, data_dir)
        held_out = comparison.runs[0].held_out
        images, labels, _ = evaluation_set(dataset, Recipe(**held_out) if held_out else None)
    except UserError as error:
        if (note := f"{left_out}: {error}") not in done.notes:  # several groups may miss the same dataset
            done.notes.append(note)
        return None, None
    if dataset.fingerprint != comparison.fingerprint or not np.array_equal(labels, comparison.runs[0].labels):
        runs = ", ".join(f"'{run.name}'" for run in comparison.runs)
        done.notes.append(f"{left_out} for {runs}: '{data_dir}' has other images than these runs were evaluated on.")
        return None, None
    return dataset, images


def _group_folders(comparisons: Sequence[Comparison], outputs: Path) -> list[Path]:
    """Return a folder for each group: outputs/<dataset>, with -validation where the images are such, numbered where
    that is taken."""
    folders: list[Path] = []
    for comparison in comparisons:
        name = safe_name(comparison.dataset) + ("-validation" if comparison.runs[0].held_out else "")
        folder, number = outputs / name, 1
        while folder in folders or (folder / "run.json").exists():
            number += 1
            folder = outputs / f"{name}-{number}"
        folders.append(folder)
    return folders
