"""Robustness: runs on the images they were evaluated on, under every corruption. A run keeps it in robustness.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, field
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass
from tqdm import tqdm

from mnist_twice.data import Dataset, load_dataset
from mnist_twice.errors import UserError
from mnist_twice.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from mnist_twice.evaluation.tables import as_csv, as_text
from mnist_twice.files import sha256_of, write_whole
from mnist_twice.machine import cores
from mnist_twice.metrics import accuracy_interval
from mnist_twice.names import percent, percent_range, plain
from mnist_twice.prediction import TrainedRun, load_run
from mnist_twice.recipes import Recipe
from mnist_twice.runs import Run
from mnist_twice.training import evaluation_set

FILE, MODEL = "robustness.json", "model.onnx"
SEED = 0
VERSION = 2  # of the corruptions
PUBLISHED = "mnist_c"
"""Folder of MNIST-C's own images in the folder of datasets, as https://zenodo.org/records/3239543 packs it."""


@dataclass(frozen=True)
class Robustness:
    """What one network makes of corrupted images; accuracies are fractions of its images."""

    model_sha256: str  # of the model.onnx that was measured
    seed: int  # of the corruptions
    n: int  # images
    evaluated_on: str  # "test" or "validation" images
    clean: float  # accuracy without corruption
    accuracy: dict[str, tuple[float, float, float, float, float]]  # by corruption, at the strengths 1 to 5
    interval_95: tuple[float, float]  # of the mean: over writers where they are known, else over images
    version: int = 1  # of the corruptions
    mnist_c: dict[str, float] = field(default_factory=dict)  # accuracy on MNIST-C's own images, where they are there

    @property
    def mean(self) -> float:
        """The mean accuracy over all corruptions and strengths."""
        return fmean(accuracy for accuracies in self.accuracy.values() for accuracy in accuracies)

    @property
    def starred_mean(self) -> float:
        """The mean accuracy over all corruptions, each at the one strength that MNIST-C has."""
        return fmean(self.accuracy[name][corruption.published - 1] for name, corruption in CORRUPTIONS.items())

    @property
    def worst(self) -> str:
        """The corruption with the lowest mean accuracy."""
        return min(self.accuracy, key=lambda name: fmean(self.accuracy[name]))


def measure_robustness(runs: Sequence[Run], data_dir: Path) -> list[tuple[Run, Robustness]]:
    """Return what each run makes of corrupted images, and write it into its folder; what is known is not repeated.

    Raises UserError if a run has no model.onnx, or the images that it was evaluated on are not in `data_dir`. Runs on
    the same images see the same corrupted ones. MNIST-C's own images are measured too if `data_dir` has them; a run on
    MNIST's test set that was measured without them is measured again.
    """
    groups: dict[str, list[tuple[Run, TrainedRun]]] = {}
    for run in runs:
        known = read_robustness(run)
        if known is None or (published_images(run, data_dir) and not known.mnist_c):
            seen = json.dumps([run.dataset, run.fingerprint, run.held_out], sort_keys=True)
            groups.setdefault(seen, []).append((run, load_run(run)))  # all faults before the minutes of measuring
    for group in groups.values():
        _, images = images_of(group[0][0], data_dir)
        for (run, _), found in zip(group, _measure(group, images, data_dir), strict=True):
            means = {"mean": found.mean, "starred_mean": found.starred_mean}
            write_whole(run.path / FILE, json.dumps({**asdict(found), **means}, indent=2) + "\n")
    return [(run, one) for run in runs if (one := read_robustness(run)) is not None]


def images_of(run: Run, data_dir: Path) -> tuple[Dataset, NDArray[np.uint8]]:
    """Return the run's dataset, and the images that it was evaluated on; raises UserError if they are missing."""
    dataset = load_dataset(run.dataset, data_dir)
    images, labels, _ = evaluation_set(dataset, Recipe(**run.held_out) if run.held_out else None)
    if dataset.fingerprint != run.fingerprint or not np.array_equal(labels, run.labels):
        raise UserError(f"'{data_dir}' has other images of {run.dataset} than '{run.name}' had; give its --data-dir.")
    return dataset, images


def published_images(run: Run, data_dir: Path) -> Path | None:
    """Return the folder of MNIST-C's own images; None where there is none, or the run is of other images."""
    folder = data_dir / PUBLISHED
    return folder if run.dataset == "mnist" and not run.held_out and folder.is_dir() else None


def read_published(folder: Path, name: str, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return MNIST-C's test images of one corruption, uint8 (N, 28, 28), in the order of MNIST's test set.

    Raises UserError if the folder lacks them or has them in another order: `labels` are those of MNIST's.
    """
    files = [folder / name / f"test_{part}.npy" for part in ("images", "labels")]
    try:
        images, found = map(np.load, files)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"'{folder / name}' is not MNIST-C's ({error}); unpack mnist_c.zip there again.") from None
    if images.shape != (len(labels), 28, 28, 1) or not np.array_equal(found, labels):
        raise UserError(f"'{folder / name}' has other test images than MNIST; unpack mnist_c.zip there again.")
    return np.asarray(np.rint(np.clip(images[..., 0], 0, 255)), np.uint8)


def read_robustness(run: Run) -> Robustness | None:
    """Return what was measured of the run; None where nothing was, or of another network or by other corruptions.

    Raises UserError if the file is damaged.
    """
    path = run.path / FILE
    if not path.exists():
        return None
    try:
        found = TypeAdapter(Robustness).validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise UserError(f"'{path}' is damaged; delete it, then measure again with --robustness '{run.name}'.") from None
    current = found.version == VERSION and found.model_sha256 == sha256_of(run.path / MODEL)
    return found if current else None


def robustness_as_csv(measured: Sequence[tuple[Run, Robustness]]) -> str:
    """Return a table with a line for each run, corruption and strength; 0 is the strength of the clean images.

    MNIST-C's own images have no number as their strength, but "MNIST-C"; `starred` is 1 at the same strength of ours.
    """
    lines: list[list[object]] = []
    for run, one in measured:
        about = one.n, one.evaluated_on
        lines.append([run.name, "none", 0, one.clean, *about, 0])
        for name, row in one.accuracy.items():
            starred = CORRUPTIONS[name].published
            lines += [[run.name, name, at, value, *about, int(at == starred)] for at, value in enumerate(row, 1)]
        lines += [[run.name, name, "MNIST-C", accuracy, *about, 0] for name, accuracy in one.mnist_c.items()]
    return as_csv(["run", "corruption", "strength", "accuracy", "n", "evaluated_on", "starred"], lines)


def robustness_as_text(measured: Sequence[tuple[Run, Robustness]]) -> str:
    """Return a table for a terminal, the most robust run first."""
    lines = [["run", "clean", "corrupted", "95 % interval", "starred", "MNIST-C", "worst corruption", ""]]
    for run, one in sorted(measured, key=lambda pair: -pair[1].mean):
        worst = fmean(one.accuracy[one.worst])
        numbers = [percent(one.clean), percent(one.mean), percent_range(one.interval_95), percent(one.starred_mean)]
        numbers.append(percent(fmean(one.mnist_c.values())) if one.mnist_c else "-")
        lines.append([plain(run.name), *numbers, one.worst.replace("_", " "), percent(worst)])
    return as_text(lines)


def _measure(
    group: Sequence[tuple[Run, TrainedRun]], images: NDArray[np.uint8], data_dir: Path
) -> Iterator[Robustness]:
    """Yield what each run of the group makes of the images, and of MNIST-C's where `data_dir` has them."""
    labels, published = group[0][0].labels, published_images(group[0][0], data_dir)
    theirs = {name: read_published(published, name, labels) for name in CORRUPTIONS} if published else {}

    def right(changed: NDArray[np.uint8]) -> list[NDArray[np.bool_]]:
        """Return for each run which images it classifies correctly."""
        return list(pool.map(lambda one: one[1].predict(changed).argmax(axis=1) == one[0].labels, group))

    with ThreadPoolExecutor(cores()) as pool:  # onnxruntime lets go of Python while it computes
        clean = right(images)
        steps = tqdm([(name, strength) for name in CORRUPTIONS for strength in STRENGTHS], "corruptions", disable=None)
        scores = {name: right(changed) for name, changed in theirs.items()}
        corrupted = np.array([right(corrupt(images, name, strength, SEED)) for name, strength in steps])
    for number, (run, _) in enumerate(group):
        results = corrupted[:, number]  # (corruptions and strengths, images)
        accuracy = dict(zip(CORRUPTIONS, results.mean(axis=1).reshape(-1, len(STRENGTHS)).tolist(), strict=True))
        alone = np.stack([np.arange(len(images)), np.zeros(len(images), int)], axis=1)
        # An image is there once for each corruption and strength, and all of these are of one writer.
        writers = np.tile(alone if run.writers is None else run.writers, (len(results), 1))
        interval = accuracy_interval(results.ravel(), writers)
        what = (sha256_of(run.path / MODEL), SEED, len(images), run.evaluated_on)
        on_theirs = {name: float(score[number].mean()) for name, score in scores.items()}
        yield Robustness(*what, float(clean[number].mean()), accuracy, interval, VERSION, on_theirs)
