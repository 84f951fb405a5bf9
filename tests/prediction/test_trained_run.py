"""Runs that answer for photos: model.onnx as strangers may have made it, and the two runs shown side by side."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from linear_run import make_linear_run
from make_runs import make_run
from onnx import TensorProto, helper, numpy_helper

from mnist_twice.errors import UserError
from mnist_twice.evaluation.ensemble import write_ensemble
from mnist_twice.prediction import differences, load_pair, trained_run
from mnist_twice.recipes import RECIPES
from mnist_twice.runs import Run, find_runs, read_run, read_runs

UINT8, FLOAT = TensorProto.UINT8, TensorProto.FLOAT
WEIGHTS = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) / 784
CONSTANTS = {
    "weights": WEIGHTS,
    "rows": np.array([-1, 784]),
    "two_by_ten": np.array([2, 10]),
    "zero": np.array([0]),
    "one": np.array([1]),
    "three": np.array([3]),
    "nan": np.array(np.nan, np.float32),
    "huge": np.array([2_000_000_000]),
    "hundred": np.array([1, 100, 100]),
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


def write_model(run: Run, nodes: Sequence[onnx.NodeProto] = SOUND, images: Sequence[int | str] = ("N", 28, 28)) -> None:
    graph = helper.make_graph(
        nodes,
        "forged",
        [helper.make_tensor_value_info("images", UINT8, images)],
        [helper.make_tensor_value_info("probabilities", FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in CONSTANTS.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("forged", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), run.path / "model.onnx")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read_run(make_run(tmp_path, labels=np.arange(100) % 10))


def test_an_ensemble_has_no_network(run: Run, tmp_path: Path) -> None:
    other = make_run(tmp_path, framework="tensorflow", labels=run.labels)
    ensemble = read_run(write_ensemble([run, read_run(other)], tmp_path))
    with pytest.raises(UserError, match=f"is an ensemble.* name its members: {run.name}, {other.name}.$"):
        trained_run.load_run(ensemble)


def test_sound_model(run: Run) -> None:
    write_model(run)
    loaded = trained_run.load_run(run)
    images = np.random.default_rng(1).integers(0, 256, (300, 28, 28), np.uint8)
    logits = images.reshape(300, 784).astype(np.float32) @ WEIGHTS
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(loaded.predict(images), expected, rtol=1e-4)
    assert loaded.predict(images[:0]).shape == (0, 10)
    np.testing.assert_array_equal(loaded.predict_pieces(images), np.pad(loaded.predict(images), ((0, 0), (0, 1))))


def test_one_more_output_is_for_what_is_no_digit(run: Run) -> None:
    eleven = [node("Slice", "logits zero one one", "last"), node("Concat", "logits last", "eleven", axis=1)]
    write_model(run, [*LOGITS, *eleven, node("Softmax", "eleven", axis=1)])
    loaded = trained_run.load_run(run)
    images = np.random.default_rng(1).integers(0, 256, (30, 28, 28), np.uint8)
    every = loaded.predict_pieces(images)
    assert every.shape == (30, 11)
    np.testing.assert_allclose(loaded.predict(images), every[:, :10] / every[:, :10].sum(axis=1)[:, None], rtol=1e-5)


LARGE = [node("ReduceMax", "large", "largest", keepdims=0), node("Add", "all largest")]
DOUBLED = [node("Concat", f"x{i} x{i}", f"x{i + 1}", axis=0) for i in range(29)]
SPARSE = onnx.SparseTensorProto(
    values=numpy_helper.from_array(np.ones(1, np.float32)), indices=numpy_helper.from_array(np.array([1])), dims=[10**9]
)
TEN, MEMORY = "does not return probabilities of 10 classes", "needs more than the 1,074 MB of memory allowed"
UNBOUNDED = "has operations whose memory use is not known in advance"
FORGED = {
    "3 classes": ([*LOGITS, node("Slice", "logits zero three one", "few"), node("Softmax", "few", axis=1)], TEN),
    "NaN": ([*ALL, node("Add", "all nan")], TEN),
    "impossible reshape": ([LOGITS[0], node("Reshape", "floats two_by_ten")], "onnxruntime"),
    "another's operation": ([*ALL, node("Secret", "all", domain="forged")], UNBOUNDED),
    "constant": ([*ALL, node("ConstantOfShape", "huge", "large"), *LARGE], MEMORY),
    "doubled": ([*ALL, node("Shape", "images", "x0"), *DOUBLED, node("Cast", "x29", "large", to=1), *LARGE], MEMORY),
    "sparse": ([*ALL, node("Constant", "", "large", sparse_value=SPARSE), *LARGE], UNBOUNDED),
    "text": ([*ALL, node("Cast", "images", "text", to=TensorProto.STRING)], UNBOUNDED),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_model_is_refused_in_a_sentence_and_little_memory(run: Run, forged: str) -> None:
    nodes, reason = FORGED[forged]
    resource = pytest.importorskip("resource", reason="Windows does not say so")
    write_model(run, nodes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=reason) as error:
        trained_run.load_run(run)
    assert re.fullmatch(r"'[^\n]*model\.onnx' [^\n]*; train it again\.", str(error.value))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_200_000  # kB on Linux


def test_other_inputs(run: Run) -> None:
    write_model(run, images=("N", 784))
    with pytest.raises(UserError, match="does not take images of 28x28 raw pixels"):
        trained_run.load_run(run)


def test_a_wide_network_gets_fewer_images_at_once(run: Run) -> None:
    wide = [node("Tile", "floats hundred", "large"), node("ReduceMin", "large", "least", keepdims=0)]
    write_model(run, [*ALL, *wide, node("Add", "all least")])  # 31 MB an image
    loaded = trained_run.load_run(run)
    assert loaded.predict(np.zeros((100, 28, 28), np.uint8)).shape == (100, 10)
    assert 2 < loaded.batch < 32


def test_twins_come_before_better_runs(tmp_path: Path) -> None:
    def pair() -> list[trained_run.TrainedRun]:
        return load_pair(read_runs(find_runs(tmp_path))[0], tmp_path)

    cnn, longer = RECIPES["cnn"], replace(RECIPES["cnn"], epochs=9)
    make_linear_run(tmp_path, error_rate=0.0, model="vgg")
    assert [run.name for run in pair()] == ["mnist-vgg-pytorch"]
    make_linear_run(tmp_path, dataset="mnist-sample", framework="tensorflow", error_rate=0.1)
    assert differences(*pair())[:2] == ["dataset mnist against mnist-sample", "model vgg against cnn"]
    make_linear_run(tmp_path, dataset="mnist-sample", recipe=longer, error_rate=0.3, folder="longer")
    assert [run.name for run in pair()] == ["longer", "mnist-sample-cnn-tensorflow"]
    make_linear_run(tmp_path, dataset="mnist-sample", recipe=cnn, seed=1, error_rate=0.5)
    assert [run.name for run in pair()] == ["mnist-sample-cnn-pytorch-s1", "mnist-sample-cnn-tensorflow"]
    (tmp_path / "mnist-sample-cnn-pytorch-s1" / "model.onnx").write_bytes(b"")
    assert [run.name for run in pair()] == ["longer", "mnist-sample-cnn-tensorflow"]
