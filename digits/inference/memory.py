"""How much memory a model.onnx takes, by the shapes of its values: asked before onnxruntime opens the file.

A file of 32 kB can ask for 8 GB when it runs, or already when it is opened and its constants are folded.
"""

import functools
import math
from collections.abc import Sequence
from pathlib import Path

from digits.files import read_bytes

LARGEST = 1 << 31  # bytes of a file; no ONNX model can have more
MOST_BYTES = 1 << 30  # of all values that a network computes, together
SMALL = 64  # numbers; a larger constant is a weight, whose numbers decide no shape
CHANNELS = 16  # onnxruntime fills up the channels of images to a multiple of it
UNBOUNDED = ("Attention", "DeformConv", "Einsum", "RoiAlign")  # these take more than their inputs and outputs tell
RECURRENT = ("GRU", "LSTM", "RNN")
MAKE_SHAPES = ("Add", "Concat", "Gather", "Mul", "Range", "Sub")
"""What these make onnx computes itself while it infers shapes, in 150 bytes for each number of a vector."""
LONGEST_SHAPE = 1000  # numbers of such a vector
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
        nodes = self._model.graph.node
        shapes = self._infer(n, data_prop=False)
        for node in nodes:
            for name in node.output if node.op_type in MAKE_SHAPES else ():
                _, shape = shapes.get(name, NO_VALUE)
                if shape is not None and len(shape) == 1 and not 0 <= shape[0] <= LONGEST_SHAPE:
                    raise _unknown(node.op_type)
        shapes = self._infer(n, data_prop=True)
        total = self._declared
        for node in nodes:
            for name in filter(None, node.output):
                kind, shape = shapes.get(name, NO_VALUE)
                if shape is None or min(shape, default=0) < 0 or kind in (0, STRING):
                    raise _unknown(node.op_type)
                total += _bytes(kind, _fill(shape))
            total += 4 * _extra(
                node.op_type, [shapes.get(name, NO_VALUE)[1] or () for name in (*node.input, *node.output)]
            )
        return total

    def _infer(self, n: int, data_prop: bool) -> dict[str, Value]:
        """Return what is known of each value for n images; with data_prop what is computed from shapes is followed."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        model.graph.input[self._input].type.tensor_type.shape.dim[0].dim_value = n
        try:
            graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=data_prop).graph
        except Exception as error:  # onnx raises several kinds
            raise NotBounded(f"has operations that do not fit one another ({type(error).__name__})") from None
        values: dict[str, Value] = {one.name: (one.data_type, tuple(one.dims)) for one in graph.initializer}
        for value in (*graph.input, *graph.value_info, *graph.output):
            tensor = value.type.tensor_type
            sides = tuple(side.dim_value if side.HasField("dim_value") else -1 for side in tensor.shape.dim)
            values[value.name] = (tensor.elem_type, sides if tensor.HasField("shape") else None)
        return values


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
