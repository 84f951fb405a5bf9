"""The standard form of model.onnx, given to models as exporters leave them; real exports are in test_training.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mnist_twice.runs.onnx_model import finish_onnx

WEIGHTS = np.random.default_rng(0).normal(size=(784, 3)).astype(np.float32) / 784


def write_model(path: Path, first: int | str | None, input_name: str = "args_0", output_name: str = "out:0") -> None:
    """Write a linear classifier of 28x28 images; `first` is the size of the first axis as the exporter wrote it."""
    nodes = [
        helper.make_node("Cast", [input_name], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["pixels", "shape"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [output_name], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "exported",
        [helper.make_tensor_value_info(input_name, TensorProto.UINT8, (first, 28, 28))],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, (first, 3))],
        [numpy_helper.from_array(np.array([-1, 784]), "shape"), numpy_helper.from_array(WEIGHTS, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


@pytest.mark.parametrize("first", ["s77", "unk__12", None, 2], ids=str)
def test_standard_form(tmp_path: Path, first: int | str | None) -> None:
    path = tmp_path / "model.onnx"
    write_model(path, first)
    names = ("T-shirt/top", "Ånkle 'boot'", "靴")
    finish_onnx(onnx.load(path), path, names, "as is", lambda node: "")

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images,), (output,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["N", 28, 28])
    assert (output.name, output.type, output.shape) == ("probabilities", "tensor(float)", ["N", 3])
    facts = session.get_modelmeta().custom_metadata_map
    assert (json.loads(facts["class_names"]), facts["preprocessing"]) == (list(names), "as is")
    for n in (1, 5):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 28, 28), np.uint8)
        logits = pixels.reshape(n, 784).astype(np.float32) @ WEIGHTS
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(session.run(None, {"images": pixels})[0], expected, rtol=1e-5)
