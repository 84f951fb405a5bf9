"""A run whose network is one matrix: quick to make and to run, and different for every image."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from make_runs import make_run
from onnx import TensorProto, helper, numpy_helper

from mnist_twice.data.catalogue import stratified_sample


def make_linear_run(outputs: Path, reads: bool = False, **options: Any) -> Path:
    """Write the run into `outputs` and return its folder. The matrix is random, or fitted to the sample by ridge
    regression where it `reads`: 85 % of digits; `options` are those of make_run."""
    path = make_run(outputs, labels=np.arange(100) % 10, **options)
    write_linear_model(path / "model.onnx", reads)
    return path


def write_linear_model(path: Path, reads: bool = False) -> None:
    """Write the network as the frameworks export theirs: images, uint8 (N, 28, 28), to probabilities of 10 classes."""
    weights = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) / 3000
    if reads:
        images, labels = stratified_sample()[:2]
        pixels = images.reshape(-1, 784).astype(np.float64)
        wanted = 30 * np.eye(10)[labels]
        weights = np.linalg.solve(pixels.T @ pixels + 1e7 * np.eye(784), pixels.T @ wanted).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["floats", "rows"], ["pixels"]),
            helper.make_node("MatMul", ["pixels", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "linear",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([-1, 784]), "rows")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
