"""Every network in both frameworks: the same parameters, numbers, gradients and options, and files that travel.

`PYTHONPATH=.:tests python tests/models/test_networks.py` writes the golden logits anew, from PyTorch, after a change
that is meant.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import Once
from framework_process import OTHER, PACKAGES, ask, ask_both
from paths import ROOT
from probes.networks import CHECKPOINT, PIXEL_RANGE

from digits.data.datasets import load_dataset
from digits.training.model_table import SOURCES, models_table
from digits.training.recipe import RECIPES

GOLDEN = Path(__file__).parent / "golden" / "logits.npz"
BATCH_NORMED = ("deep-cnn", "resnet")
HEADS_CHANGED = [*BATCH_NORMED, "vit"]
IMAGES = 200
EVERY_NETWORK = pytest.mark.parametrize("name", SOURCES)


@pytest.fixture(scope="module")
def computed(workplace: Path, once: Once) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A folder with images.npy and labels.npy, of the sample's test images, and what the networks made of them.

    probes.networks writes FRAMEWORK/NETWORK/ into it, and finds out about each framework's networks what the fixtures
    below give by framework.
    """

    def make(folder: Path) -> dict[str, dict[str, Any]]:
        sample = load_dataset("mnist-sample", workplace / "mnist_data")
        np.save(folder / "images.npy", sample.test_images[:IMAGES])
        np.save(folder / "labels.npy", sample.test_labels[:IMAGES])
        np.save(folder / "golden.npy", np.load(GOLDEN)["images"])
        return {
            question: ask_both(f"networks.{question}", str(folder), *more)
            for question, *more in (["every_network"], ["exchanged"], ["new_heads", HEADS_CHANGED])
        }

    return once("networks", make)


@pytest.fixture(scope="module")
def folder(computed: tuple[Path, dict[str, Any]]) -> Path:
    return computed[0]


@pytest.fixture(scope="module")
def facts(computed: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    return computed[1]["every_network"]


@pytest.fixture(scope="module")
def exchanged(computed: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    return computed[1]["exchanged"]


@pytest.fixture(scope="module")
def new_heads(computed: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    return computed[1]["new_heads"]


@EVERY_NETWORK
def test_parameters_are_as_many_in_both_and_in_the_table(facts: dict[str, Any], name: str) -> None:
    parameters = facts["pytorch"][name]["parameters"]
    for framework in PACKAGES:
        assert facts[framework][name]["parameters"] == parameters
    assert (parameters[1] > 0) == (name in BATCH_NORMED)
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    assert f"| `{name}` | {sum(parameters):,} |" in page


@EVERY_NETWORK
def test_options_change_the_network_alike(facts: dict[str, Any], name: str) -> None:
    recipe, (ours, theirs) = RECIPES[name], (facts[framework][name] for framework in PACKAGES)
    assert ours["changed_shapes"] == theirs["changed_shapes"]
    assert ours["network"] == theirs["network"]
    sizes = [size for shape in ours["changed_shapes"].values() for size in shape]
    for size in (*(count + 2 for count in recipe.filters), *(width + 4 for width in recipe.dense)):
        assert size in sizes
    assert ours["changed_shapes"]["head.bias"] == [7]
    assert ours["dropout_rates"] == pytest.approx(theirs["dropout_rates"])
    light = {"drop1", "drop2", "drop3"} if name == "deep-cnn" else set()
    expected = {layer: 0.2 if layer in light else 0.4 for layer in ours["dropout_rates"]}
    assert ours["dropout_rates"] == pytest.approx(expected)
    assert expected


@EVERY_NETWORK
def test_one_image_alone_can_be_trained_on(facts: dict[str, Any], name: str) -> None:
    for framework in PACKAGES:
        assert np.isfinite(facts[framework][name]["one_image"]).all()


@EVERY_NETWORK
def test_first_loss_and_every_gradient_agree(folder: Path, facts: dict[str, Any], name: str) -> None:
    for precision, tolerance in (("float32", 1e-4), ("float64", 1e-10)):
        ours, theirs = (np.load(folder / framework / name / f"{precision}.npz") for framework in facts)
        assert sorted(ours.files) == sorted(theirs.files)
        assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]), rel=tolerance)
        for key in ours.files[1:]:
            assert ours[key].dtype == theirs[key].dtype == np.dtype(precision)
            differences, largest = np.abs(ours[key] - theirs[key]), np.abs(theirs[key]).max()
            assert largest > 0
            if precision == "float32" and name in BATCH_NORMED:
                # Normalising a batch magnifies float32's rounding until a ReLU or a pooling here and there decides
                # otherwise; PyTorch's own gradients in float32 and float64 are as far apart as these.
                assert np.linalg.norm(differences) < 0.05 * np.linalg.norm(theirs[key]), key
            else:
                assert differences.max() <= tolerance * largest, key


@EVERY_NETWORK
def test_bfloat16_trains(folder: Path, framework: str, facts: dict[str, Any], name: str) -> None:
    rounded, exact = (np.load(folder / framework / name / f"{kind}.npz") for kind in ("bfloat16", "float32"))
    assert rounded["loss"] != exact["loss"]  # it was computed otherwise
    assert rounded["loss"] == pytest.approx(exact["loss"], rel=0.05)
    for key in exact.files[1:]:
        assert rounded[key].dtype == np.float32
        difference = np.linalg.norm(rounded[key] - exact[key]) / np.linalg.norm(exact[key])
        assert difference < 0.5, key


@EVERY_NETWORK
def test_weights_travel_both_ways(
    folder: Path, framework: str, facts: dict[str, Any], exchanged: dict[str, Any], name: str
) -> None:
    run, other = folder / framework / name, folder / OTHER[framework] / name
    logits, theirs = np.load(run / "logits.npy"), np.load(other / "logits.npy")
    assert logits.shape == (IMAGES, 10)
    np.testing.assert_allclose(np.load(run / "transplanted.npy"), theirs, atol=1e-4)
    np.testing.assert_allclose(np.load(run / "started.npy"), theirs, atol=1e-4)
    np.testing.assert_allclose(np.load(run / "checkpoint.npy"), logits, atol=1e-5)
    assert np.abs(logits - theirs).max() > 0.01  # else nothing was shown
    assert exchanged[framework][name]["checkpoint"]["model"] == name
    # A start takes the pixels' range from the run, dropout as asked.
    started = exchanged[framework][name]["started"]
    assert (started["pixel_range"], started["dropout"]) == (list(PIXEL_RANGE), 0.3)
    assert max(exchanged[framework][name]["dropout_rates"].values()) == pytest.approx(0.3)


@EVERY_NETWORK
def test_onnx_computes_the_same(folder: Path, framework: str, facts: dict[str, Any], name: str) -> None:
    run = folder / framework / name
    session = onnxruntime.InferenceSession(run / "model.onnx", providers=["CPUExecutionProvider"])
    exponents = np.exp(np.load(run / "logits.npy").astype(np.float64))
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    images = np.load(folder / "images.npy")
    for n in (1, IMAGES):
        found = session.run(["probabilities"], {"images": images[:n]})[0]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[:n], atol=1e-5)


@EVERY_NETWORK
def test_keras_file_needs_none_of_our_code(folder: Path, facts: dict[str, Any], name: str) -> None:
    with zipfile.ZipFile(folder / "tensorflow" / name / CHECKPOINT["tensorflow"]) as archive:
        config = json.loads(archive.read("config.json"))

    def modules(part: Any) -> set[str]:
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        here = {part["module"]} if isinstance(part, dict) and isinstance(part.get("module"), str) else set()
        return here.union(*map(modules, inner))

    found = modules(config)
    assert "keras.layers" in found
    assert {module.partition(".")[0] for module in found} <= {"keras", "builtins"}


@pytest.mark.parametrize("name", HEADS_CHANGED)
def test_new_head_and_frozen_features(
    framework: str, facts: dict[str, Any], new_heads: dict[str, Any], name: str
) -> None:
    found = new_heads[framework][name]
    head = {"head.weight", "head.bias"}
    assert set(found["fewer_classes"]) == head
    assert head - {"head.bias"} <= set(found["new_head"]) <= head  # a fresh bias may be 0 as the old one was
    assert set(found["trained"]) == head  # running means and variances rest as well
    units = found["head_shape"][1]
    assert found["head_shape"] == [7, units]
    everything = sum(facts[framework][name]["parameters"]) - 3 * (units + 1)
    assert found["parameters"] == [7 * (units + 1), everything - 7 * (units + 1)]


@EVERY_NETWORK
def test_golden_logits(framework: str, facts: dict[str, Any], name: str) -> None:
    golden = np.load(GOLDEN)
    assert set(golden.files) == {"images", *SOURCES}
    expected = golden[name]
    np.testing.assert_allclose(facts[framework][name]["golden"], expected, atol=1e-4 * np.abs(expected).max())
    assert np.ptp(expected, axis=0).min() > 1e-2  # the images are told apart


def test_table_of_models() -> None:
    counts = {name: (1000 + number, 7 * number) for number, name in enumerate(RECIPES)}
    table = models_table({**counts, "vit": None}, "tensorflow")
    lines = table.splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[0].split() == ["model", "parameters", "recipe", "source"]
    rows = dict(zip(RECIPES, lines[1:], strict=False))
    for name, line in rows.items():
        assert line.split()[0] == name
        assert ("PyTorch only" if name == "vit" else f"{counts[name][0]:,}") in line
        assert f"{RECIPES[name].epochs} epoch" in line
        assert f"batch {RECIPES[name].batch_size}" in line
        assert f" {RECIPES[name].learning_rate:g}" in line
        source = SOURCES.get(name, "your own")
        assert line.index(source) == lines[0].index("source")


def write_golden_logits(folder: Path) -> None:
    """Write tests/golden/logits.npz: eight images of grey squares, and what each network makes of them."""
    squares = np.random.default_rng(0).integers(0, 256, (8, 7, 7), np.uint8)
    images = squares.repeat(4, axis=1).repeat(4, axis=2)
    np.save(folder / "images.npy", images)
    logits = ask("pytorch", "networks.golden_logits", str(folder / "images.npy"))
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, images=images, **{name: np.float32(values) for name, values in logits.items()})


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        write_golden_logits(Path(temporary))
