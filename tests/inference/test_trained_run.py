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
from digits.inference import memory, trained_run
from digits.runs.run import Run, read_run

UINT8, FLOAT = TensorProto.UINT8, TensorProto.FLOAT
WEIGHTS = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) / 784
CONSTANTS = {
    "weights": WEIGHTS,
    "rows": np.array([-1, 784]),
    "two_rows": np.array([2, 784]),
    "two_by_ten": np.array([2, 10]),
    "flat": np.array([-1]),
    "zero": np.array([0]),
    "one": np.array([1]),
    "two": np.array([2]),
    "three": np.array([3]),
    "nan": np.array(np.nan, np.float32),
    "step": np.array(1, np.float32),
    "square": np.array([2048, 2048]),
    "huge": np.array([2_000_000_000]),
    "hundred": np.array([1, 100, 100]),
    "thousand": np.array([1, 1000, 1000]),
    "million": np.array([1_000_000]),
    "all_images": np.array([256]),
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
SLOW = [  # 17 billion multiplications each
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
    output: int = FLOAT,
    extra: Sequence[onnx.TensorProto] = (),
) -> None:
    graph = helper.make_graph(
        nodes,
        "forged",
        [helper.make_tensor_value_info("images", UINT8, images)],
        [helper.make_tensor_value_info("probabilities", output, None)],
        [*(numpy_helper.from_array(array, name) for name, array in CONSTANTS.items()), *extra],
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
FAILS = "fails"


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        pytest.param([*ALL, node("Slice", "all zero one zero")], OTHERS, id="one row"),
        pytest.param([*ALL, node("Reshape", "all flat")], OTHERS, id="rank 1"),
        pytest.param([*ALL, node("ReduceMax", "all", keepdims=0)], OTHERS, id="rank 0"),
        pytest.param(
            [*LOGITS, node("Slice", "logits zero three one", "few"), node("Softmax", "few", axis=1)],
            OTHERS,
            id="3 classes",
        ),
        pytest.param(
            [
                *LOGITS,
                node("Slice", "logits zero two one", "two_more"),
                node("Concat", "logits two_more", "many", axis=1),
                node("Softmax", "many", axis=1),
            ],
            OTHERS,
            id="12 classes",
        ),
        pytest.param([*ALL, node("Add", "all nan")], OTHERS, id="NaN"),
        pytest.param([*ALL, node("Add", "all step")], OTHERS, id="sum of 11"),
        pytest.param([*ALL[:-1], node("Softmax", "logits", axis=0)], OTHERS, id="sums over the images"),
        pytest.param([LOGITS[0], node("Reshape", "floats two_by_ten")], FAILS, id="impossible reshape"),
        pytest.param([*LOGITS, node("Secret", "logits", domain="forged")], "the operation 'Secret'", id="op"),
    ],
)
def test_other_outputs(run: Run, nodes: Sequence[onnx.NodeProto], reason: str) -> None:
    write_model(run.path / "model.onnx", nodes)
    assert_refused(run, reason)


@pytest.mark.parametrize("images", [(1, 28, 28), ("N", 14, 14), ("N", 784), (28, 28)], ids=str)
def test_other_inputs(run: Run, images: Sequence[int | str]) -> None:
    write_model(run.path / "model.onnx", images=images)
    assert_refused(run, "does not take raw pixels, images of 28x28")


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.INT64])
def test_other_kinds(run: Run, kind: int) -> None:
    write_model(run.path / "model.onnx", [*ALL, node("Cast", "all", to=kind)], output=kind)
    assert_refused(run, "does not take raw pixels and give probabilities")


def test_a_long_computation_is_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained_run, "LOAD_SECONDS", 0.3)
    write_model(run.path / "model.onnx", SLOW)
    before = set(threading.enumerate())
    assert_refused(run, "has not answered two images in 0.3 s")
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("place", ["beside", "absolute", "linked"])
def test_files_elsewhere_are_not_read(run: Run, tmp_path: Path, place: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.zeros(10, np.float32).tobytes())
    (run.path / "linked").symlink_to(secret)
    location = {"beside": "../secret", "absolute": str(secret), "linked": "linked"}[place]
    bias = TensorProto(name="bias", data_type=FLOAT, dims=[10], data_location=TensorProto.EXTERNAL)
    bias.external_data.add(key="location", value=location)
    write_model(
        run.path / "model.onnx",
        [*LOGITS, node("Add", "logits bias", "biased"), node("Softmax", "biased", axis=1)],
        extra=[bias],
    )
    assert_refused(run, "not a model that onnxruntime reads")


def test_what_goes_wrong_with_other_images_later(run: Run) -> None:
    images = np.ones((3, 28, 28), np.uint8)
    write_model(run.path / "model.onnx", [LOGITS[0], node("Reshape", "floats two_rows", "pixels"), *SOUND[2:]])
    with pytest.raises(UserError, match="fails"):
        trained_run.load_run(run).predict(images)
    root = [node("Neg", "largest", "negative"), node("Sqrt", "negative", "root"), node("Add", "all root")]
    write_model(run.path / "model.onnx", [*ALL, LARGEST[1], *root])
    loaded = trained_run.load_run(run)
    loaded.predict(images * 0)
    with pytest.raises(UserError, match=OTHERS):
        loaded.predict(images)


BRANCH = helper.make_graph(
    [node("Constant", "", "zero", value_float=0.0)], "branch", [], [helper.make_tensor_value_info("zero", FLOAT, None)]
)
DOUBLED = [node("Concat", f"x{i} x{i}", f"x{i + 1}", axis=0) for i in range(29)]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        pytest.param([node("ConstantOfShape", "huge", "large")], "needs 8,...? MB of memory for 2 images", id="folded"),
        pytest.param([node("Tile", "floats thousand", "large")], "needs 6,... MB of memory for 2 images", id="run"),
        pytest.param([node("If", "true", "large", then_branch=BRANCH, else_branch=BRANCH)], "'If'", id="branch"),
        pytest.param(
            [node("NonZero", "floats", "places"), node("Cast", "places", "large", to=FLOAT)], "'NonZero'", id="data"
        ),
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


def test_memory_that_only_some_numbers_of_images_take(run: Run) -> None:
    """None for 2 images and for 256, 3 GB for 5."""
    nodes = [
        node("Shape", "images", "shape"),
        node("Gather", "shape zero", "count"),
        node("Sub", "count two", "more"),
        node("Sub", "all_images count", "fewer"),
        node("Mul", "more fewer", "some"),
        node("Mul", "some million", "many"),
        node("ConstantOfShape", "many", "large"),
        node("ReduceSum", "large", "nothing", keepdims=0),
    ]
    write_model(run.path / "model.onnx", [*ALL, *nodes, node("Add", "all nothing")])
    loaded = trained_run.load_run(run)
    with pytest.raises(UserError, match="MB of memory for 5 images"):
        loaded.predict(np.zeros((5, 28, 28), np.uint8))
