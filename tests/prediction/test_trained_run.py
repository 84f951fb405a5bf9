"""model.onnx as strangers may have made it: what gives no probabilities of digits is refused in a sentence."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from make_runs import make_run
from onnx import TensorProto, helper, numpy_helper

from digits.errors import UserError
from digits.evaluation.ensemble import write_ensemble
from digits.prediction import memory, trained_run
from digits.runs.run import Run, read_run

UINT8, FLOAT = TensorProto.UINT8, TensorProto.FLOAT
WEIGHTS = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) / 784
CONSTANTS = {
    "weights": WEIGHTS,
    "rows": np.array([-1, 784]),
    "two_rows": np.array([2, 784]),
    "two_by_ten": np.array([2, 10]),
    "zero": np.array([0]),
    "one": np.array([1]),
    "three": np.array([3]),
    "nan": np.array(np.nan, np.float32),
    "square": np.array([1024, 1024]),
    "huge": np.array([2_000_000_000]),
    "hundred": np.array([1, 100, 100]),
    "thousand": np.array([1, 1000, 1000]),
}


def node(operation: str, inputs: str, output: str = "probabilities", **more: object) -> onnx.NodeProto:
    return helper.make_node(operation, inputs.split(), [output], **more)


LOGITS = [
    node("Cast", "images", "floats", to=FLOAT),
    node("Reshape", "floats rows", "pixels"),
    node("MatMul", "pixels weights", "logits"),
]
ALL = [*LOGITS, node("Softmax", "logits", "all", axis=1)]
SOUND = [*LOGITS, node("Softmax", "logits", axis=1)]
LARGEST = [node("Cast", "images", "floats", to=FLOAT), node("ReduceMax", "floats", "largest", keepdims=0)]
SLOW = [  # 1 billion multiplications each
    *LARGEST,
    node("Expand", "largest square", "x0"),
    *(node("MatMul", f"x{i} x{i}", f"x{i + 1}") for i in range(30)),
    node("ReduceMax", "x30", "last", keepdims=0),
    node("Expand", "last two_by_ten"),
]


def write_model(
    path: Path,
    nodes: Sequence[onnx.NodeProto] = SOUND,
    images: Sequence[int | str] = ("N", 28, 28),
) -> None:
    graph = helper.make_graph(
        nodes,
        "forged",
        [helper.make_tensor_value_info("images", UINT8, images)],
        [helper.make_tensor_value_info("probabilities", FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in CONSTANTS.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("forged", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read_run(make_run(tmp_path, labels=np.arange(100) % 10))


def assert_refused(run: Run, reason: str = "") -> None:
    with pytest.raises(UserError, match=reason) as error:
        trained_run.load_run(run)
    sentence = str(error.value)
    assert "model.onnx" in sentence
    assert run.name in sentence
    assert re.search(r"train (it|'[^']*') again\.$", sentence)
    assert "\n" not in sentence


def test_an_ensemble_has_no_network(run: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path, framework="tensorflow", labels=run.labels)
    ensemble = read_run(write_ensemble([run, read_run(other)], tmp_path))
    with pytest.raises(UserError, match=f"is an ensemble.* name its members: {run.name}, {other.name}.$"):
        trained_run.load_run(ensemble)


def test_sound_model(run: Run) -> None:
    write_model(run.path / "model.onnx")
    loaded = trained_run.load_run(run)
    images = np.random.default_rng(1).integers(0, 256, (300, 28, 28), np.uint8)
    logits = images.reshape(300, 784).astype(np.float32) @ WEIGHTS
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loaded.predict(images), expected, rtol=1e-4)
    assert loaded.predict(images[:0]).shape == (0, 10)


OTHERS = "does not give probabilities of 10 classes"


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        pytest.param(
            [*LOGITS, node("Slice", "logits zero three one", "few"), node("Softmax", "few", axis=1)],
            OTHERS,
            id="3 classes",
        ),
        pytest.param([*ALL, node("Add", "all nan")], OTHERS, id="NaN"),
        pytest.param([LOGITS[0], node("Reshape", "floats two_by_ten")], "fails", id="impossible reshape"),
        pytest.param([*LOGITS, node("Secret", "logits", domain="forged")], "the operation 'Secret'", id="op"),
    ],
)
def test_other_outputs(run: Run, nodes: Sequence[onnx.NodeProto], reason: str) -> None:
    write_model(run.path / "model.onnx", nodes)
    assert_refused(run, reason)


def test_other_inputs(run: Run) -> None:
    write_model(run.path / "model.onnx", images=("N", 784))
    assert_refused(run, "does not take raw pixels, images of 28x28")


@pytest.mark.slow
def test_a_long_computation_is_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_run, "LOAD_SECONDS", 0.3)
    write_model(run.path / "model.onnx", SLOW)
    before = set(threading.enumerate())
    assert_refused(run, "has not answered two images in 0.3 s")
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_what_goes_wrong_with_more_images_later(run: Run) -> None:
    write_model(run.path / "model.onnx", [LOGITS[0], node("Reshape", "floats two_rows", "pixels"), *SOUND[2:]])
    with pytest.raises(UserError, match="fails"):
        trained_run.load_run(run).predict(np.ones((3, 28, 28), np.uint8))


DOUBLED = [node("Concat", f"x{i} x{i}", f"x{i + 1}", axis=0) for i in range(29)]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        pytest.param([node("ConstantOfShape", "huge", "large")], "needs 8,...? MB of memory for 2 images", id="folded"),
        pytest.param([node("Tile", "floats thousand", "large")], "needs 6,... MB of memory for 2 images", id="run"),
        pytest.param(
            [node("Shape", "images", "x0"), *DOUBLED, node("Cast", "x29", "large", to=FLOAT)],
            "needs 32,... MB",
            id="shape",
        ),
    ],
)
def test_more_memory_than_allowed_is_refused_before_it_is_taken(
    run: Run, nodes: Sequence[onnx.NodeProto], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxruntime.InferenceSession", None)  # what does not open the file takes nothing
    largest = node("ReduceMax", "large", "largest", keepdims=0)
    write_model(run.path / "model.onnx", [*ALL, *nodes, largest, node("Add", "all largest")])
    assert_refused(run, reason)


def test_shapes_may_be_computed_from_shapes(run: Run) -> None:
    """As TensorFlow's `vit` does, also by what onnx does not follow."""
    nodes = [
        node("Shape", "images", "shape"),
        node("Slice", "shape one three", "sides"),
        node("ReduceProd", "sides", "pixels_in_all", keepdims=1),
        node("Max", "pixels_in_all one", "most"),
        node("Gather", "shape zero", "count"),
        node("Concat", "count most", "target", axis=0),
        node("Reshape", "floats target", "pixels"),
    ]
    write_model(run.path / "model.onnx", [LOGITS[0], *nodes, *SOUND[2:]])
    assert trained_run.load_run(run).predict(np.zeros((3, 28, 28), np.uint8)).shape == (3, 10)


def test_a_wide_network_gets_fewer_images_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_BYTES", 100_000_000)
    wide = [node("Tile", "floats hundred", "large"), node("ReduceMin", "large", "least", keepdims=0)]
    write_model(run.path / "model.onnx", [*ALL, *wide, node("Add", "all least")])
    loaded = trained_run.load_run(run)
    assert loaded.batch == 2
    assert loaded.predict(np.zeros((5, 28, 28), np.uint8)).shape == (5, 10)
