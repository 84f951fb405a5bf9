"""weights.safetensors: a network's weights in one layout for both frameworks.

Arrays are float32, named as PyTorch names them (`conv1.weight`) and laid out as PyTorch lays them out: convolutions
(out, in, height, width), dense layers (out, in). A dense layer behind a flattening counts its inputs pixel by pixel,
(height, width, channels), as both wings flatten. The file's metadata tells which network the arrays belong to.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.errors import UserError
from digits.recipe import RECIPES


@dataclass(frozen=True)
class Network:
    """Which network weights belong to: what models.pytorch and models.tensorflow need to build it."""

    model: str
    num_classes: int
    pixel_range: tuple[float, float]  # what the raw pixels 0 and 255 become in the network's first layer


def write_weights(path: Path, network: Network, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Write the network's arrays to `path`."""
    from safetensors.numpy import save

    # One entry, because safetensors writes several in random order, and equal weights are to be equal files.
    metadata = {"network": json.dumps(dataclasses.asdict(network))}
    # save_file would make the file unreadable for everybody else on the machine (mode 600).
    path.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata))


def read_weights(path: Path) -> tuple[Network, dict[str, NDArray[np.float32]]]:
    """Return the network that the file at `path` holds, and its arrays.

    UserError where there is no such file, or it is damaged or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            network = _parse_network(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        for name, array in arrays.items():
            if array.dtype != np.float32:
                raise ValueError(f"'{name}' is {array.dtype}, not float32")
    except FileNotFoundError:
        raise UserError(f"there is no weights file '{path}'; a training script writes one into each run.") from None
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"'{path}' is no weights file of this project ({error}); train the run again.") from None
    return network, arrays


def check_names_and_shapes(
    path: Path, expected: Mapping[str, tuple[int, ...]], arrays: Mapping[str, NDArray[np.float32]]
) -> None:
    """Raise UserError where the arrays read from `path` are not named and shaped as the network expects."""
    found = {name: array.shape for name, array in arrays.items()}
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            raise UserError(
                f"'{path}' does not fit the network: '{name}' has the shape {found.get(name, 'none')}, "
                f"{expected.get(name, 'none')} is expected; use the weights of a run of the same model."
            )


def _parse_network(metadata: Mapping[str, str]) -> Network:
    """Return the network that a file's metadata tells of; KeyError, ValueError or TypeError where it tells of none."""
    network = Network(**json.loads(metadata["network"]))
    low, high = map(float, network.pixel_range)
    if network.model not in RECIPES or int(network.num_classes) < 1 or not -math.inf < low < high < math.inf:
        raise ValueError(f"there is no {network}")
    return Network(network.model, int(network.num_classes), (low, high))
