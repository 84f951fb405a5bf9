"""A run's model.onnx as a list of steps that templates/network.js evaluates, with its weights in one array.

Only what JavaScript has to compute stays: constants are folded by onnxruntime, every shape is known (one image at a
time), and operations that merely rename or reshape a value disappear.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError

RESHAPES = ("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
"""They leave the values and their order as they are."""
FLOAT, UINT8 = 1, 2  # onnx.TensorProto's
Step = dict[str, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """Steps in their order: 'op', the numbers of the values that are its 'inputs' (0 is the image), and what it needs.

    Weights are named by their 'start' in `weights`, float32, and 'shape'.
    """

    steps: list[Step]
    weights: NDArray[np.float32]


class Unknown(UserError):
    """The network has something that network.js does not compute."""


def read_network(path: Path) -> Network:
    """Return the network in the model.onnx of a run that load_run has taken.

    Unknown where it has an operation that network.js lacks: a clause that says which.
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        graph = onnx.shape_inference.infer_shapes(onnx.load(_folded(path, Path(folder)))).graph
    return _Reader(graph).read()


def _folded(path: Path, folder: Path) -> Path:
    """Write the model for one image, its constants folded, into the folder; return its file."""
    import onnx
    import onnxruntime  # type: ignore[import-untyped]

    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]  # they may say that the number of images is not known
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    settings.optimized_model_filepath = str(folder / "folded.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    return folder / "folded.onnx"


class _Reader:
    def __init__(self, graph: Any) -> None:
        import onnx

        self._graph = graph
        self._constants = {array.name: np.array(onnx.numpy_helper.to_array(array)) for array in graph.initializer}
        self._shapes = {
            value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self._numbers = {graph.input[0].name: 0}
        self._pixels = {graph.input[0].name}  # values that are still whole numbers from 0 to 255
        self._steps: list[Step] = []
        self._weights: list[NDArray[np.float32]] = []
        self._size = 0

    def read(self) -> Network:
        import onnx

        for node in self._graph.node:
            attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
            if node.op_type == "Constant":
                self._constants[node.output[0]] = np.array(onnx.numpy_helper.to_array(attributes["value"]))
            elif node.op_type in RESHAPES or self._is_idle(node, attributes):
                self._alias(node)
            elif node.op_type in READERS:
                for step in READERS[node.op_type](self, node, attributes):
                    self._steps.append({"op": node.op_type, "inputs": self._inputs(node), **step})
                self._numbers[node.output[0]] = len(self._steps)
            else:
                raise Unknown(f"has the operation {node.op_type}")
        if self._numbers.get(self._graph.output[0].name) != len(self._steps):
            raise Unknown("does not end in its last operation")
        return Network(self._steps, np.concatenate(self._weights) if self._weights else np.zeros(0, np.float32))

    def _alias(self, node: Any) -> None:
        self._numbers[node.output[0]] = self._number(node.input[0])
        if node.input[0] in self._pixels:
            self._pixels.add(node.output[0])

    def _is_idle(self, node: Any, attributes: dict[str, Any]) -> bool:
        """Return whether it is a conversion that changes no value."""
        if node.op_type != "Cast":
            return False
        if attributes["to"] != FLOAT and not (attributes["to"] == UINT8 and node.input[0] in self._pixels):
            raise Unknown("converts numbers to another type than float32")
        return True

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            raise Unknown("computes with constants alone")
        return self._numbers[name]

    def _inputs(self, node: Any) -> list[int]:
        return [self._number(name) for name in node.input if name and name not in self._constants]

    def shape(self, name: str) -> Shape:
        shape = self._constants[name].shape if name in self._constants else self._shapes.get(name)
        if shape is None or not all(shape):
            raise Unknown("has a value of unknown shape")
        return shape

    def constant(self, name: str) -> NDArray[Any]:
        if name not in self._constants:
            raise Unknown("computes its weights")
        return self._constants[name]

    def weights(self, array: NDArray[Any]) -> Step:
        """Keep the array and return where it is."""
        start = self._size
        self._weights.append(array.astype(np.float32).ravel())
        self._size += array.size
        return {"start": start, "shape": list(array.shape)}

    # One generator for each operation: it yields the step, or raises Unknown.

    def binary(self, node: Any, attributes: dict[str, Any]) -> Iterator[Step]:
        first, second = node.input
        shape = self.shape(node.output[0])
        step: Step = {"shape": list(shape), "strides": [_strides(self.shape(name), shape) for name in node.input]}
        if first in self._constants:
            raise Unknown(f"has the operation {node.op_type} with a constant first")
        yield step | ({"constant": self.weights(self.constant(second))} if second in self._constants else {})

    def pad(self, node: Any, attributes: dict[str, Any]) -> Iterator[Step]:
        value = self.constant(node.input[2]).item() if len(node.input) > 2 and node.input[2] else 0
        if attributes.get("mode", b"constant") != b"constant" or value != 0 or len(node.input) > 3:
            raise Unknown("pads with something other than zeros")
        pads = self.constant(node.input[1]).astype(int).tolist()
        if min(pads) < 0:
            raise Unknown("pads with something other than zeros")
        if node.input[0] in self._pixels:
            self._pixels.add(node.output[0])
        shape = self.shape(node.input[0])
        yield {"shape": list(shape), "padded": list(self.shape(node.output[0])), "before": pads[: len(shape)]}

    def transpose(self, node: Any, attributes: dict[str, Any]) -> Iterator[Step]:
        shape = self.shape(node.input[0])
        order = list(attributes.get("perm", range(len(shape))[::-1]))
        strides = _strides(shape, shape)
        yield {"shape": [shape[axis] for axis in order], "strides": [[strides[axis] for axis in order]]}

    def window(self, node: Any, attributes: dict[str, Any]) -> Iterator[Step]:
        """Conv and MaxPool."""
        unusual = {"ceil_mode": 0, "group": 1, "storage_order": 0, "auto_pad": b"NOTSET", "dilations": [1, 1]}
        for name, usual in unusual.items():
            if attributes.get(name, usual) != usual:
                raise Unknown(f"has the operation {node.op_type} with another {name} than {usual}")
        shape = self.shape(node.input[0])
        if len(shape) != 4 or len(node.output) > 1:
            raise Unknown(f"has the operation {node.op_type} on something other than images")
        pads = list(attributes.get("pads", [0, 0, 0, 0]))
        step: Step = {"from": list(shape[1:]), "to": list(self.shape(node.output[0])[1:]), "pads": pads[:2]}
        step["step"] = list(attributes.get("strides", [1, 1]))
        if node.op_type == "MaxPool":
            yield step | {"kernel": list(attributes["kernel_shape"])}
        else:
            kernel, *bias = (self.constant(name) for name in node.input[1:] if name)
            bias = bias or [np.zeros(len(kernel))]
            yield step | {
                "kernel": list(kernel.shape[2:]),
                "weights": self.weights(kernel),
                "bias": self.weights(bias[0]),
            }

    def dense(self, node: Any, attributes: dict[str, Any]) -> Iterator[Step]:
        """Gemm and MatMul with weights."""
        if attributes.get("alpha", 1) != 1 or attributes.get("beta", 1) != 1 or attributes.get("transA", 0):
            raise Unknown(f"has the operation {node.op_type} with unusual settings")
        shape = self.shape(node.input[0])
        matrix, *bias = (self.constant(name) for name in node.input[1:] if name)
        if len(shape) != 2 or shape[0] != 1 or matrix.ndim != 2:
            raise Unknown(f"has the operation {node.op_type} on something other than a row of numbers")
        matrix = matrix if attributes.get("transB", 0) else matrix.T  # (outputs, inputs)
        biases = np.broadcast_to(bias[0] if bias else np.zeros(1), (1, len(matrix)))
        yield {"weights": self.weights(matrix), "bias": self.weights(biases.ravel())}

    def softmax(self, node: Any, attributes: dict[str, Any]) -> Iterator[Step]:
        shape = self.shape(node.input[0])
        if math.prod(shape) != shape[attributes.get("axis", -1)]:
            raise Unknown("has the operation Softmax on something other than a row of numbers")
        yield {}

    def mean(self, node: Any, attributes: dict[str, Any]) -> Iterator[Step]:
        """GlobalAveragePool, and ReduceMean over each channel."""
        shape = self.shape(node.input[0])
        axes = attributes.get("axes") or (self.constant(node.input[1]).tolist() if len(node.input) > 1 else range(4))
        if node.op_type == "GlobalAveragePool":
            axes = [2, 3]
        if len(shape) != 4 or sorted(axis % 4 for axis in axes) != [2, 3]:
            raise Unknown(f"has the operation {node.op_type} over something other than an image")
        yield {"channels": shape[1]}

    def plain(self, node: Any, attributes: dict[str, Any]) -> Iterator[Step]:
        yield {}


READERS: dict[str, Callable[[_Reader, Any, dict[str, Any]], Iterator[Step]]] = {
    "Add": _Reader.binary,
    "Conv": _Reader.window,
    "Gemm": _Reader.dense,
    "GlobalAveragePool": _Reader.mean,
    "MatMul": _Reader.dense,
    "MaxPool": _Reader.window,
    "Mul": _Reader.binary,
    "Pad": _Reader.pad,
    "ReduceMean": _Reader.mean,
    "Relu": _Reader.plain,
    "Softmax": _Reader.softmax,
    "Transpose": _Reader.transpose,
}
"""The operations that network.js computes."""


def _strides(shape: Sequence[int], broadcast: Sequence[int]) -> list[int]:
    """Return by how much the place in the values of this shape grows along each axis of the one it is broadcast to."""
    strides = [math.prod(shape[axis + 1 :]) if side > 1 else 0 for axis, side in enumerate(shape)]
    return [0] * (len(broadcast) - len(shape)) + strides
