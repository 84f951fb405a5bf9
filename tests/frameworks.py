"""What tests of the two frameworks share. Nothing here imports one before it is called: a run of pytest has one."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import ROOT

from mnist_twice.errors import UserError
from mnist_twice.recipes.recipe import RECIPES
from mnist_twice.training import ModelConfig

CHECKPOINT = {"pytorch": "model.pt", "tensorflow": "model.keras"}
# Trainings as small as those of the tests are no faster with two threads; and results depend on how many there are.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}


def environment() -> dict[str, str]:
    """Return the environment of a process that is to find the project and the tests' modules from any folder."""
    return os.environ | ONE_THREAD | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}


def start_script(framework: str, *words: object, cwd: Path, **more: Any) -> subprocess.Popen[str]:
    """Start the framework's script in the folder `cwd`, as a user does who has not installed the other framework."""
    for package in {"pytorch": ("tensorflow", "keras"), "tensorflow": ("torch",)}[framework]:
        absent = cwd / "absent" / package / "__init__.py"
        absent.parent.mkdir(parents=True, exist_ok=True)
        absent.write_text(f"raise ModuleNotFoundError('there is no {package} here', name='{package}')\n")
    return subprocess.Popen(
        [sys.executable, str(ROOT / f"mnist_{framework}.py"), *map(str, words)],
        cwd=cwd,
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(cwd / "absent")},
        text=True,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more),
    )


def network_named(name: str, **changes: Any) -> ModelConfig:
    """Return the network of the default recipe, without dropout, so that nothing in it is random."""
    recipe = RECIPES[name]
    return replace(ModelConfig(name, 10, (0.0, 1.0), recipe.filters, recipe.dense, 0.0), **changes)


def ruled_weights(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return weights that depend on names and shapes alone: the same on every machine, in both frameworks."""
    weights = {}
    for name, shape in ((name, array.shape) for name, array in arrays.items()):
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        if name.endswith(".running_var") or (name.endswith(".weight") and len(shape) == 1):
            weights[name] = generator.uniform(0.5, 1.5, shape)
        elif name.endswith(".weight"):
            weights[name] = generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        else:  # biases, positions and running means
            weights[name] = generator.normal(0, 0.1, shape)
    return weights


Batch = tuple[np.ndarray, np.ndarray]  # images and labels


class PyTorch:
    """The networks in PyTorch, as the tests use them."""

    def __init__(self) -> None:
        self.files = import_module("mnist_twice.pytorch.files")
        self.networks = import_module("mnist_twice.pytorch.networks")

    def use_precision(self, name: str) -> None:
        """Have new networks compute in float32 or float64."""
        import torch

        torch.set_default_dtype(getattr(torch, name))

    def load_own(self, path: Path) -> Any:
        """Return the network in model.pt, read as docs/use_in_your_code.md says."""
        import torch

        saved = torch.load(path, weights_only=True)
        model = self.networks.build_model(ModelConfig(**saved["network"]))
        model.load_state_dict(saved["state_dict"])
        return model

    def logits(self, model: Any, images: np.ndarray, training: bool = False, bfloat16: bool = False) -> np.ndarray:
        import torch

        model.train(training)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits: np.ndarray = model(torch.from_numpy(images)).numpy()
        return logits

    def losses(self, model: Any, batches: Sequence[Batch], optimizer: str, rate: float) -> list[float]:
        """Train with the framework's own optimizer, 'Adam' or 'SGD'; return the loss of each batch before its step."""
        import torch

        model.train()
        steps, losses = getattr(torch.optim, optimizer)(model.parameters(), rate), []
        for images, labels in batches:
            steps.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(images)), torch.from_numpy(labels).long())
            loss.backward()
            steps.step()
            losses.append(loss.item())
        return losses

    def dropout_rates(self, model: Any) -> dict[str, float]:
        import torch

        return {name: layer.p for name, layer in model.named_modules() if isinstance(layer, torch.nn.Dropout)}


class TensorFlow:
    """The networks in TensorFlow/Keras, as the tests use them."""

    def __init__(self) -> None:
        self.files = import_module("mnist_twice.tensorflow.files")
        self.networks = import_module("mnist_twice.tensorflow.networks")

    def use_precision(self, name: str) -> None:
        import keras

        keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)

    def load_own(self, path: Path) -> Any:
        import keras

        return keras.saving.load_model(path)

    def logits(self, model: Any, images: np.ndarray, training: bool = False, bfloat16: bool = False) -> np.ndarray:
        if bfloat16:
            import_module("mnist_twice.tensorflow.fit").set_precision(model, "bfloat16")
        logits: np.ndarray = model(images, training=training).numpy()
        return logits

    def losses(self, model: Any, batches: Sequence[Batch], optimizer: str, rate: float) -> list[float]:
        import keras

        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(getattr(keras.optimizers, optimizer)(rate), loss, run_eagerly=True)
        losses = []
        for images, labels in batches:
            model.reset_metrics()  # or the loss is the mean over all batches
            losses.append(float(model.train_on_batch(images, labels)))
        return losses

    def dropout_rates(self, model: Any) -> dict[str, float]:
        import keras

        return {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}


TOOLS = {"pytorch": PyTorch, "tensorflow": TensorFlow}


def ruled_model(tools: Any, config: ModelConfig) -> Any:
    """Return the network with weights made by rule."""
    model = tools.networks.build_model(config)
    tools.files.set_weights(model, ruled_weights(tools.files.get_weights(model)))
    return model


def refusal(load: Callable[[Path], Any], path: Path) -> str:
    """Return the sentence with which the file is refused."""
    with pytest.raises(UserError) as error:
        load(path)
    sentence = str(error.value)
    assert f"'{path}'" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence
