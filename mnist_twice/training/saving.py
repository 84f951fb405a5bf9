"""The run that a training writes: where it goes, and all of its files that need no framework."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_twice.data import Dataset
from mnist_twice.errors import when_interrupted
from mnist_twice.machine import hardware, source, versions
from mnist_twice.names import command_text, few
from mnist_twice.recipes import Options, command_words, recipe_record, run_path
from mnist_twice.recipes.naming import check_replaceable, start_name
from mnist_twice.runs import (
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
from mnist_twice.training.batches import evaluation_set, split_dataset
from mnist_twice.training.checkpoint import Checkpoint
from mnist_twice.training.network_hash import network_code
from mnist_twice.training.progress import EventLog, Progress
from mnist_twice.training.schedule import best_epoch
from mnist_twice.training.weights import network_config
from mnist_twice.training.workers import ALONE, Workers


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

        Of several workers, the first writes. Raises UserError if the run cannot be written, would replace one of
        another recipe or network, or has no images to evaluate.
        """
        self.options, self.dataset, self.framework = options, dataset, framework
        self.started, self.workers = started, workers
        # What the trained network is evaluated on.
        held_out = options.recipe if options.evaluate_on == "validation" else None
        self.images, self.labels, self.writers = evaluation_set(dataset, held_out)
        self.config = network_config(options, len(dataset.class_names), framework)
        self.versions, self.network_code = versions(packages), network_code(options.recipe.model, framework)
        self.source = source()  # now: somebody may change the code while the training runs
        self.path = run_path(options, framework)
        facts = {"dataset_fingerprint": dataset.fingerprint, "versions": self.versions}
        self.checkpoint = Checkpoint(self.path, options, facts | {"network_code": self.network_code}, workers)
        if workers.rank == 0:
            check_writable(self.path)
            check_replaceable(self.path, options, framework, self.network_code)
            resumed = self.checkpoint.resume and self.checkpoint.path.exists()
            if options.resume and not resumed:
                others = [path.name for path in sorted(self.path.parent.glob(".*.checkpoint"))]
                beside = f", but {few(others, 'other checkpoint')}" if others else ""
                print(
                    f"note: --resume: '{self.path.parent}' has no checkpoint of this training{beside}; training starts "
                    "at epoch 1. (A finished run has none; --init-from starts from its weights.)"
                )
            when_interrupted(self.checkpoint.when_interrupted)
            if options.log_dir:
                self.checkpoint.log = EventLog(options.log_dir / self.path.name, resumed)

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield an empty folder that becomes the run when the block ends cleanly; the checkpoint is then deleted."""
        with writing_run(self.path) as folder:
            yield folder
        self.checkpoint.delete()

    def write_results(
        self,
        folder: Path,
        device: dict[str, str | int],
        parameters: tuple[int, int],
        progress: Progress,
        probabilities: NDArray[np.float32],
    ) -> str:
        """Write the run's arrays, history.csv and run.json into `folder`; return a sentence on the outcome.

        device: what run.json says of it; parameters: how many are trainable, and how many not; probabilities: of
        self.images, (N, classes).
        """
        options, recipe, dataset, history = self.options, self.options.recipe, self.dataset, progress.history
        labels = self.labels.astype(np.int64)
        score = score_of(labels, probabilities, self.writers)
        on_test = options.evaluate_on == "test"
        validation: Score | None = None  # after the epoch that was kept
        if history and (n := len(split_dataset(dataset, recipe)[1])):
            kept = history[best_epoch(history) - 1 if recipe.keep_best else -1]
            validation = {"n": n, "accuracy": kept["validation_accuracy"], "loss": kept["validation_loss"]}
        fraction = recipe.validation_fraction
        held_out: HeldOut = {"validation_fraction": fraction, "split": recipe.split, "seed": recipe.seed}
        training_seconds = sum(row["seconds"] for row in history)
        images = sum(row["images_per_second"] * row["seconds"] for row in history)
        seconds = self.checkpoint.seconds + time.perf_counter() - self.started
        info: RunInfo = {
            "format": FORMAT,
            "name": self.path.name,
            "dataset": dataset.name,
            "dataset_fingerprint": dataset.fingerprint,
            "class_names": list(dataset.class_names),
            "preprocessing": dataset.preprocessing,
            "model": recipe.model,
            "framework": self.framework,
            "seed": recipe.seed,
            "recipe": recipe_record(recipe),
            "network_code": self.network_code,
            "init_from": start_name(options),
            "new_head": options.new_head,
            "freeze_features": options.freeze_features,
            "command": command_text(command_words(f"mnist_{self.framework}.py", options)),
            "versions": self.versions,
            "source": self.source,
            "hardware": {**device, **hardware()},
            "workers": self.workers.count,
            "parameters": dict(zip(("trainable", "non_trainable"), parameters, strict=True)),
            "seconds": {"training": round(training_seconds, 3), "total": round(seconds, 3)},
            "images_per_second": round(images / max(training_seconds, 1e-9), 1),
            "evaluated_on": options.evaluate_on,
            "held_out": None if on_test else held_out,
            "validation": validation if on_test else score,
            "test": score if on_test else None,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if peak := peak_memory():
            info["peak_memory_mb"] = round(peak / 1e6)
        write_run_files(
            folder, probabilities=probabilities, labels=labels, history=history, info=info, writers=self.writers
        )
        np.save(folder / LOSSES, np.array(progress.losses, np.float64))
        n, share = score["n"], score["accuracy"]
        low, high = score.get("writer_interval_95", score["interval_95"])
        over = "" if self.writers is None else " over writers"
        correct = f"{round(share * n):,} of {n:,}; 95 % interval{over} {low:.2%} to {high:.2%}"
        return (
            f"{options.evaluate_on} accuracy {share:.2%} ({correct}), training {training_seconds:.1f} s, "
            f"{seconds:.1f} s in total"
        )


def peak_memory() -> int | None:
    """Return the most memory that this process has had resident, in bytes; None where the system does not say."""
    with suppress(OSError, StopIteration), open("/proc/self/status", errors="replace") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))
    with suppress(ImportError):  # Windows has no such module; on Linux it would count the parent's memory too
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return None
