"""Choose a trained run, load its model.onnx and predict with it. Needs onnxruntime and no framework."""

import functools
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.metrics import are_probabilities, wilson_interval
from digits.prediction.memory import Memory, NotBounded
from digits.runs import ENSEMBLE, Run, find_run, find_runs, read_run, read_runs
from digits.runs.onnx_model import INPUT, OUTPUT

TRAIN_FIRST = "train one with 'python download_mnist.py' and then 'python mnist_pytorch.py'"
BATCH = 256  # images at once; fewer of a network so wide that they would take too much memory
LOAD_SECONDS = 20.0
"""A model.onnx that has not answered two images by then is refused: it takes milliseconds, or is an endless loop."""


@dataclass(frozen=True)
class TrainedRun:
    """A run that is ready to predict."""

    name: str
    path: Path
    framework: str
    class_names: tuple[str, ...]
    session: Any  # onnxruntime.InferenceSession; one serves many threads
    memory: Memory
    batch: int = BATCH
    facts: dict[str, Any] = field(default_factory=dict)  # what facts_of says of its training

    def predict(self, images: NDArray[np.uint8], limits: Any = None) -> NDArray[np.float32]:
        """Return the class probabilities, float32 (N, classes), of raw images, uint8 (N, 28, 28).

        UserError where the model gives something else. limits: onnxruntime.RunOptions, which can end the computation.
        """
        probabilities = np.zeros((len(images), len(self.class_names)), np.float32)
        for start in range(0, len(images), self.batch):
            rows = probabilities[start : start + self.batch]
            try:
                self.memory.check(len(rows))
                (found,) = self.session.run([OUTPUT], {INPUT: images[start : start + self.batch]}, limits)
            except NotBounded as error:
                raise UserError(f"model.onnx of '{self.name}' {error}; train it again.") from None
            except Exception as error:  # onnxruntime's exceptions have no common class but this
                fault = f"model.onnx of '{self.name}' fails ({type(error).__name__})"
                raise UserError(f"{fault}; train it again.") from None
            if found.shape != rows.shape or not are_probabilities(found):
                wanted = f"probabilities of {rows.shape[1]} classes"
                raise UserError(f"model.onnx of '{self.name}' does not give {wanted}; train it again.")
            rows[:] = found
        return probabilities


def load_runs(names: Sequence[str], outputs: Path) -> list[TrainedRun]:
    """Return the named runs (names in `outputs`, or folders), ready to predict; the best one if none is named.

    UserError where there is none, one is damaged, or they do not know the same classes.
    """
    loaded = [load_run(read_run(find_run(name, outputs))) for name in names]
    runs = loaded or [load_best(readable_runs(outputs), outputs)]
    for run in runs[1:]:
        if run.class_names != runs[0].class_names:
            raise UserError(f"'{run.name}' knows other classes than '{runs[0].name}'; average runs of one kind only.")
    return runs


def readable_runs(outputs: Path) -> list[Run]:
    """Return the undamaged runs in `outputs` that have a model.onnx; a note on stderr says which are damaged."""
    runs, faults = read_runs(find_runs(outputs))
    for fault in faults:
        _note(f"left out: {fault}")
    return [run for run in runs if (run.path / "model.onnx").is_file()]


def best_run(runs: Sequence[Run], outputs: Path) -> Run:
    """Return the run for digits with the best validation accuracy (test accuracy where it has none).

    By the lower end of the 95 % interval, so that luck on a few hundred validation images does not decide. Runs that
    were trained for photographs (--pens) come first: validation images are not photographs.
    UserError where there is none.
    """
    digits = [run for run in runs if run.class_names == list("0123456789")]
    if not digits:
        raise UserError(f"there is no trained run for digits in '{outputs}'; {TRAIN_FIRST}.")

    def lower_end(run: Run) -> float:
        score = run.info.get("validation") or run.score
        return wilson_interval(round(score["accuracy"] * score["n"]), score["n"])[0]

    return max(digits, key=lambda run: (bool(run.recipe.get("pens")), lower_end(run)))


def load_best(runs: Sequence[Run], outputs: Path) -> TrainedRun:
    """Return the best run whose model.onnx can be used, ready to predict; UserError where there is none."""
    while True:
        best = best_run(runs, outputs)
        try:
            return load_run(best)
        except UserError as error:
            _note(f"left out: {error}")
            runs = [run for run in runs if run is not best]


def load_run(run: Run) -> TrainedRun:
    """Return the run ready to predict; UserError for an ensemble, and for a missing or forged model.onnx."""
    import onnxruntime  # type: ignore[import-untyped]

    limits = onnxruntime.RunOptions()
    loaded: Future[TrainedRun] = Future()

    def attempt() -> None:
        try:
            loaded.set_result(_load(run, limits))
        except BaseException as error:
            loaded.set_exception(error)

    threading.Thread(target=attempt, daemon=True).start()  # a daemon does not keep the process from ending
    try:
        return loaded.result(LOAD_SECONDS)
    except TimeoutError:
        limits.terminate = True  # after the current operation
        fault = f"has not answered two images in {LOAD_SECONDS:g} s"
        raise UserError(f"'{run.path / 'model.onnx'}' {fault}; train '{run.name}' again.") from None


def _load(run: Run, limits: Any) -> TrainedRun:
    """Return the run ready to predict, tested on two images; UserError as in load_run."""
    import onnxruntime

    path = run.path / "model.onnx"
    if run.framework == ENSEMBLE:
        members = ", ".join(member["name"] for member in run.info["members"])
        raise UserError(f"'{run.name}' is an ensemble, which has no network of its own; name its members: {members}.")
    if not path.is_file():
        raise UserError(f"'{path}' is missing; train '{run.name}' again.")
    try:
        memory = Memory(path)
        batch = memory.batch(BATCH)
    except NotBounded as error:
        raise UserError(f"'{path}' {error}; train '{run.name}' again.") from None
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # errors are reported below, in a sentence
    settings.intra_op_num_threads = 1  # photos are read in threads of their own
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common class but this
        fault = f"is not a model that onnxruntime reads ({type(error).__name__})"
        raise UserError(f"'{path}' {fault}; train it again.") from None
    ends = [(value.name, value.type) for value in (*session.get_inputs(), *session.get_outputs())]
    if ends != [(INPUT, "tensor(uint8)"), (OUTPUT, "tensor(float)")]:
        raise UserError(f"'{path}' does not take raw pixels and give probabilities; train '{run.name}' again.")
    loaded = TrainedRun(
        run.name, run.path, run.framework, tuple(run.class_names), session, memory, batch, facts_of(run)
    )
    loaded.predict(np.zeros((2, 28, 28), np.uint8), limits)
    return loaded


def facts_of(run: Run) -> dict[str, Any]:
    """Return what a run was trained on and how: its dataset, the start of its fingerprint, and all settings."""
    return {"dataset": run.dataset, "images": (run.fingerprint or "")[:8], **run.settings}


def average(runs: Sequence[TrainedRun], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean of the runs' probabilities, float32 (N, classes)."""
    probabilities: NDArray[np.float32] = np.mean([run.predict(images) for run in runs], axis=0, dtype=np.float32)
    return probabilities


@functools.cache  # once each, however often the web page looks for runs
def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
