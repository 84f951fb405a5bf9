"""A run's model.onnx as templates/network.js evaluates it: its operations in their order, and its weights in one array.

onnxruntime folds what does not depend on the image first, so that only what JavaScript has to compute is left.
"""

import base64
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]

from mnist_twice.errors import UserError

RESHAPES = ("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")  # they leave the values in their order
WINDOW: dict[str, list[Any]] = {"auto_pad": ["NOTSET"], "dilations": [[1, 1]]}
OPERATIONS: dict[str, dict[str, list[Any]]] = {
    "Add": {},
    "Cast": {"to": [1, 2]},  # float32, uint8
    "Conv": WINDOW | {"group": [1]},
    "Gemm": {"alpha": [1], "beta": [1], "transA": [0]},
    "GlobalAveragePool": {},
    "MatMul": {},
    "MaxPool": WINDOW | {"ceil_mode": [0], "storage_order": [0]},
    "Mul": {},
    "Pad": {"mode": ["constant"]},
    "ReduceMean": {},
    "Relu": {},
    "Softmax": {"axis": [-1, 1]},
    "Transpose": {},
}
"""The operations that network.js computes, and the values that it takes of their attributes: first ONNX's default."""
SIDES = {"Conv": 4, "Gemm": 2, "GlobalAveragePool": 4, "MatMul": 2, "MaxPool": 4, "ReduceMean": 4, "Softmax": 2}
"""How many sides the first input of an operation has; the first side is the one image."""


def read_network(path: Path) -> dict[str, Any]:
    """Return what network.js evaluates of a run's model.onnx; raises UserError if it cannot.

    'image' is the name of the input. 'steps': 'op', the names of its 'inputs' and 'output', the output's 'shape', and
    ONNX's attributes. 'weights': base64 of float32, little-endian, of all 'constants', of which each has its 'start'
    there and its 'shape'.
    """
    graph = _folded(path)
    arrays = {array.name: onnx.numpy_helper.to_array(array) for array in graph.initializer}
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes = {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim] for value in values}
    steps = []
    for node in graph.node:
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        attributes |= {name: value.decode() for name, value in attributes.items() if isinstance(value, bytes)}
        if node.op_type == "Constant":
            arrays[node.output[0]] = onnx.numpy_helper.to_array(attributes["value"])
            continue
        ends = [shapes.get(name, []) for name in (node.input[0], node.output[0])]
        if fault := _fault(node.op_type, attributes, *ends):
            fault += f"; the page has only {', '.join(OPERATIONS)}"
            raise UserError(f"'{path.parent.name}' {fault}. Choose another network with --run.")
        step = {"op": node.op_type, "inputs": list(node.input), "output": node.output[0], "shape": ends[1]}
        reshapes = node.op_type in RESHAPES
        steps.append(step | ({"op": "Reshape", "inputs": [node.input[0]]} if reshapes else attributes))
    constants = {}
    weights = [np.zeros(0, np.float32)]
    for name in dict.fromkeys(name for step in steps for name in step["inputs"] if name in arrays):
        constants[name] = {"start": sum(map(len, weights)), "shape": arrays[name].shape}
        weights.append(arrays[name].astype(np.float32).ravel())
    text = base64.b64encode(np.concatenate(weights).astype("<f4").tobytes()).decode()
    return {"image": graph.input[0].name, "steps": steps, "constants": constants, "weights": text}


def _folded(path: Path) -> Any:
    """Return the graph of the model for one image, its constants folded and its shapes known."""
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]  # they may say that the number of images is not known
    with tempfile.TemporaryDirectory() as folder:
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        settings.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        return onnx.shape_inference.infer_shapes(onnx.load(settings.optimized_model_filepath)).graph


def _fault(operation: str, attributes: dict[str, Any], shape: list[int], result: list[int]) -> str:
    """Return why network.js does not compute the operation with these attributes and shapes, as a clause; '' if it
    does."""
    if not result or not all(result):
        return f"has the operation {operation} with a result of unknown shape"
    if operation not in (*OPERATIONS, *RESHAPES):
        return f"has the operation {operation}"
    for name, values in OPERATIONS.get(operation, {}).items():
        if (value := attributes.get(name, values[0])) not in values:
            return f"has the operation {operation} with {name} {value}"
    if operation in SIDES and (len(shape) != SIDES[operation] or shape[0] != 1):
        return f"has the operation {operation} on something other than an image or a row of numbers"
    return ""
