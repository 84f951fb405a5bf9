"""model.onnx: the finish that both frameworks' exports get, so that whoever reads one need not know who wrote it."""

import json
from collections.abc import Sequence
from pathlib import Path

from digits.files import write_file

INPUT, OUTPUT = "images", "probabilities"


def finish_onnx(path: Path, class_names: Sequence[str]) -> None:
    """Give the model at `path` its standard form and check it.

    Input `images`: uint8 (N, 28, 28), raw pixels. Output `probabilities`: float32 (N, classes). The class names go
    into the metadata as `class_names`, a JSON list.
    """
    import onnx

    model = onnx.load(path)
    for value, name in ((model.graph.input[0], INPUT), (model.graph.output[0], OUTPUT)):
        for node in model.graph.node:
            node.input[:] = [name if used == value.name else used for used in node.input]
            node.output[:] = [name if made == value.name else made for made in node.output]
        value.name = name
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.helper.set_model_props(model, {"class_names": json.dumps(list(class_names), ensure_ascii=False)})
    onnx.checker.check_model(model, full_check=True)
    write_file(path, model.SerializeToString())
