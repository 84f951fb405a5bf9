"""Every network in each framework against the same numbers in golden/.

`pytest -m pytorch --write-golden tests/networks` writes them anew, from PyTorch, after a change that is meant.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from frameworks import CHECKPOINT, network_named, ruled_model, ruled_weights
from onnxruntime.quantization import quantize_dynamic
from paths import ROOT

from mnist_twice.errors import UserError
from mnist_twice.recipes.model_table import SOURCES
from mnist_twice.recipes.recipe import RECIPES
from mnist_twice.training.weights import read_weights, write_weights

BATCH_NORMED = ("deep-cnn", "resnet")
EVERY_NETWORK = pytest.mark.parametrize("name", SOURCES)
EXPORTED = [name if name == "resnet" else pytest.param(name, marks=pytest.mark.nightly) for name in SOURCES]

LAYERS = {
    "mlp": "dense1 dense2 head",
    "fast": "conv1 conv2 pool2 dense1 head",
    "cnn": "conv1 pool1 conv2 pool2 dense1 head",
    "fashion-cnn": "conv1 pool1 conv2 pool2 dense1 head",
    "cnn-wide": "conv1 pool1 conv2 pool2 dense1 head",
    "lenet5": "conv1 pool1 conv2 pool2 dense1 dense2 head",
    "deep-cnn": "conv1 conv2 pool1 conv3 conv4 pool2 conv5 pool3 dense1 norm6 dense2 norm7 head",
    "vgg": "head",
    "resnet": "conv block1.conv1 block1.conv2 block2.conv1 block2.conv2 block2.conv3 block3.conv3 average head",
    "vit": "tokens block1.norm1 block1.qkv block1.dense1 block4.dense2 norm head",
}
"""Tensors in model.onnx of both frameworks that are called after their layers."""


def squares() -> np.ndarray:
    """Eight images of grey squares, uint8 (8, 28, 28)."""
    return np.random.default_rng(0).integers(0, 256, (8, 7, 7), np.uint8).repeat(4, axis=1).repeat(4, axis=2)


@EVERY_NETWORK
def test_logits_are_golden_with_weights_from_a_file(
    framework: str, tools: Any, golden: Callable[..., None], name: str, tmp_path: Path
) -> None:
    """The file is written by neither framework, so that the weights of one give the same numbers in the other."""
    config = network_named(name)
    fresh = tools.networks.build_model(config)
    weights = ruled_weights(tools.files.get_weights(fresh))
    write_weights(tmp_path / "weights.safetensors", config, weights)
    model = tools.files.load_weights(tmp_path / "weights.safetensors")
    logits = tools.logits(model, squares())
    golden("logits", {name: logits}, atol=1e-4 * np.abs(logits).max())
    assert np.ptp(logits, axis=0).min() > 1e-2  # the images are told apart

    rounded = tools.logits(fresh, squares(), bfloat16=True)  # by all layers but the last: its numbers are float32,
    assert (rounded.astype(np.float32).view(np.uint32) & 0xFFFF).any()  # of which the first half is a bfloat16
    tools.files.save_weights(model, tmp_path / "again.safetensors")
    found_config, found = read_weights(tmp_path / "again.safetensors")
    assert found_config == config
    assert found.keys() == weights.keys()
    for key, array in found.items():
        np.testing.assert_array_equal(array, weights[key].astype(np.float32))

    trainable, others = tools.files.count_parameters(model)
    assert (others > 0) == (name in BATCH_NORMED)
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    assert f"| `{name}` | {trainable + others:,} |" in page

    path = tmp_path / CHECKPOINT[framework]
    tools.files.save_checkpoint(model, path)
    np.testing.assert_allclose(tools.logits(tools.load_own(path), squares()), logits, atol=1e-5)
    if framework == "tensorflow":  # it loads wherever Keras is installed
        assert modules_in(path) <= {"keras", "builtins"}


def modules_in(path: Path) -> set[str]:
    """Return the packages whose classes a .keras file names."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))

    def modules(part: Any) -> set[str]:
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        here = {part["module"].partition(".")[0]} if isinstance(part, dict) and part.get("module") else set()
        return here.union(*map(modules, inner))

    assert "keras" in modules(config)
    return modules(config)


@EVERY_NETWORK
def test_gradients_are_golden(
    tools: Any, golden: Callable[..., None], name: str, test_images: np.ndarray, digit_labels: np.ndarray
) -> None:
    """In float64, with the statistics of the batch: each array's norm, and its product with a random one."""
    tools.use_precision("float64")
    model = ruled_model(tools, network_named(name))
    before = tools.files.get_weights(model)
    tools.losses(model, [(test_images[:16], digit_labels[:16])], "SGD", 1.0)  # subtracts the gradient
    after = tools.files.get_weights(model)
    found = []
    for key in sorted(before):
        gradient = before[key] - after[key]
        if not key.endswith(".running_var"):  # PyTorch's is unbiased, Keras's biased (docs/parity.md)
            random = np.random.default_rng(0).normal(size=gradient.shape)
            found.append((np.linalg.norm(gradient), np.sum(gradient * random)))
    assert min(norm for norm, _ in found) > 0
    golden("gradients", {name: np.array(found)}, rtol=1e-9, atol=1e-9 * max(norm for norm, _ in found))


@pytest.fixture(scope="session")
def digit_labels(workplace: Path) -> np.ndarray:
    from mnist_twice.data.datasets import load_dataset

    return load_dataset("mnist-sample", workplace / "mnist_data").test_labels


@EVERY_NETWORK
def test_options_change_the_network(tools: Any, name: str) -> None:
    recipe = RECIPES[name]
    filters, dense = [count + 2 for count in recipe.filters], [width + 4 for width in recipe.dense]
    config = network_named(name, filters=tuple(filters), dense=tuple(dense), dropout=0.4, num_classes=7)
    model = tools.networks.build_model(config)
    assert tools.networks.config_of(model) == config
    shapes = {name: array.shape for name, array in tools.files.get_weights(model).items()}
    assert shapes["head.bias"] == (7,)
    assert {*filters, *dense} <= {size for shape in shapes.values() for size in shape}
    rates = tools.dropout_rates(model)
    light = {"drop1", "drop2", "drop3"} if name == "deep-cnn" else set()
    assert rates == pytest.approx({layer: 0.2 if layer in light else 0.4 for layer in rates})
    assert rates
    # Batch normalisation must not divide by the spread of one image.
    assert np.isfinite(tools.logits(model, squares()[:1], training=True)).all()


@pytest.mark.parametrize("name", EXPORTED)
def test_onnx_computes_the_same(framework: str, tools: Any, name: str, tmp_path: Path) -> None:
    model = ruled_model(tools, network_named(name))
    exponents = np.exp(tools.logits(model, squares()).astype(np.float64))
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    tools.files.export_onnx(model, tmp_path / "model.onnx", tuple("0123456789"), "digits")
    check_export(tmp_path / "model.onnx", LAYERS[name], expected)
    if framework == "pytorch":  # as a PyTorch exports that no longer has the older exporter
        with pytest.MonkeyPatch.context() as patch:
            patch.delattr("torch.onnx.utils")
            tools.files.export_onnx(model, tmp_path / "newer.onnx", tuple("0123456789"), "digits")
        check_export(tmp_path / "newer.onnx", "head", expected)


def check_export(path: Path, layers: str, expected: np.ndarray) -> None:
    """The answers are as expected, layers have their names, no path of this machine is in it, it can be quantized."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for n in (1, 8):
        found = session.run(["probabilities"], {"images": squares()[:n]})[0]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[:n], atol=1e-5)
    tensors = {tensor for node in onnx.load(path).graph.node for tensor in node.output}
    assert tensors >= set(layers.split()), sorted(tensors)
    assert str(ROOT).encode() not in path.read_bytes()
    assert b"site-packages" not in path.read_bytes()
    quantize_dynamic(path, path.with_suffix(".quantized"))


def test_layers_that_do_not_fit_together_are_named(framework: str, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, config = tools.networks, network_named("mlp")
    right = networks.NETWORKS["mlp"]

    def pools_too_much(config: Any) -> Any:
        if framework == "tensorflow":
            keras = import_module("keras")
            return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.MaxPooling2D(30)])
        model = right(config)
        model.flatten = import_module("torch").nn.MaxPool2d(30)
        return model

    pool = {"pytorch": r"'flatten' is MaxPool2d\(kernel_size=30.* gets \(N, 1, 28, 28\)"}.get(framework, "MaxPooling2D")
    for edited, said in (
        (lambda config: right(replace(config, num_classes=7)), r"give \(N, 7\), not \(N, 10\)"),
        (pools_too_much, rf"do not fit together.*{pool}.*; correct mnist_twice/{framework}/networks.py\.$"),
    ):
        monkeypatch.setitem(networks.NETWORKS, "mlp", edited)
        with pytest.raises(UserError, match=said):
            networks.build_model(config)
