"""weights.safetensors: a network's weights in one layout for both frameworks.

Arrays are float32, named as PyTorch names them (`conv1.weight`) and laid out as PyTorch lays them out: convolutions
(out, in, height, width), dense layers (out, in). A dense layer behind a flattening counts its inputs pixel by pixel,
(height, width, channels), as both frameworks' networks flatten. The file's metadata says which network it holds.
"""

import dataclasses
import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from mnist_twice.errors import UserError
from mnist_twice.recipes import Options, Recipe
from mnist_twice.recipes.recipe import widths_problem

PIXEL_RANGES = {"pytorch": (-1.0, 1.0), "tensorflow": (0.0, 1.0)}
"""What the raw pixels 0 and 255 become by default, as specified: in PyTorch as ToTensor and Normalize(0.5, 0.5) make
them, in TensorFlow by a division by 255."""
PARITY_RANGE = (0.0, 1.0)  # in both frameworks, with --parity


@dataclass(frozen=True)
class ModelConfig:
    """Which network weights belong to: what build_model of either framework builds it from."""

    model: str
    num_classes: Annotated[int, Field(ge=1)]  # outputs, with --non-digits one more than there are classes
    pixel_range: tuple[float, float]  # what the raw pixels 0 and 255 become in the network's first layer
    filters: tuple[int, ...]  # of the convolutions, stage by stage
    dense: tuple[int, ...]  # widths of the dense layers before the last
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problem := widths_problem(self.model, self.filters, self.dense):
            raise ValueError(problem)
        return self


def model_config(recipe: Recipe, num_classes: int, framework: str) -> ModelConfig:
    """Return which network the recipe asks for, with the framework's range of pixels or the one of --parity.

    With --non-digits it has one more output than there are classes.
    """
    pixel_range, dropout = (PARITY_RANGE, 0.0) if recipe.parity else (PIXEL_RANGES[framework], recipe.dropout)
    outputs = num_classes + (recipe.non_digits > 0)
    return ModelConfig(recipe.model, outputs, pixel_range, recipe.filters, recipe.dense, dropout)


def network_config(options: Options, num_classes: int, framework: str) -> ModelConfig:
    """Return which network the options ask for: the recipe's, with --init-from for pixels in that network's range.

    Raises UserError as initial_weights does.
    """
    config = model_config(options.recipe, num_classes, framework)
    return initial_weights(options.init_from, config, options.new_head)[0] if options.init_from else config


def write_weights(path: Path, config: ModelConfig, arrays: Mapping[str, NDArray[np.floating]]) -> None:
    """Write the network's arrays to `path`, in float32 whatever they are."""
    from safetensors.numpy import save

    # One entry, because safetensors writes several in random order, and equal weights are to be equal files.
    metadata = {"network": json.dumps(dataclasses.asdict(config))}
    contiguous = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    # save_file would make the file unreadable for everybody else on the machine (mode 600).
    path.write_bytes(save(contiguous, metadata))


def read_weights(path: Path) -> tuple[ModelConfig, dict[str, NDArray[np.float32]]]:
    """Return the network that the file at `path` holds, and its arrays.

    Raises UserError if there is no such file, or it is damaged or holds something else.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, "numpy") as file:
            config = ModelConfig(**json.loads((file.metadata() or {})["network"]))
            return config, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError:
        raise UserError(f"there is no weights file '{path}'; a training script writes one into each run.") from None
    except Exception as error:  # damaged files make the libraries raise a dozen kinds
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise UserError(f"'{path}' is not a weights file of this project ({reason}); train the run again.") from error


def initial_weights(
    path: Path, config: ModelConfig, new_head: bool
) -> tuple[ModelConfig, dict[str, NDArray[np.float32]]]:
    """Return what --init-from PATH starts the asked network from: the network to build, and arrays for it.

    `path` is a run's folder or a weights file. The network is the asked one with the file's range of pixels, which its
    first layer was trained for. The arrays of `head`, the last layer, are left out with `new_head`, and where the
    file has another number of classes. Raises UserError if it holds another model, or one of other widths.
    """
    path = path / "weights.safetensors" if path.is_dir() else path
    found, arrays = read_weights(path)
    for name in ("model", "filters", "dense"):
        there = getattr(found, name)
        if there != getattr(config, name):
            words = there if name == "model" else " ".join(map(str, there))
            raise UserError(f"'{path}' holds a network made with --{name} {words}; add that to start from it.")
    if new_head or found.num_classes != config.num_classes:
        arrays = {name: array for name, array in arrays.items() if not name.startswith("head.")}
    return dataclasses.replace(config, pixel_range=found.pixel_range), arrays


def check_fit(
    path: Path, arrays: Mapping[str, NDArray[np.floating]], expected: Mapping[str, NDArray[np.floating]]
) -> None:
    """Raise UserError if the arrays read from `path` are not named and shaped as the network's own."""
    for name in sorted({*arrays, *expected}):
        found, wanted = (one[name].shape if name in one else "none" for one in (arrays, expected))
        if found != wanted:
            raise UserError(
                f"'{path}' does not fit the network: '{name}' has the shape {found} instead of {wanted}; use a run "
                "of the same model, trained by this version of its code."
            )


def starting_weights(
    options: Options, config: ModelConfig, fresh: Mapping[str, NDArray[np.floating]]
) -> Mapping[str, NDArray[np.floating]]:
    """Return what the options start the network from: --init-from, --parity, or the network's own fresh weights.

    Raises UserError as initial_weights and check_fit do.
    """
    if options.init_from:
        head = {name: array for name, array in fresh.items() if name.startswith("head.")}
        arrays = head | initial_weights(options.init_from, config, options.new_head)[1]
        check_fit(options.init_from, arrays, fresh)
        return arrays
    return parity_weights(fresh, options.recipe.seed) if options.recipe.parity else fresh


def parity_weights(arrays: Mapping[str, NDArray[np.floating]], seed: int) -> dict[str, NDArray[np.floating]]:
    """Return the weights that --parity starts from, float64 of the same names and shapes as `arrays`.

    Arrays of two and more axes are normal with the variance 2 / fan-in of He et al. (2015), 'Delving deep into
    rectifiers', arXiv 1502.01852, from a generator keyed by seed and name; biases and running means are 0, scales and
    running variances 1.
    """
    weights: dict[str, NDArray[np.floating]] = {}
    for name, array in arrays.items():
        if array.ndim >= 2:
            generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
            weights[name] = generator.normal(0, math.sqrt(2 / math.prod(array.shape[1:])), array.shape)
        else:
            weights[name] = np.full(array.shape, float(name.endswith((".weight", ".running_var"))))
    return weights
