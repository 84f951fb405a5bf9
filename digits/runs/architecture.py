"""A network's layers in words that are the same for both frameworks, and fingerprints by which they are compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from digits.runs.schema import Architecture

SHORT = 8  # letters of a fingerprint in names and titles
SHOWN = 6  # layers that a sentence names

STANDARD = {
    "cnn": "f564efa6e29c20928b40b1b36fa7acfaf1c8f30c8efdedb8c639d9533eacf299",
    "cnn-wide": "263c5e716e5a231e5ebccaea500b5c2cb3617a55dc7f07be354189445e8a3fc6",
    "mlp": "970a6cdf56d1160c92dfb042f3b7d2579c1381784cb8f3c68c16121803cd1ff9",
    "lenet5": "9a67a5896f4d97489b72187392e25a475b3177178775cf0ba95b971b0b0163fe",
    "fashion-cnn": "e581aec57e7af842c05da70a7e2c2829963b75e03a0ca57b5f0b0eb9aa72788b",
    "deep-cnn": "b73e2de2490dab661fe1a719f5c18f8f8f99d8c8af811b5553a0b1194e673d76",
    "vgg": "eb58b27fc3fcf91111d907e7eaf220f856f38724c954ff932f314cab235d830a",
    "resnet": "afad29c17ef33ec58719020b7e9d84a5de4c66ca8fa9d1cff6ba0f7311d9c99d",
    "vit": "c71a170e0a16a4d3d3ed48d49c505763b2a4c7b626693887be6523c8b4d60f7a",
    "fast": "36cc95880b56d833226cfa7235295f4d3479b959935c58e5b4834e7186a7e70e",
}
"""The default_fingerprint of each network of this project, as its code is: that of an edited one is another."""


@dataclass(frozen=True)
class Layer:
    """One layer of a network."""

    name: str  # block1.conv2 of a layer in a block
    type: str  # what it does, with its settings: 'convolution 3x3, stride 2'
    output: tuple[int, ...]  # shape for one image, channels last
    weights: Mapping[str, tuple[int, ...]]  # shapes as in weights.safetensors, by the weights' own names

    def text(self) -> str:
        """Return 'convolution 3x3, output 28x28x16, weight 16x1x3x3, bias 16'."""
        shapes = {"output": self.output, **self.weights}
        return ", ".join([self.type, *(f"{name} {by_x(shape)}" for name, shape in shapes.items())])


def layer_type(
    kind: str,
    kernel: Sequence[int] = (),
    stride: Sequence[int] = (),
    dilation: Sequence[int] = (),
    groups: int = 1,
    **settings: object,
) -> str:
    """Return the words for a layer: 'convolution 3x3, stride 2x2', 'max pooling 2x2', 'dropout, rate 0.25'.

    What is as usual is left out: a stride of 1, of a pooling that of its kernel, and settings that are None.
    """
    usual = tuple(kernel) if kind.endswith("pooling") else (1,) * len(stride)
    words = [" ".join([kind, by_x(kernel)]).strip()]
    words += [f"stride {by_x(stride)}"] if tuple(stride) != usual else []
    words += [f"dilation {by_x(dilation)}"] if set(dilation) - {1} else []
    words += [f"groups {groups}"] if groups != 1 else []
    return ", ".join([*words, *(f"{name} {value}" for name, value in settings.items() if value is not None)])


def in_order(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers as they follow on one another, those of a block by name: frameworks order branches freely."""
    blocks = list(dict.fromkeys(layer.name.partition(".")[0] for layer in layers))
    return sorted(layers, key=lambda layer: (blocks.index(layer.name.partition(".")[0]), layer.name))


def architecture_of(layers: Sequence[Layer], usual: Sequence[Layer]) -> Architecture:
    """Return what run.json holds of a network with these layers; `usual`: those it has with its default recipe.

    default_fingerprint does not depend on options such as --filters: where it is another, the code is.
    """
    texts = {layer.name: layer.text() for layer in layers}
    usual_texts = {layer.name: layer.text() for layer in usual}
    return {"fingerprint": _digest(texts), "default_fingerprint": _digest(usual_texts), "layers": texts}


def parameters_in(layers: Sequence[Layer]) -> tuple[int, int]:
    """Return how many numbers training changes, and how many others (running statistics) the network keeps."""
    shapes = [(name, shape) for layer in layers for name, shape in layer.weights.items()]
    kept = sum(prod(shape) for name, shape in shapes if name.startswith("running_"))
    return sum(prod(shape) for _, shape in shapes) - kept, kept


def code_of(info: Mapping[str, Any]) -> str | None:
    """Return which code made the network of a run.json, as the start of its default_fingerprint.

    Runs of earlier versions do not record it: then that of the project's network; None where it is none of these.
    """
    recorded = info.get("architecture") or {}
    found = recorded.get("default_fingerprint") or STANDARD.get(str(info.get("model")))
    return found[:SHORT] if found else None


def layer_differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return the layers in which two networks differ, given by name: "'conv3' (none against convolution 3x3 ...)"."""
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    words = [f"'{name}' ({ours.get(name, 'none')} against {theirs.get(name, 'none')})" for name in names]
    if len(words) > SHOWN:
        words = [*words[:SHOWN], f"{len(words) - SHOWN} more"]
    return ", ".join(words) or ("the order of the layers" if list(ours) != list(theirs) else "")


def by_x(shape: Sequence[int]) -> str:
    """Return '28x28x16'."""
    return "x".join(map(str, shape))


def _digest(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(list(texts.items())).encode()).hexdigest()
