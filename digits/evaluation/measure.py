"""Runs on corrupted images: each network classifies the images it was evaluated on, after every corruption."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.data import load_dataset
from digits.errors import UserError
from digits.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from digits.evaluation.robustness import Robustness, model_sha256, read_robustness, write_robustness
from digits.machine import cores
from digits.metrics import accuracy_interval
from digits.prediction import TrainedRun, load_run
from digits.recipes import Recipe
from digits.runs import Run
from digits.training import evaluation_set

SEED = 0


def measure_robustness(runs: Sequence[Run], data_dir: Path) -> list[tuple[Run, Robustness]]:
    """Return what each run makes of corrupted images, and write it into its folder; what is known is not repeated.

    UserError where a run has no model.onnx, or the images that it was evaluated on are not in `data_dir`. All runs with
    the same images see the same corrupted ones.
    """
    found = {run.path: read_robustness(run) for run in runs}
    groups: dict[str, list[tuple[Run, TrainedRun]]] = {}
    for run in runs:
        if found[run.path] is None:
            seen = json.dumps([run.dataset, run.fingerprint, run.held_out], sort_keys=True)
            groups.setdefault(seen, []).append((run, load_run(run)))  # all faults before the minutes of measuring
    with tqdm(
        total=sum(len(group) for group in groups.values()) * len(CORRUPTIONS) * len(STRENGTHS), disable=None
    ) as bar:
        for group in groups.values():
            images = _images_of(group[0][0], data_dir)
            right = _classify(group, images, bar)
            for (run, _), answers in zip(group, right, strict=True):
                write_robustness(run, _summary(run, answers))
    return [(run, one) for run in runs if (one := read_robustness(run)) is not None]


def _images_of(run: Run, data_dir: Path) -> NDArray[np.uint8]:
    """Return the images that the run was evaluated on."""
    dataset = load_dataset(run.dataset, data_dir)
    images, labels, _ = evaluation_set(dataset, Recipe(**run.held_out) if run.held_out else None)
    if dataset.fingerprint != run.fingerprint or not np.array_equal(labels, run.labels):
        raise UserError(f"'{data_dir}' has other images of {run.dataset} than those '{run.name}' was evaluated on.")
    return images


def _classify(
    group: Sequence[tuple[Run, TrainedRun]], images: NDArray[np.uint8], bar: tqdm[NoReturn]
) -> list[list[NDArray[np.bool_]]]:
    """Return for each run which images it classifies correctly: without corruption, then in the order of CORRUPTIONS,
    from the weakest to the strongest."""
    right: list[list[NDArray[np.bool_]]] = [[] for _ in group]

    def answer(number: int, changed: NDArray[np.uint8]) -> None:
        run, trained = group[number]
        right[number].append(trained.predict(changed).argmax(axis=1) == run.labels)

    with ThreadPoolExecutor(cores()) as pool:  # onnxruntime lets go of Python while it computes
        list(pool.map(answer, range(len(group)), [images] * len(group)))
        for name in CORRUPTIONS:
            for strength in STRENGTHS:
                bar.set_description(f"{name.replace('_', ' ')} {strength}")
                changed = corrupt(images, name, strength, SEED)
                list(pool.map(answer, range(len(group)), [changed] * len(group)))
                bar.update(len(group))
    return right


def _summary(run: Run, right: Sequence[NDArray[np.bool_]]) -> Robustness:
    clean, *corrupted = right
    means = [float(one.mean()) for one in corrupted]
    accuracy = {name: tuple(means[i * len(STRENGTHS) :][: len(STRENGTHS)]) for i, name in enumerate(CORRUPTIONS)}
    writers = run.writer_numbers
    groups = np.arange(len(clean)) if writers is None else writers
    # An image is there once for each corruption and strength, and all of these are of one group.
    interval = accuracy_interval(np.concatenate(corrupted), np.tile(groups, len(corrupted)))
    return Robustness(
        model_sha256(run) or "", SEED, len(clean), run.evaluated_on, float(clean.mean()), accuracy, interval
    )
