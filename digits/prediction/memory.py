"""How much memory a model.onnx takes, by the shapes of its values: asked before onnxruntime opens the file.

A file of 32 kB can ask for 8 GB when it runs, or already when it is opened and its constants are folded.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.files import read_bytes

LARGEST = 1 << 31  # bytes of a file; no ONNX model can have more
MOST_BYTES = 1 << 30  # of all values that a network computes, together
SMALL = 64  # numbers; a larger constant is a weight, whose numbers decide no shape
CHANNELS = 16  # onnxruntime fills up the channels of images to a multiple of it
UNBOUNDED = ("Attention", "DeformConv", "Einsum", "RoiAlign")  # these take more than their inputs and outputs tell
RECURRENT = ("GRU", "LSTM", "RNN")
MOST_ROUNDS = 100  # of shapes computed from shapes; `vit` in TensorFlow needs some 20
STRING = 8  # TensorProto.DataType

Value = tuple[int, Sequence[int] | None]  # type and shape: -1 for a side that is not known, None where none is
NO_VALUE: Value = (0, None)


class NotBounded(Exception):
    """What is wrong with a model.onnx, as a clause that follows the file's name."""


class Memory:
    """What a model.onnx computes, without its weights, and so the bytes that its values take at most.

    NotBounded where it is no network for images, or its memory is known only when it runs; UserError where the file is
    missing or too large.
    """

    def __init__(self, path: Path) -> None:
        import onnx

        data = bytes(read_bytes(path, LARGEST))
        try:
            self._model = onnx.load_model_from_string(data)
        except Exception as error:  # protobuf's exceptions have no common class but this
            raise NotBounded(f"is not a model that onnx reads ({type(error).__name__})") from None
        graph = self._model.graph
        for node in graph.node:
            if node.op_type in UNBOUNDED or any(one.HasField("g") or one.graphs for one in node.attribute):
                raise _unknown(node.op_type)
        for function in self._model.functions:
            raise _unknown(function.name)
        constants = {tensor.name for tensor in graph.initializer}
        # The number of images must be open: what follows from a fixed one is folded when the file is opened.
        inputs = [value.type.tensor_type.shape.dim for value in graph.input if value.name not in constants]
        if [[side.dim_value for side in sides] for sides in inputs] != [[0, 28, 28]]:
            raise NotBounded("does not take raw pixels, images of 28x28")
        self._input = next(i for i, value in enumerate(graph.input) if value.name not in constants)
        del graph.value_info[:]  # what the file says of its values does not count
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
        # A tensor may declare a shape without the numbers; those that are there take no more than the file.
        self._declared = sum(_bytes(one.values.data_type, one.dims) for one in graph.sparse_initializer)
        for tensor in graph.initializer:
            self._declared += max(0, _bytes(tensor.data_type, tensor.dims) - tensor.ByteSize())
            if math.prod(tensor.dims) > SMALL:
                tensor.CopyFrom(onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims))
        self.of = functools.cache(self._of)

    def check(self, n: int) -> None:
        """Raise NotBounded where n images at once would take more than MOST_BYTES."""
        if (size := self.of(n)) > MOST_BYTES:
            most = f"more than the {MOST_BYTES / 1e6:,.0f} MB allowed"
            raise NotBounded(f"needs {size / 1e6:,.0f} MB of memory for {n} images, {most}")

    def batch(self, most: int) -> int:
        """Return how many images, `most` or a part of that, can be computed at once; NotBounded where not even two."""
        while most > 2 and self.of(most) > MOST_BYTES:
            most //= 2
        self.check(most)
        return most

    def _of(self, n: int) -> int:
        """Return the bytes for n images. All values are added, since their order in time is onnxruntime's choice."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        model.graph.input[self._input].type.tensor_type.shape.dim[0].dim_value = n
        values = _infer(model)
        for _ in range(MOST_ROUNDS):  # a shape may be computed from other shapes, by which others are known then
            if not _fold_shapes(model.graph, values):
                break
            values = _infer(model)
        total = self._declared
        for node in model.graph.node:
            for name in filter(None, node.output):
                kind, shape = values.get(name, NO_VALUE)
                if shape is None or min(shape, default=0) < 0 or kind in (0, STRING):
                    raise _unknown(node.op_type)
                total += _bytes(kind, _fill(shape))
            shapes = [values.get(name, NO_VALUE)[1] or () for name in (*node.input, *node.output)]
            total += 4 * _extra(node.op_type, shapes)
        return total


def _infer(model: Any) -> dict[str, Value]:
    """Return what is known of each value."""
    import onnx

    try:
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    except Exception as error:  # onnx raises several kinds
        raise NotBounded(f"has operations that do not fit one another ({type(error).__name__})") from None
    values: dict[str, Value] = {one.name: (one.data_type, tuple(one.dims)) for one in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        sides = tuple(side.dim_value if side.HasField("dim_value") else -1 for side in tensor.shape.dim)
        values[value.name] = (tensor.elem_type, sides if tensor.HasField("shape") else None)
    return values


def _fold_shapes(graph: Any, values: Mapping[str, Value]) -> bool:
    """Make constants of what is computed from known shapes alone; return whether there was any.

    onnx's own propagation of such data stops at some operations (`vit` in TensorFlow has them), and has no bounds.
    """
    import onnx

    known: dict[str, NDArray[Any]] = {}
    for one in graph.initializer:
        if math.prod(one.dims) <= SMALL and one.data_location == onnx.TensorProto.DEFAULT:
            with suppress(Exception):  # a tensor without its numbers
                known[one.name] = onnx.numpy_helper.to_array(one)
    folded = False
    for node in graph.node:
        kind, shape = values.get(node.output[0], NO_VALUE) if node.output else NO_VALUE
        if shape is None or len(shape) > 1 or not 0 <= math.prod(shape) <= SMALL:
            continue
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        with suppress(Exception):  # what does not fit stays unknown, and is refused as that
            if node.op_type == "Constant":
                known[node.output[0]] = onnx.numpy_helper.to_array(attributes["value"])
                continue
            if node.op_type == "Shape":
                sides = values[node.input[0]][1]
                if sides is None or min(sides, default=0) < 0:
                    continue
                result = np.array(sides)[attributes.get("start", 0) : attributes.get("end")]
            else:
                result = ARITHMETIC[node.op_type](*(known[name] for name in node.input if name))
            result = result.astype(onnx.helper.tensor_dtype_to_np_dtype(kind)).reshape(shape)
            known[node.output[0]] = result
            tensor = onnx.numpy_helper.from_array(result)
            node.CopyFrom(onnx.helper.make_node("Constant", [], [node.output[0]], value=tensor))
            folded = True
    return folded


ARITHMETIC: Mapping[str, Callable[..., NDArray[Any]]] = {
    "Add": lambda a, b: a + b,
    "Cast": lambda a: a,
    "Concat": lambda *parts: np.concatenate(parts),
    "Gather": lambda a, indices: np.take(a, indices),
    "Identity": lambda a: a,
    "Max": lambda *parts: functools.reduce(np.maximum, parts),
    "Min": lambda *parts: functools.reduce(np.minimum, parts),
    "Mul": lambda a, b: a * b,
    "Neg": lambda a: -a,
    "ReduceProd": lambda a: a.prod(),
    "Reshape": lambda a, shape: a,
    "Slice": lambda a, start, end, axes=0, *step: a[slice(*(one.item() for one in (start, end, *step)))],
    "Squeeze": lambda a, axes=0: a,
    "Sub": lambda a, b: a - b,
    "Unsqueeze": lambda a, axes=0: a,
}
"""Operations on vectors, by which shapes are computed."""


def _unknown(operation: str) -> NotBounded:
    return NotBounded(f"has the operation {operation[:40]!r}, whose memory is known only when it runs")


def _bytes(kind: int, shape: Sequence[int]) -> int:
    import onnx

    try:
        return math.prod(shape) * max(4, onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)
    except KeyError:
        raise NotBounded(f"has numbers of an unknown type ({kind})") from None


def _fill(shape: Sequence[int]) -> Sequence[int]:
    """Return the shape with the channels of images filled up, as onnxruntime does."""
    return (shape[0], -(-shape[1] // CHANNELS) * CHANNELS, *shape[2:]) if len(shape) == 4 else shape


def _extra(operation: str, shapes: Sequence[Sequence[int]]) -> int:
    """Return how many numbers an operation with inputs and outputs of these shapes keeps besides them."""
    if operation in RECURRENT:  # the gates of each step
        return math.prod(side for shape in shapes[:2] for side in shape[:2])
    if "Conv" in operation:  # the pixels under the kernel, for each place of one image
        kernel = next((shape for shape in shapes[1:] if len(shape) > 2), ())
        return math.prod(kernel[1:]) * max(math.prod(shapes[0][2:]), math.prod(shapes[-1][2:]))
    return 0
