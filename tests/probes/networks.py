"""Each network: its shapes, numbers and gradients, and what comes of its weights on their way through files.

What differs between the frameworks is in the two classes; the questions below them are asked of both alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from framework_process import OTHER

from digits.training.model_table import SOURCES
from digits.training.recipe import RECIPES
from digits.training.weights import ModelConfig, shapes_of

CHECKPOINT = {"pytorch": "model.pt", "tensorflow": "model.keras"}
PIXEL_RANGE = (0.0, 1.0)
BATCH = 64  # images of which gradients are taken


def network_named(name: str, **changes: Any) -> ModelConfig:
    """Return the network of the default recipe, without dropout, so that nothing in it is random."""
    recipe = RECIPES[name]
    return replace(ModelConfig(name, 10, PIXEL_RANGE, recipe.filters, recipe.dense, 0.0), **changes)


def ruled_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return weights that depend on names and shapes alone: the same on every machine, in both frameworks."""
    weights = {}
    for name, shape in shapes.items():
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        if name.endswith(".running_var") or (name.endswith(".weight") and len(shape) == 1):
            weights[name] = generator.uniform(0.5, 1.5, shape)
        elif name.endswith(".weight"):
            weights[name] = generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        else:  # biases, positions and running means
            weights[name] = generator.normal(0, 0.1, shape)
    return weights


class PyTorch:
    """What the questions need of PyTorch."""

    @contextmanager
    def precision(self, name: str) -> Iterator[None]:
        import torch

        torch.set_default_dtype(getattr(torch, name if name == "float64" else "float32"))
        with torch.autocast("cpu", torch.bfloat16, enabled=name == "bfloat16"):
            yield
        torch.set_default_dtype(torch.float32)

    def logits(self, model: Any, images: np.ndarray, training: bool = False) -> np.ndarray:
        import torch

        model.train(training)
        with torch.no_grad():
            return model(torch.from_numpy(images)).numpy()

    def loss_and_gradients(self, model: Any, images: np.ndarray, labels: np.ndarray) -> tuple[float, dict]:
        import torch

        model.train()
        with torch.enable_grad():
            logits = model(torch.from_numpy(images))
        with torch.autocast("cpu", enabled=False):
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels).long())
        loss.backward()
        return loss.item(), {name: value.grad.numpy() for name, value in model.named_parameters()}

    def step(self, model: Any, images: np.ndarray, labels: np.ndarray) -> None:
        import torch

        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        model.train()
        torch.nn.functional.cross_entropy(model(torch.from_numpy(images)), torch.from_numpy(labels).long()).backward()
        optimizer.step()

    def dropout_rates(self, model: Any) -> dict[str, float]:
        import torch

        return {name: layer.p for name, layer in model.named_modules() if isinstance(layer, torch.nn.Dropout)}


class TensorFlow:
    """What the questions need of TensorFlow/Keras."""

    policy: str

    @contextmanager
    def precision(self, name: str) -> Iterator[None]:
        import keras

        self.policy = "mixed_bfloat16" if name == "bfloat16" else name
        keras.config.set_floatx("float64" if name == "float64" else "float32")
        keras.config.set_dtype_policy(keras.config.floatx())
        yield
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")

    def logits(self, model: Any, images: np.ndarray, training: bool = False) -> np.ndarray:
        return model(images, training=training).numpy()

    def loss_and_gradients(self, model: Any, images: np.ndarray, labels: np.ndarray) -> tuple[float, dict]:
        import tensorflow as tf

        from models.tensorflow.files import _named_weights

        for layer in model.layers[:-1]:
            layer.dtype_policy = self.policy
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels.astype(np.int64), logits)
            loss = tf.reduce_mean(losses)
        weights = [(name, variable, axes) for name, variable, axes in _named_weights(model) if variable.trainable]
        gradients = tape.gradient(loss, [variable.value for _, variable, _ in weights])
        found = zip(weights, gradients, strict=True)
        return float(loss), {name: value.numpy().transpose(axes) for (name, _, axes), value in found}

    def step(self, model: Any, images: np.ndarray, labels: np.ndarray) -> None:
        import keras

        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        model.train_on_batch(images, labels)

    def dropout_rates(self, model: Any) -> dict[str, float]:
        import keras

        return {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}


FRAMEWORKS = {"pytorch": PyTorch, "tensorflow": TensorFlow}


def parts(script: ModuleType) -> tuple[str, Any, ModuleType, ModuleType]:
    """Return the framework's name, its class above, its networks and their files."""
    framework = script.__name__.removeprefix("mnist_")
    modules = (import_module(f"models.{framework}.{kind}") for kind in ("networks", "files"))
    return framework, FRAMEWORKS[framework](), *modules


# --- questions ---


def every_network(script: ModuleType, folder: str) -> dict[str, Any]:
    """Return facts about each fresh network; write each, with running statistics, as a run, and what it computes."""
    framework, tools, networks, files = parts(script)
    images, labels = np.load(Path(folder) / "images.npy"), np.load(Path(folder) / "labels.npy")
    golden = golden_logits(script, str(Path(folder) / "golden.npy"))
    facts = {}
    for name in SOURCES:
        config = network_named(name)
        model = networks.build_model(config)
        changed = network_named(
            name,
            filters=tuple(count + 2 for count in config.filters),
            dense=tuple(width + 4 for width in config.dense),
            dropout=0.4,
            num_classes=7,
        )
        other = networks.build_model(changed)
        facts[name] = {
            "parameters": files.count_parameters(model),
            "changed_shapes": {key: array.shape for key, array in files.get_weights(other).items()},
            "dropout_rates": tools.dropout_rates(other),
            "network": vars(networks.config_of(other)),
            "golden": golden[name],
            "one_image": tools.logits(model, images[:1], training=True).tolist(),
        }
        for batch in np.split(images, 4):  # gives running means and variances some values
            tools.logits(model, batch, training=True)
        run = Path(folder) / framework / name
        run.mkdir(parents=True)
        np.save(run / "logits.npy", tools.logits(model, images))
        files.save_weights(model, run / "weights.safetensors")
        files.save_checkpoint(model, run / CHECKPOINT[framework])
        files.export_onnx(model, run / "model.onnx", tuple("0123456789"))
        for precision in ("float32", "float64", "bfloat16"):
            with tools.precision(precision):
                model = _ruled_model(networks, files, name)
                loss, gradients = tools.loss_and_gradients(model, images[:BATCH], labels[:BATCH])
                np.savez(run / f"{precision}.npz", loss=loss, **gradients)
    return facts


def exchanged(script: ModuleType, folder: str) -> dict[str, Any]:
    """Write what each network computes after its weights came back from a file, its own or the other framework's."""
    framework, tools, networks, files = parts(script)
    images = np.load(Path(folder) / "images.npy")
    facts = {}
    for name in SOURCES:
        run, other = (Path(folder) / owner / name for owner in (framework, OTHER[framework]))
        transplanted = files.load_weights(other / "weights.safetensors")
        np.save(run / "transplanted.npy", tools.logits(transplanted, images))
        again = files.load_checkpoint(run / CHECKPOINT[framework])
        np.save(run / "checkpoint.npy", tools.logits(again, images))
        started = files.start_from(other, network_named(name, pixel_range=(-3.0, 3.0), dropout=0.3), False)
        np.save(run / "started.npy", tools.logits(started, images))
        facts[name] = {
            "checkpoint": vars(networks.config_of(again)),
            "started": vars(networks.config_of(started)),
            "dropout_rates": tools.dropout_rates(started),
        }
    return facts


def new_heads(script: ModuleType, folder: str, names: list[str]) -> dict[str, Any]:
    """Return which weights differ from the other framework's run: after a start with a new head, and after training."""
    return {name: _new_head(*parts(script), Path(folder), name) for name in names}


def _new_head(framework: str, tools: Any, _: ModuleType, files: ModuleType, folder: Path, name: str) -> dict[str, Any]:
    images, labels = np.load(folder / "images.npy")[:64], np.load(folder / "labels.npy")[:64] % 7
    run = folder / OTHER[framework] / name
    there = files.get_weights(files.load_weights(run / "weights.safetensors"))

    def differing(model: Any) -> list[str]:
        return [key for key, array in files.get_weights(model).items() if not np.array_equal(array, there[key])]

    fresh = files.start_from(run, network_named(name), True)
    fewer = files.start_from(run / "weights.safetensors", network_named(name, num_classes=7), False)
    found = {"new_head": differing(fresh), "fewer_classes": differing(fewer)}
    files.freeze_features(fewer)
    before = files.get_weights(fewer)
    tools.step(fewer, images, labels)
    after = files.get_weights(fewer)
    found["trained"] = [key for key in after if not np.array_equal(after[key], before[key])]
    found["head_shape"] = after["head.weight"].shape
    found["parameters"] = files.count_parameters(fewer)
    return found


def golden_logits(script: ModuleType, images: str) -> dict[str, list[list[float]]]:
    """Return what each network makes of the images in a .npy file with weights made by rule."""
    _, tools, networks, files = parts(script)
    return {name: tools.logits(_ruled_model(networks, files, name), np.load(images)).tolist() for name in SOURCES}


def _ruled_model(networks: ModuleType, files: ModuleType, name: str) -> Any:
    model = networks.build_model(network_named(name))
    files.set_weights(model, ruled_weights(shapes_of(files.get_weights(model))))
    return model
