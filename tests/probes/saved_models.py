"""What saved models compute, and which files are refused; forged ones to try."""

from __future__ import annotations

import os
import zipfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def probabilities(script: ModuleType, images: str, models: list[str]) -> list[list[list[float]]]:
    """Return what each saved model, weights.safetensors or checkpoint, makes of the images in a .npy file."""
    files = import_module(f"models.{script.__name__.removeprefix('mnist_')}.files")
    pixels = np.load(images)
    load = {name: files.load_weights if name.endswith(".safetensors") else files.load_checkpoint for name in models}
    answers = [script.predict(load[name](Path(name)), pixels) for name in models]
    assert all(answer.dtype == np.float32 for answer in answers)
    return [answer.tolist() for answer in answers]


def refusals(script: ModuleType, paths: list[str], edited: bool = False) -> list[str]:
    """Return the sentences with which load_weights, or load_checkpoint, refuses the files.

    edited: as if the code of `cnn` had been changed since they were written, to eight filters more in its second layer.
    """
    from dataclasses import replace

    from digits.errors import UserError

    framework = script.__name__.removeprefix("mnist_")
    files, networks = import_module(f"models.{framework}.files"), import_module(f"models.{framework}.networks")
    cnn = networks.cnn
    if edited:

        def another(config):
            return cnn(replace(config, filters=(16, 40)))

        networks.cnn = another
    sentences = []
    for path in paths:
        load = files.load_checkpoint if path.endswith((".pt", ".keras")) else files.load_weights
        try:
            load(Path(path))
            sentences.append(f"'{path}' was accepted.")
        except UserError as error:
            sentences.append(str(error))
    return sentences


def write_model_files(script: ModuleType, folder: str) -> None:
    """Write an untrained cnn into the folder: weights.safetensors, and model.pt or model.keras; and forged ones.

    For Keras: lambda.keras, whose function makes the folder `executed`.
    """
    from digits.training.recipe import RECIPES
    from digits.training.weights import ModelConfig, config_to_json

    os.chdir(folder)
    framework = script.__name__.removeprefix("mnist_")
    files, networks = import_module(f"models.{framework}.files"), import_module(f"models.{framework}.networks")
    recipe = RECIPES["cnn"]
    config = ModelConfig("cnn", 10, networks.PIXEL_RANGE, recipe.filters, recipe.dense, 0.0)
    model = networks.build_model(config)
    files.save_weights(model, Path("weights.safetensors"))
    if framework == "pytorch":
        files.save_checkpoint(model, Path("model.pt"))
        _forge_pytorch(model.state_dict(), vars(config))
    else:
        files.save_checkpoint(model, Path("model.keras"))
        _forge_keras()
        with zipfile.ZipFile("lambda.keras", "a") as archive:
            archive.writestr("network.json", config_to_json(config))


def _forge_pytorch(state: dict[str, Any], config: dict[str, Any]) -> None:
    import torch

    sound = {"network": config, "state_dict": state}
    forged = [
        None,
        [sound],
        state,
        {"network": config},
        {**sound, "network": None},
        {**sound, "network": {**config, "filters": state}},
        {**sound, "network": {**config, "filters": (10**5, 10**5), "dense": (10**6,)}},
        {**sound, "network": {**config, "dropout": float("inf")}},
        {**sound, "state_dict": None},
        {**sound, "state_dict": dict.fromkeys(state, 1.0)},
        {**sound, "state_dict": {name: tensor.to_sparse() for name, tensor in state.items()}},
        {**sound, "state_dict": {name: tensor[:1] for name, tensor in state.items()}},
    ]
    for number, content in enumerate(forged):
        torch.save(content, f"forged{number}.pt")


def _forge_keras() -> None:
    import keras

    function = keras.layers.Lambda(lambda x: __import__("os").makedirs("executed", exist_ok=True) or x)
    keras.Sequential([keras.Input((28, 28)), function]).save("lambda.keras")
