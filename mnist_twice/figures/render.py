"""From runs to files: every figure rendered or found unchanged, report.json of each run, tables of each dataset."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from mnist_twice.data import Dataset
from mnist_twice.errors import UserError
from mnist_twice.evaluation import Comparison, Evaluation, compare_runs
from mnist_twice.evaluation.robustness import Robustness, images_of, read_robustness, robustness_as_csv
from mnist_twice.evaluation.tables import recipes_as_csv, runs_as_csv
from mnist_twice.figures import registry
from mnist_twice.figures.image_grid import Images
from mnist_twice.figures.page import PagePart, is_current, part_of, read_part, save_figure, save_part
from mnist_twice.figures.style import NARROW, WIDE
from mnist_twice.figures.text import class_labels, note_on_labels
from mnist_twice.files import write_whole
from mnist_twice.names import safe_name
from mnist_twice.runs import Run


@dataclass(frozen=True)
class Group:
    """The runs on one dataset, with all figures of them."""

    comparison: Comparison
    evaluations: list[Evaluation]
    comparison_figures: list[PagePart]  # of several runs, and of those measured on corrupted images
    pair_figures: list[list[PagePart]]  # of each pair
    confusions: list[PagePart]  # of all runs side by side
    dataset_figures: list[PagePart]
    run_figures: list[list[PagePart]]  # of each evaluated run


@dataclass
class Rendering:
    """What render_all is asked to do, what it has done, and what it could not do."""

    only: Collection[str]  # names of figures, and 'report' where a page will show them
    formats: Sequence[str]  # of each; PNG first where a page will show them
    groups: list[Group] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)  # of figures, in all formats
    names: set[str] = field(default_factory=set)  # of these, as in --only
    new: int = 0  # of these, rendered now
    notes: list[str] = field(default_factory=list)  # what was left out for a good reason
    faults: list[str] = field(default_factory=list)

    def cannot_write(self, path: Path, error: OSError) -> None:
        self.faults.append(f"cannot write '{path}' ({error.strerror or error}); make room there, then run this again.")

    def write(self, path: Path, text: str, make_folder: bool = True) -> None:
        """Write a file; where that fails, note it as a fault."""
        try:
            write_whole(path, text, make_folder)
        except OSError as error:
            self.cannot_write(path, error)

    def render(self, given: Sequence[registry.FigureSpec], make_folder: bool = True) -> list[PagePart]:
        """Render the figures of one folder whose files are not current; return those that a page can show then."""
        rendered = []
        for spec in tqdm([one for one in given if one.name in self.only], "figures", leave=False, disable=None):
            paths = [spec.path.with_name(f"{spec.path.name}.{ending}") for ending in self.formats]
            stale = [path for path in paths if not is_current(path, spec.key)]
            in_page = "report" in self.only
            lacks_part = in_page and not is_current(part_of(paths[0]), spec.key)
            try:
                if stale or lacks_part:
                    figure = spec.plot(WIDE)
                    if figure is None:
                        continue
                    for path in stale:
                        save_figure(figure, path, spec.key, make_folder)
                        self.new += 1
                    if lacks_part and (narrow := spec.plot(NARROW)):
                        save_part(paths[0], spec.key, figure, narrow)
                rendered += [read_part(paths[0])] if in_page else []
            except OSError as error:
                self.cannot_write(paths[0], error)
            except Exception as error:  # numbers that no training gives; one figure is not to cost the others
                self.faults.append(f"'{paths[0]}' cannot be rendered ({type(error).__name__}: {error}).")
            else:
                self.files += paths
                self.names.add(spec.name)
        return rendered


def render_all(
    evaluations: Sequence[Evaluation],
    outputs: Path,
    data_dir: Path,
    *,
    only: Collection[str],
    formats: Sequence[str],
    chosen: tuple[Run, Run] | None = None,
    shared: Path | None = None,
) -> Rendering:
    """Render the figures named in `only` of the evaluated runs, each in every format; write report.json and the tables.

    A run's files go into its folder, a dataset's into outputs/<dataset>/, those of several runs together too, but in
    the folder `shared` in place of `outputs` where it is given. What cannot be written or rendered is a fault, and does
    not keep the rest from being made. only, formats: as of Rendering; chosen: as of compare_runs.
    """
    done, shared = Rendering(only, formats), shared or outputs
    render, write = done.render, done.write
    comparisons = compare_runs([one.run for one in evaluations], chosen)
    by_run = {id(one.run): one for one in evaluations}
    shown: set[str | None] = set()  # datasets whose own figures an earlier group has
    folders, dataset_folders = (_group_folders(comparisons, one) for one in (shared, outputs))
    for comparison, folder, dataset_folder in zip(comparisons, folders, dataset_folders, strict=True):
        runs, members = comparison.runs, [by_run[id(run)] for run in comparison.runs]
        dataset, images = _find_dataset(runs[0], data_dir, done)
        has_images = images is not None
        # No folder is made for a run that was deleted meanwhile: a training of its name would be refused that place.
        run_figures = [
            render(registry.specs(registry.OF_RUN, one.run.path, [one.run, has_images], one, images), make_folder=False)
            for one in members
        ]
        for one in members:
            write(one.run.path / "report.json", json.dumps(one.as_json(), indent=2) + "\n", make_folder=False)
        comparison_figures = render(registry.specs(registry.OF_RUNS, folder, runs, members))
        if len(members) > 1:
            ordered = sorted(members, key=lambda one: -one.accuracy)
            write(folder / "comparison.csv", runs_as_csv(ordered))
            write(folder / "recipes.csv", recipes_as_csv(comparison.recipes))
        if measured := _read_robustness(runs, done):
            inputs: list[object] = [has_images, *(part for pair in measured for part in pair)]
            comparison_figures += render(registry.specs(registry.OF_MEASURED, folder, inputs, measured, images))
            write(folder / "robustness.csv", robustness_as_csv(measured))
        confusions = render(registry.specs(registry.SIDE_BY_SIDE, folder, runs, members))
        pair_figures = [render(one) for one in registry.figures_of_pairs(comparison, images, folder)]
        dataset_figures: list[PagePart] = []
        if dataset and dataset.fingerprint not in shown:
            inputs = [dataset.name, dataset.fingerprint, *class_labels(dataset.class_names)]
            changed = any(one.run.recipe.get(key) for one in evaluations for key in ("augment", "pens"))
            plots = {name: plot for name, plot in registry.OF_DATASET.items() if changed or name != "augmentation"}
            dataset_figures = render(registry.specs(plots, dataset_folder, inputs, dataset))
        shown.add(comparison.fingerprint)
        figures = (comparison_figures, pair_figures, confusions, dataset_figures, run_figures)
        done.groups.append(Group(comparison, members, *figures))
    if len({one.run.dataset for one in evaluations}) == 1:  # errors on unlike datasets are not to be compared
        render(registry.specs(registry.SIDE_BY_SIDE, shared, [one.run for one in evaluations], evaluations))
    notes = (note_on_labels(one.run.class_names) for one in evaluations)
    done.notes += dict.fromkeys(note for note in notes if note)
    return done


def _read_robustness(runs: Sequence[Run], done: Rendering) -> list[tuple[Run, Robustness]]:
    """Return the runs that were measured on corrupted images; a damaged file is a fault."""
    measured = []
    for run in runs:
        try:
            if (one := read_robustness(run)) is not None:
                measured.append((run, one))
        except UserError as error:
            done.faults.append(str(error))
    return measured


def _find_dataset(run: Run, data_dir: Path, done: Rendering) -> tuple[Dataset, Images] | tuple[None, None]:
    """Return the run's dataset and the images that it was evaluated on; Nones and a note where these are not there."""
    try:
        return images_of(run, data_dir)
    except UserError as error:
        if (note := f"the figures that show images of {run.dataset} are left out: {error}") not in done.notes:
            done.notes.append(note)  # several groups may miss the same dataset
        return None, None


def _group_folders(comparisons: Sequence[Comparison], outputs: Path) -> list[Path]:
    """Return a folder for each group: outputs/<dataset>, with -validation where the images are such, numbered."""
    folders: list[Path] = []
    for comparison in comparisons:
        name = safe_name(comparison.dataset) + ("-validation" if comparison.runs[0].held_out else "")
        folder, number = outputs / name, 1
        while folder in folders:
            number += 1
            folder = outputs / f"{name}-{number}"
        folders.append(folder)
    return folders
