"""A run whose network is one random matrix: quick to make and to run, and different for every image."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from make_runs import make_run
from onnx import TensorProto, helper, numpy_helper


def make_linear_run(outputs: Path, **options: Any) -> Path:
    """Write the run into `outputs`, as make_run does with these options, and return its folder."""
    path = make_run(outputs, labels=np.arange(100) % 10, **options)
    weights = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32) / 3000
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["floats", "rows"], ["pixels"]),
            helper.make_node("MatMul", ["pixels", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "linear",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([-1, 784]), "rows")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path / "model.onnx")
    return path
