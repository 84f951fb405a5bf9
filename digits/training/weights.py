"""weights.safetensors: a network's weights in one layout for both frameworks.

Arrays are float32, named as PyTorch names them (`conv1.weight`) and laid out as PyTorch lays them out: convolutions
(out, in, height, width), dense layers (out, in). A dense layer behind a flattening counts its inputs pixel by pixel,
(height, width, channels), as both frameworks' networks flatten. The file's metadata says which network it holds.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from digits.errors import UserError
from digits.files import write_file
from digits.recipes.options import Options
from digits.recipes.recipe import Recipe, widths_problem
from digits.training.parity import PARITY_RANGE

PIXEL_RANGES = {"pytorch": (-1.0, 1.0), "tensorflow": (0.0, 1.0)}
"""What the raw pixels 0 and 255 become by default, as specified: in PyTorch as ToTensor and Normalize(0.5, 0.5) make
them, in TensorFlow by a division by 255."""
SHOWN = 8  # arrays that a refusal names; a deep network has a hundred


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class ModelConfig:
    """Which network weights belong to: what build_model of either framework builds it from."""

    model: str
    num_classes: Annotated[int, Field(ge=1)]
    pixel_range: tuple[float, float]  # what the raw pixels 0 and 255 become in the network's first layer
    filters: tuple[int, ...]  # of the convolutions, stage by stage
    dense: tuple[int, ...]  # widths of the dense layers before the last
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pixel_range[0] >= self.pixel_range[1] or widths_problem(self.model, self.filters, self.dense):
            raise ValueError(f"there is no {self}")
        return self


def model_config(recipe: Recipe, num_classes: int, framework: str) -> ModelConfig:
    """Return which network the recipe asks for, with the framework's range of pixels or the one of --parity."""
    pixel_range, dropout = (PARITY_RANGE, 0.0) if recipe.parity else (PIXEL_RANGES[framework], recipe.dropout)
    return ModelConfig(recipe.model, num_classes, pixel_range, recipe.filters, recipe.dense, dropout)


def network_config(options: Options, num_classes: int, framework: str) -> ModelConfig:
    """Return which network the options ask for: the recipe's, with --init-from for pixels in that network's range.

    UserError as in initial_weights.
    """
    config = model_config(options.recipe, num_classes, framework)
    return initial_weights(options.init_from, config, options.new_head)[0] if options.init_from else config


def write_weights(path: Path, config: ModelConfig, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Write the network's arrays to `path`, in float32 whatever they are."""
    from safetensors.numpy import save

    # One entry, because safetensors writes several in random order, and equal weights are to be equal files.
    metadata = {"network": config_to_json(config)}
    contiguous = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    # save_file would make the file unreadable for everybody else on the machine (mode 600).
    write_file(path, save(contiguous, metadata))


def read_weights(path: Path) -> tuple[ModelConfig, dict[str, NDArray[np.float32]]]:
    """Return the network that the file at `path` holds, and its arrays.

    UserError where there is no such file, or it is damaged or holds something else.
    """
    from safetensors import safe_open

    with reading(path, "weights file"):
        with safe_open(path, "numpy") as file:
            config = config_from_json((file.metadata() or {})["network"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        for name, array in arrays.items():
            if array.dtype != np.float32:
                raise ValueError(f"'{name}' is {array.dtype}, not float32")
    return config, arrays


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Have whatever goes wrong while the file at `path` is read end in a UserError: it is not of the named kind."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no {kind} '{path}'; a training script writes one into each run.") from None
    except Exception as error:  # damaged files make the libraries raise a dozen kinds
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise UserError(f"'{path}' is no {kind} of this project ({reason}); train the run again.") from error


def initial_weights(
    path: Path, config: ModelConfig, new_head: bool
) -> tuple[ModelConfig, dict[str, NDArray[np.float32]]]:
    """Return what --init-from PATH starts the asked network from: the network to build, and arrays for it.

    `path` is a run's folder or a weights file. The network is the asked one with the file's range of pixels, which its
    first layer was trained for. The arrays of `head`, the last layer, are left out with `new_head`, and where the
    file has another number of classes. UserError where it holds another model, or one of other widths.
    """
    path = path / "weights.safetensors" if path.is_dir() else path
    found, arrays = read_weights(path)
    for name in ("model", "filters", "dense"):
        there, asked = getattr(found, name), getattr(config, name)
        if there != asked:
            words = there if name == "model" else " ".join(map(str, there))
            raise UserError(f"'{path}' holds a network made with --{name} {words}; add that to start from it.")
    if new_head or found.num_classes != config.num_classes:
        arrays = {name: array for name, array in arrays.items() if not _of_head(name)}
    return dataclasses.replace(config, pixel_range=found.pixel_range), arrays


def fitting_weights(
    path: Path, arrays: Mapping[str, NDArray[np.float32]], fresh: Mapping[str, NDArray[np.floating]]
) -> dict[str, NDArray[np.floating]]:
    """Return the arrays read from `path`, with the network's fresh ones for a `head` that they lack.

    UserError where they do not fit the network otherwise.
    """
    head = {} if any(map(_of_head, arrays)) else {name: array for name, array in fresh.items() if _of_head(name)}
    completed = {**arrays, **head}
    check_names_and_shapes(path, shapes_of(fresh), completed)
    return completed


def check_names_and_shapes(path: Path, expected: Mapping[str, tuple[int, ...]], arrays: Mapping[str, Any]) -> None:
    """Raise UserError where the arrays or tensors read from `path` are not named and shaped as the network expects."""
    found = shapes_of(arrays)
    differences = [
        f"'{name}' has the shape {found.get(name, 'none')}, {expected.get(name, 'none')} is expected"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    ]
    if differences:
        more = f", and so on ({len(differences)} in all)" if len(differences) > SHOWN else ""
        raise UserError(
            f"'{path}' does not fit the network: {', '.join(differences[:SHOWN])}{more}; "
            "use a run of the same model, trained by this version of its code."
        )


def shapes_of(arrays: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return each array's or tensor's shape under its name."""
    return {name: tuple(array.shape) for name, array in arrays.items()}


def _of_head(name: str) -> bool:
    return name.startswith("head.")


def config_to_json(config: ModelConfig) -> str:
    """Return the text from which config_from_json makes the network again."""
    return json.dumps(dataclasses.asdict(config))


def config_from_json(text: str | bytes) -> ModelConfig:
    """Return the network that the text describes; some exception where it describes none."""
    content = json.loads(text)
    content.pop("layers", None)  # in files of earlier versions
    config = TypeAdapter(ModelConfig).validate_json(json.dumps(content))
    if json.loads(config_to_json(config)) != content:
        raise ValueError("its numbers are written as something else")
    return config
