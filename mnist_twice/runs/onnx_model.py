"""model.onnx: the form that both frameworks' exports get, so that whoever reads one need not know who wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

INPUT, OUTPUT = "images", "probabilities"
NO_DIGIT = "no digit"


def finish_onnx(
    model: onnx.ModelProto,
    path: Path,
    class_names: Sequence[str],
    preprocessing: str,
    layer_of: Callable[[onnx.NodeProto], str],
) -> None:
    """Write the exported model to `path` in its standard form, checked.

    Input `images`: uint8 (N, 28, 28), raw pixels. Output `probabilities`: float32 (N, classes). The metadata have
    `class_names`, a JSON list, which ends with NO_DIGIT where the network was trained with --non-digits, and
    `preprocessing` (mnist_twice/photos/preprocess.py). What a layer gives is a tensor of the layer's name, such as
    `conv1` or `block1.conv2`. layer_of: which layer a node belongs to, '' for none.
    """
    import onnx

    graph = model.graph
    names = _layer_outputs(graph, layer_of)
    names |= {graph.input[0].name: INPUT, graph.output[0].name: OUTPUT}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        node.ClearField("doc_string")  # here and in the metadata PyTorch leaves stack traces, with the machine's paths
        del node.metadata_props[:]
    for value, name in ((graph.input[0], INPUT), (graph.output[0], OUTPUT)):
        value.name = name
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.value_info[:]  # PyTorch's names weights as well, at which onnxruntime's quantization fails
    del graph.metadata_props[:], model.metadata_props[:]
    extra = graph.output[0].type.tensor_type.shape.dim[1].dim_value - len(class_names)
    names_of_outputs = [*class_names, *[NO_DIGIT] * extra]
    as_json = json.dumps(names_of_outputs, ensure_ascii=False)
    onnx.helper.set_model_props(model, {"class_names": as_json, "preprocessing": preprocessing})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def _layer_outputs(graph: onnx.GraphProto, layer_of: Callable[[onnx.NodeProto], str]) -> dict[str, str]:
    """Return the layers' names by those of the tensors that they give: what the last node of each layer makes."""
    tensors = {}
    for node in graph.node:
        layer = layer_of(node)
        # Exporters make one node of a convolution and its normalisation. Some call it by the one, some by the other.
        tensors[layer.replace("norm", "conv") if node.op_type == "Conv" else layer] = node.output[0]
    blocks = {layer.rpartition(".")[0] for layer in tensors}  # their last layer gives what they give
    return {tensor: layer for layer, tensor in tensors.items() if layer and layer not in blocks}
