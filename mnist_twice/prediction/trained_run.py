"""Choose trained runs, load their model.onnx and predict with it. Needs onnxruntime and no framework."""

import functools
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_twice.errors import UserError
from mnist_twice.files import read_bytes
from mnist_twice.metrics import are_probabilities, wilson_interval
from mnist_twice.names import DIGITS, FRAMEWORKS, few
from mnist_twice.runs import ENSEMBLE, Run, find_run, find_runs, read_run, read_runs
from mnist_twice.runs.onnx_model import INPUT, OUTPUT
from mnist_twice.runs.run import TEN

TRAIN_FIRST = "train one with 'python download_mnist.py' and then 'python mnist_pytorch.py'"
BATCH = 256  # images at once; fewer of a network so wide that they would take too much memory
MOST_MEMORY = 1 << 30
"""Bytes of a model.onnx at most, and of what onnxruntime takes for all runs together: 32 kB can ask for 8 GB."""
NETWORK = ("dataset", "images", "model", "filters", "dense")
"""Runs that are equal in these have the same network and data; perhaps with another recipe."""


@dataclass
class TrainedRun:
    """A run that is ready to predict."""

    name: str
    path: Path
    framework: str
    class_names: tuple[str, ...]
    session: Any  # onnxruntime.InferenceSession; one serves many threads
    preprocessing: str = DIGITS
    facts: dict[str, Any] = field(default_factory=dict)  # what facts_of says of its training
    batch: int = BATCH
    outputs: int = 0  # with --non-digits one more than there are classes, else as many

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, the run is loaded there, once."""
        return _load, (self.path,)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities, float32 (N, classes), of raw images, uint8 (N, 28, 28); raises UserError for others."""
        probabilities = self._compute(images)
        if self.outputs == len(self.class_names):
            return probabilities
        of_classes = probabilities[:, :-1] + np.float32(1e-30)
        return np.asarray(of_classes / of_classes.sum(axis=1, keepdims=True))

    def predict_pieces(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the same and, last, the probability that an image is no digit, float32 (N, classes + 1): 0 where the
        network was trained without --non-digits."""
        return np.pad(self._compute(images), ((0, 0), (0, len(self.class_names) + 1 - self.outputs)))

    def _compute(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the network gives, float32 (N, outputs)."""
        probabilities = np.zeros((len(images), self.outputs), np.float32)
        start = 0
        while start < len(images):
            rows = probabilities[start : start + self.batch]
            try:
                (found,) = self.session.run([OUTPUT], {INPUT: images[start : start + self.batch]})
            except Exception as error:  # onnxruntime's exceptions have no common class but this
                if len(rows) == 1:
                    raise _refusal(self.path, error) from None
                self.batch = len(rows) // 2  # perhaps they take more memory than is allowed
                continue
            if found.shape != rows.shape or not are_probabilities(found):
                raise _refusal(self.path, f"does not return probabilities of {len(self.class_names)} classes")
            rows[:] = found
            start += len(rows)
        return probabilities


def load_run(run: Run) -> TrainedRun:
    """Return the run, tested on two images; raises UserError if it is an ensemble, or has no valid model.onnx."""
    if run.framework == ENSEMBLE:
        members = ", ".join(member["name"] for member in run.info["members"])
        raise UserError(f"'{run.name}' is an ensemble, which has no network of its own; name its members: {members}.")
    classes = tuple(run.class_names)
    session = _open(run.path)
    outputs = len(classes) + (session.get_outputs()[0].shape[-1:] == [len(classes) + 1])
    facts = (run.preprocessing, facts_of(run))
    loaded = TrainedRun(run.name, run.path, run.framework, classes, session, *facts, outputs=outputs)
    loaded.predict(np.zeros((2, 28, 28), np.uint8))
    return loaded


def _open(run: Path) -> Any:
    """Return an onnxruntime.InferenceSession of the run's network, which takes no more memory than MOST_MEMORY."""
    import onnxruntime  # type: ignore[import-untyped]

    if not (run / "model.onnx").is_file():
        raise _refusal(run, "is missing")
    data = bytes(read_bytes(run / "model.onnx", MOST_MEMORY))
    _check(data, run)
    _bound_memory()
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # errors are reported below, in a sentence
    settings.intra_op_num_threads = 1  # photos are read in threads of their own
    settings.add_session_config_entry("session.use_env_allocators", "1")  # those of _bound_memory
    # Where onnxruntime computes constants when it opens the file, it takes other memory.
    off, cpu = ["ConstantFolding"], ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(data, settings, providers=cpu, disabled_optimizers=off)
    except Exception as error:  # onnxruntime's exceptions have no common class but this
        raise _refusal(run, error) from None
    ends = [(value.name, value.type, *value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())]
    if ends[:1] != [(INPUT, "tensor(uint8)", 28, 28)] or [end[:2] for end in ends[1:]] != [(OUTPUT, "tensor(float)")]:
        raise _refusal(run, "does not take images of 28x28 raw pixels and return probabilities")
    return session


def _check(data: bytes, run: Path) -> None:
    """Refuse what takes memory that onnxruntime does not count, texts and sparse numbers, and graphs that hide them."""
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's exceptions have no common class but this
        raise _refusal(run, f"cannot be read by onnx ({type(error).__name__})") from None
    kinds, text = onnx.AttributeProto, onnx.TensorProto.STRING
    plain = (kinds.FLOAT, kinds.FLOATS, kinds.INT, kinds.INTS, kinds.STRING, kinds.TENSOR)
    attributes = [one for node in model.graph.node for one in node.attribute]
    if (
        model.functions
        or model.graph.sparse_initializer
        or any(node.domain not in ("", "ai.onnx") for node in model.graph.node)
        or any(one.type not in plain or one.name == "value_string" for one in attributes)
        or any((one.name, one.i) == ("to", text) for one in attributes)
        or any(one.data_type == text for one in (*model.graph.initializer, *(one.t for one in attributes)))
    ):
        raise _refusal(run, "has operations whose memory use is not known in advance")


@functools.cache
def _load(path: Path) -> TrainedRun:
    return load_run(read_run(path))


@functools.cache
def _bound_memory() -> None:
    """Have the sessions of this process that use its common allocator take MOST_MEMORY together."""
    import onnxruntime

    kind, memory = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    limits = onnxruntime.OrtArenaCfg({"max_mem": MOST_MEMORY, "arena_extend_strategy": 1})  # 1: as much as is asked for
    onnxruntime.create_and_register_allocator(onnxruntime.OrtMemoryInfo("Cpu", kind, 0, memory), limits)


def _refusal(run: Path, why: str | Exception) -> UserError:
    if isinstance(why, Exception):
        too_much = f"needs more than the {MOST_MEMORY / 1e6:,.0f} MB of memory allowed"
        other = f"cannot be run by onnxruntime ({type(why).__name__})"
        why = too_much if "Available memory" in str(why) else other
    return UserError(f"'{run / 'model.onnx'}' {why}; train it again.")


def load_runs(names: Sequence[str], outputs: Path) -> list[TrainedRun]:
    """Return the named runs (names in `outputs`, or folders), ready to predict; the best one if none is named.

    Raises UserError if there is none, one is damaged, or they do not know the same classes or take other pictures.
    """
    loaded = [load_run(read_run(find_run(name, outputs))) for name in names]
    runs = loaded or [load_best(readable_runs(outputs), outputs)]
    for run in runs[1:]:
        if (run.class_names, run.preprocessing) != (runs[0].class_names, runs[0].preprocessing):
            apart = f"'{run.name}' and '{runs[0].name}' differ in their classes, or in how pictures are prepared"
            raise UserError(f"{apart}; only runs of one kind can be averaged.")
    return runs


def readable_runs(outputs: Path) -> list[Run]:
    """Return the undamaged runs in `outputs` that have a model.onnx; a note on stderr says which are damaged."""
    runs, faults = read_runs(find_runs(outputs))
    for fault in faults:
        _note(f"left out: {fault}")
    return [run for run in runs if (run.path / "model.onnx").is_file()]


def load_best(runs: Sequence[Run], outputs: Path) -> TrainedRun:
    """Return the best run for digits whose model.onnx can be used, ready to use; raises UserError if there is none."""
    for run in sorted(filter(reads_digits, runs), key=quality, reverse=True):
        try:
            return load_run(run)
        except UserError as error:
            _note(f"left out: {error}")
    others = f" ('{outputs}' has {few([run.name for run in runs], 'other run')})" if runs else f" in '{outputs}'"
    raise UserError(f"there is no trained run for photographs of digits{others}; {TRAIN_FIRST}.")


def reads_digits(run: Run) -> bool:
    """Return whether the run is for photographs of the digits 0 to 9."""
    return run.class_names == TEN and run.preprocessing == DIGITS


def quality(run: Run) -> tuple[bool, bool, float]:
    """Return what runs are ranked by: trained for photographs or not (--pens, then --non-digits), then the lower end of
    the 95 % interval of the validation accuracy (test accuracy where there is none), so that luck on few images does
    not decide."""
    score = run.info.get("validation") or run.score
    low, _ = wilson_interval(round(score["accuracy"] * score["n"]), score["n"])
    return bool(run.recipe.get("pens")), bool(run.recipe.get("non_digits")), low


def load_pair(runs: Sequence[Run], outputs: Path) -> list[TrainedRun]:
    """Return a run of each framework, ready to predict, to be shown side by side: the best for digits that have a twin.

    Twins are equal in data and all options but the seed, or, where no such are, in data and network. Where none are,
    the best run of each framework; of one framework alone, or nothing, where there are no more.
    """
    rest = [run for run in runs if run.framework in FRAMEWORKS and reads_digits(run)]

    def order(pair: tuple[Run, ...]) -> tuple[Any, ...]:
        first, second = ({**facts_of(run), "seed": None} for run in pair)
        alike = all(first.get(key) == second.get(key) for key in NETWORK)
        return first == second, alike, sorted(map(quality, pair), reverse=True)

    of_each = [[run for run in rest if run.framework == framework] for framework in FRAMEWORKS]
    for pair in sorted(product(*of_each), key=order, reverse=True):
        try:
            return [load_run(run) for run in pair]
        except UserError as error:  # the next best pair
            _note(f"left out: {error}")
    with suppress(UserError):
        return [load_best(rest, outputs)]
    return []


def differences(a: TrainedRun, b: TrainedRun) -> list[str]:
    """Return in what two runs are unequal, such as 'model cnn against mlp': data and network first."""
    keys = [key for key in dict.fromkeys([*NETWORK, *a.facts, *b.facts]) if key != "seed"]
    unequal = [key for key in keys if a.facts.get(key) != b.facts.get(key)]
    shown = [key for key in unequal if key != "images" or "dataset" not in unequal]
    return [f"{key.replace('_', ' ')} {a.facts.get(key)} against {b.facts.get(key)}" for key in shown]


def facts_of(run: Run) -> dict[str, Any]:
    """Return what a run was trained on and how: its dataset, the start of its fingerprint, and all settings."""
    return {"dataset": run.dataset, "images": (run.fingerprint or "")[:8], **run.settings}


def average(runs: Sequence[TrainedRun], images: NDArray[np.uint8], pieces: bool = False) -> NDArray[np.float32]:
    """Return the mean of the runs' probabilities, float32 (N, classes); of `pieces`, also that of no digit, last."""
    found = [run.predict_pieces(images) if pieces else run.predict(images) for run in runs]
    return np.asarray(np.mean(found, axis=0, dtype=np.float32))


@functools.cache  # once each, however often the web page looks for runs
def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
