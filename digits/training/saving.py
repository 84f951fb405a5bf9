"""The run that a training writes: where it goes, and all of its files that need no framework."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data import Dataset
from digits.errors import when_interrupted
from digits.files import write_npy
from digits.machine import hardware, source, versions
from digits.recipes.naming import check_replaceable, finished_before, run_path, start_name
from digits.recipes.options import Options, command_line
from digits.recipes.recipe import recipe_record
from digits.runs import (
    FORMAT,
    LOSSES,
    HeldOut,
    RunInfo,
    Score,
    check_writable,
    score_of,
    write_run_files,
    writing_run,
)
from digits.training.batches import evaluation_set, split_dataset
from digits.training.checkpoint import Checkpoint
from digits.training.event_log import EventLog, event_folder
from digits.training.memory import peak_memory
from digits.training.network_hash import network_code
from digits.training.progress import Progress
from digits.training.schedule import kept_epoch
from digits.training.weights import network_config
from digits.training.workers import ALONE, Workers


class NewRun:
    """The run that a training is to write: its place is checked before the training, its files are written after it."""

    def __init__(
        self,
        options: Options,
        dataset: Dataset,
        framework: str,
        packages: Iterable[str],
        started: float,
        workers: Workers = ALONE,
    ) -> None:
        """`packages` are those whose versions decide the numbers; `started` is the time.perf_counter() of the start.

        Of several workers, the first writes. UserError where the run cannot be written, would replace one of another
        recipe or network, or has no images to evaluate.
        """
        self.options, self.dataset, self.framework, self.started = options, dataset, framework, started
        recipe, on_validation = options.recipe, options.evaluate_on == "validation"
        self.held_out: HeldOut | None = None
        if on_validation:
            self.held_out = {
                "validation_fraction": recipe.validation_fraction,
                "split": recipe.split,
                "seed": recipe.seed,
            }
        # What the trained network is evaluated on.
        self.images, labels, self.writers = evaluation_set(dataset, recipe if on_validation else None)
        self.labels = labels.astype(np.int64)
        self.config = network_config(options, len(dataset.class_names), framework)
        self.versions = versions(packages)
        self.source = source()  # now: somebody may change the code while the training runs
        self.workers = workers
        self.network_code = network_code(recipe.model, framework)
        self.path = run_path(options, framework)
        self.checkpoint = Checkpoint(self.path, options, dataset, self.versions, workers)
        self.checkpoint.about["network_code"] = self.network_code
        if workers.rank == 0:
            check_writable(self.path)
            check_replaceable(self.path, options, framework, self.network_code)
            resumable = self.checkpoint.path.exists()
            if options.resume and not resumable:
                why = finished_before(self.path, options, framework) or self.checkpoint.why_not_resumed()
                print(f"note: --resume: {why}; training starts at epoch 1.")
            when_interrupted(self.checkpoint.when_interrupted)
            if folder := event_folder(options, self.path, self.checkpoint.resume and resumable):
                self.checkpoint.log = EventLog(folder)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield an empty folder that becomes the run when the block ends cleanly; the checkpoint is then deleted."""
        with writing_run(self.path) as folder:
            yield folder
        self.checkpoint.delete()

    def write_results(
        self,
        folder: Path,
        device: str,
        parameters: tuple[int, int],
        progress: Progress,
        probabilities: NDArray[np.float32],
    ) -> str:
        """Write the run's arrays, history.csv and run.json into `folder`; return a sentence on the outcome.

        parameters: how many are trainable, and how many not; probabilities: of self.images, (N, classes).
        """
        recipe, dataset, history = self.options.recipe, self.dataset, progress.history
        score = score_of(self.labels, probabilities, self.writers)
        n, share = score["n"], score["accuracy"]
        low, high = score.get("writer_interval_95", score["interval_95"])
        over = "" if self.writers is None else " over writers"
        training_seconds = sum(row["seconds"] for row in history)
        seconds = self.checkpoint.seconds + time.perf_counter() - self.started
        info: RunInfo = {
            "format": FORMAT,
            "name": self.path.name,
            "dataset": dataset.name,
            "dataset_fingerprint": dataset.fingerprint,
            "class_names": list(dataset.class_names),
            "model": recipe.model,
            "framework": self.framework,
            "seed": recipe.seed,
            "recipe": recipe_record(recipe),
            "network_code": self.network_code,
            "init_from": start_name(self.options),
            "new_head": self.options.new_head,
            "freeze_features": self.options.freeze_features,
            "command": command_line(f"mnist_{self.framework}.py", self.options),
            "versions": self.versions,
            "source": self.source,
            "hardware": hardware(device),
            "workers": self.workers.count,
            "parameters": dict(zip(("trainable", "non_trainable"), parameters, strict=True)),
            "seconds": {"training": round(training_seconds, 3), "total": round(seconds, 3)},
            "images_per_second": round(
                sum(row["images_per_second"] * row["seconds"] for row in history) / max(training_seconds, 1e-9), 1
            ),
            "evaluated_on": self.options.evaluate_on,
            "held_out": self.held_out,
            "validation": score if self.held_out else self._validation(history),
            "test": None if self.held_out else score,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if peak := peak_memory():
            info["peak_memory_mb"] = round(peak / 1e6)
        write_run_files(
            folder,
            probabilities=probabilities,
            labels=self.labels,
            history=history,
            info=info,
            writers=self.writers,
        )
        write_npy(folder / LOSSES, np.array(progress.losses, np.float64))
        correct = f"{round(share * n):,} of {n:,}; 95 % interval{over} {low:.2%} to {high:.2%}"
        return (
            f"{self.options.evaluate_on} accuracy {share:.2%} ({correct}), training {training_seconds:.1f} s, in all "
            f"{seconds:.1f} s"
        )

    def _validation(self, history: list[dict[str, float]]) -> Score | None:
        """Return the score on the held-out images after the epoch that was kept; None where there were none."""
        recipe = self.options.recipe
        n = len(split_dataset(self.dataset, recipe)[1])
        if not (n and history):
            return None
        kept = kept_epoch(history, recipe.keep_best)
        return {"n": n, "accuracy": kept["validation_accuracy"], "loss": kept["validation_loss"]}
