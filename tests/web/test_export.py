"""The page that needs no server: its JavaScript, run by Node.js, sees and reads as the server does."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from drawings import Pixels
from onnx import TensorProto, helper, numpy_helper
from paths import ROOT

from mnist_twice.errors import UserError
from mnist_twice.photos.normalize import to_mnist
from mnist_twice.web.graph import OPERATIONS, read_network

TEMPLATES = ROOT / "mnist_twice" / "web" / "templates"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no Node.js is installed; on Debian: apt-get install nodejs")


def run_script(template: str, expression: str, given: object) -> Any:
    """Return the value of a JavaScript expression in `given`, with that file of the page loaded."""
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    program = f"{text}\nconst given = JSON.parse(require('fs').readFileSync(0));\n"
    program += f"console.log(JSON.stringify({expression}));"
    done = subprocess.run([str(NODE), "-e", program], input=json.dumps(given), capture_output=True, text=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


# --- whether it reads as the server does ---


def drawings() -> Iterator[Pixels]:
    """Yield lines, bends, loops and dots as the page's pen makes them, uint8 (280, 280), and an empty sheet."""
    rng = np.random.default_rng(0)
    yield np.full((280, 280), 255, np.uint8)
    for size in np.repeat([260, 200, 120, 60, 20], 5):  # large, small, at the edges
        sheet = np.full((280, 280), 255, np.uint8)
        corner = rng.uniform(0, 280 - size, 2)
        for _ in range(rng.integers(1, 3)):
            fine = np.round(16 * (corner + rng.uniform(0, size, (rng.integers(2, 7), 2)))).astype(np.int32)
            cv2.polylines(sheet, [fine], False, 0, 20, cv2.LINE_AA, 4)
        yield sheet


@needs_node
@pytest.mark.slow
def test_its_images_are_those_of_the_python_code() -> None:
    """Scaled, thinned and centred in JavaScript: the same pixels but for rounding."""
    sheets = list(drawings())
    script = "given.map(sheet => { const image = imageOf(sheet, 280); return image && Array.from(image) })"
    empty, *found = run_script("normalize.js", script, [sheet.ravel().tolist() for sheet in sheets])
    assert empty is None
    differ = []
    for sheet, image in zip(sheets[1:], found, strict=True):
        ink = ((255 - sheet) / 255).astype(np.float32)
        rows, columns = np.flatnonzero((ink > 0.4).any(axis=1)), np.flatnonzero((ink > 0.4).any(axis=0))
        expected = to_mnist(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        differ.append(np.abs(expected.ravel().astype(int) - image))
    assert sum(each.max() > 2 for each in differ) <= 1  # ink at the threshold may fall to either side of it
    assert max(each.mean() for each in differ) < 1


# --- which networks it takes ---


def model_of(nodes: list[Any], weights: dict[str, Pixels], path: Path) -> Path:
    """Write a model.onnx of these nodes between the pixels as float32, 'x', and ten numbers, 'y'."""
    constants = weights | {"shape": np.array([-1, 1, 28, 28])}
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["floats", "shape"], ["x"]),
            *nodes,
            helper.make_node("Softmax", ["y"], ["probabilities"], axis=1),
        ],
        "test",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def every_operation(path: Path) -> Path:
    """A network that has each operation that the page knows, with strides, uneven padding, and broadcasting."""
    rng = np.random.default_rng(0)
    shapes = {"k1": (6, 1, 3, 4), "b1": (6,), "channels": (1, 6, 1, 1), "k2": (6, 6, 3, 3)}
    shapes |= {"m1": (6 * 8 * 15, 10), "m2": (10, 6), "b2": (10,)}
    weights = {name: rng.normal(scale=0.1, size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {"scale": np.array(1 / 255, np.float32), "pads": np.array([0, 0, 1, 0, 0, 0, 2, 3])}
    weights |= {"axes": np.array([2, 3]), "row": np.array([1, -1])}
    node = helper.make_node
    nodes = [
        node("Pad", ["x", "pads"], ["a"]),
        node("Mul", ["a", "scale"], ["b"]),
        node("Conv", ["b", "k1", "b1"], ["c"], pads=[2, 0, 1, 1], strides=[2, 1], kernel_shape=[3, 4]),
        node("Add", ["c", "channels"], ["d"]),
        node("Relu", ["d"], ["e"]),
        node("MaxPool", ["e"], ["f"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
        node("Conv", ["f", "k2"], ["g"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("Add", ["f", "g"], ["h"]),
        node("Mul", ["h", "channels"], ["i"]),
        node("GlobalAveragePool", ["i"], ["j"]),
        node("ReduceMean", ["h", "axes"], ["k"], keepdims=0),
        node("Flatten", ["j"], ["l"]),
        node("Add", ["k", "l"], ["m"]),
        node("Transpose", ["h"], ["n"], perm=[0, 3, 1, 2]),
        node("Reshape", ["n", "row"], ["o"]),
        node("MatMul", ["o", "m1"], ["p"]),
        node("Gemm", ["m", "m2", "b2"], ["q"], transB=1),
        node("Relu", ["p"], ["r"]),
        node("Add", ["q", "r"], ["y"]),
    ]
    return model_of(nodes, weights, path)


@needs_node
def test_every_operation_is_onnxruntime_s(tmp_path: Path) -> None:
    path = every_operation(tmp_path / "model.onnx")
    network = read_network(path)
    assert {step["op"] for step in network["steps"]} == {*OPERATIONS, "Reshape"}
    images = np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8)
    script = """given.images.map(image => Array.from(
        probabilitiesOf({ ...given.network, weights: Float32Array.from(given.network.weights) }, image)))"""
    network["weights"] = np.frombuffer(base64.b64decode(network["weights"]), "<f4").tolist()
    given = {"network": network, "images": images.reshape(-1, 784).tolist()}
    found = run_script("network.js", script, given)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = np.concatenate([session.run(None, {"images": image[None]})[0] for image in images])
    assert expected.std(axis=0).min() > 1e-4  # the images make a difference
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_what_it_does_not_know_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "odd" / "model.onnx"
    path.parent.mkdir()
    for node, words in (
        (helper.make_node("Sigmoid", ["x"], ["z"]), "'odd' has the operation Sigmoid; the page has only Add, Cast"),
        (helper.make_node("Softmax", ["x"], ["z"], axis=-1), "Softmax on something other than"),
        (helper.make_node("MaxPool", ["x"], ["z"], kernel_shape=[2, 2], ceil_mode=1), "MaxPool with ceil_mode 1"),
    ):
        with pytest.raises(UserError, match=words):
            read_network(model_of([node, helper.make_node("Flatten", ["z"], ["y"])], {}, path))
