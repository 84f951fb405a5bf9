"""model.pt, model.keras and weights that are damaged, foreign or do not fit: a sentence, and nothing is executed."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import CHECKPOINT, network_named, refusal, ruled_model

from digits.errors import UserError
from digits.training.weights import read_weights, write_weights


class Executed:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def model(tools: Any) -> Any:
    return ruled_model(tools, network_named("mlp"))


@pytest.fixture
def sound(framework: str, tools: Any, model: Any, tmp_path: Path) -> Path:
    """A trained network's file, as the framework writes it."""
    path = tmp_path / f"sound-{CHECKPOINT[framework]}"
    tools.files.save_checkpoint(model, path)
    return path


def forge(sound: Path, forged: Path, member: str, content: bytes | None) -> Path:
    """Write the archive again with that member replaced, or left out; return its path."""
    with zipfile.ZipFile(sound) as source, zipfile.ZipFile(forged, "w") as target:
        for name in source.namelist():
            data = content if name.endswith(member) else source.read(name)
            if data is not None:
                target.writestr(name, data)
    return forged


def test_damaged_and_foreign_files_end_in_a_sentence(tools: Any, sound: Path, tmp_path: Path) -> None:
    content, load = sound.read_bytes(), tools.files.load_checkpoint
    assert "there is no checkpoint" in refusal(load, tmp_path / sound.name.removeprefix("sound-"))
    path = tmp_path / f"foreign-{sound.name}"
    for foreign in (b"", content[:-1], content[: len(content) // 2], pickle.dumps({"a": 1})):
        path.write_bytes(foreign)
        assert "is no checkpoint of this project" in refusal(load, path)
    for member in ("data.pkl", "data/0") if path.suffix == ".pt" else ("config.json", "weights.h5"):
        refusal(load, forge(sound, path, member, None))

    seed = random.randrange(10**6)
    print(f"seed {seed}")
    generator = random.Random(seed)
    for _ in range(5):
        damaged = bytearray(content)
        for place in (generator.randrange(len(content)), generator.randrange(600), -generator.randrange(1, 600)):
            damaged[place] ^= generator.randrange(1, 256)
        path.write_bytes(damaged)
        with suppress(UserError):  # and no other exception
            load(path)


def test_nothing_in_a_file_is_executed(
    framework: str, tools: Any, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "executed"
    code = pickle.dumps(Executed(folder))
    if framework == "pytorch":
        (tmp_path / "old.pt").write_bytes(code)  # the form before PyTorch 1.6
        forged = [tmp_path / "old.pt", forge(sound, tmp_path / "new.pt", "data.pkl", code)]
    else:
        import keras

        call = {"module": "os", "class_name": "mkdir", "config": {"path": str(folder)}, "registered_name": "mkdir"}
        forged = [forge(sound, tmp_path / "os.keras", "config.json", json.dumps(call).encode())]
        function = keras.layers.Lambda(lambda x: __import__("os").makedirs("executed", exist_ok=True) or x)
        keras.Sequential([keras.Input((28, 28)), function]).save(tmp_path / "lambda.keras")
        shutil.rmtree(folder, ignore_errors=True)  # making the layer may make it
        with zipfile.ZipFile(tmp_path / "lambda.keras", "a") as archive, zipfile.ZipFile(sound) as source:
            archive.writestr("network.json", source.read("network.json"))
        forged.append(tmp_path / "lambda.keras")
    for path in forged:
        refusal(tools.files.load_checkpoint, path)
    assert not folder.exists()
    pickle.loads(code)  # it would have
    assert folder.exists()


def test_weights_that_do_not_fit_are_refused(tools: Any, model: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    tools.files.save_weights(model, path)
    config, arrays = read_weights(path)
    thin = arrays | {"dense2.weight": arrays["dense2.weight"][:, 1:]}
    for network, weights, words in (
        (config, thin, "'dense2.weight' has the shape (64, 63), (64, 64) is expected"),
        (config, {**arrays, "dense3.bias": arrays["head.bias"]}, "'dense3.bias' has the shape (10,), none is expected"),
        (replace(config, num_classes=12), arrays, "'head.bias' has the shape (10,), (12,) is expected"),
    ):
        write_weights(path, network, weights)
        assert words in refusal(tools.files.load_weights, path)


@pytest.mark.parametrize("name", ["network's file", "weights", pytest.param("export", marks=pytest.mark.nightly)])
def test_on_a_full_disk_the_error_names_the_file(
    framework: str, tools: Any, model: Any, name: str, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of files")
    file, write = {
        "network's file": (CHECKPOINT[framework], tools.files.save_checkpoint),
        "weights": ("weights.safetensors", tools.files.save_weights),
        "export": ("model.onnx", lambda model, path: tools.files.export_onnx(model, path, tuple("0123456789"))),
    }[name]
    path = tmp_path / file
    write(model, path)
    size = path.stat().st_size
    path.unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            write(model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert Path(error.value.filename) == path


def test_starting_from_a_run_of_the_other_framework(
    framework: str, train: Callable[..., Any], tools: Any, tmp_path: Path
) -> None:
    """--init-from: its weights and range of pixels; with a new head, the features may be frozen."""
    others_range = {"pytorch": (0.0, 1.0), "tensorflow": (-1.0, 1.0)}[framework]
    config = network_named("mlp", pixel_range=others_range)
    other = tmp_path / "other" / "weights.safetensors"
    other.parent.mkdir()
    tools.files.save_weights(ruled_model(tools, config), other)
    before = read_weights(other)[1]
    words = ("--model", "mlp", "--init-from", "other")

    evaluated = train(*words, "--epochs", "0", "--dropout", "0.1", "--name", "evaluated")
    assert evaluated.history == []
    assert (evaluated.info["validation"], evaluated.info["init_from"]) == (None, "other")
    found_config, found = read_weights(evaluated.path / "weights.safetensors")
    assert found_config == replace(config, dropout=0.1)
    for name, array in found.items():
        np.testing.assert_array_equal(array, before[name])

    frozen = train(*words, "--epochs", "1", "--new-head", "--freeze-features", "--name", "frozen")
    after = read_weights(frozen.path / "weights.safetensors")[1]
    assert {name for name in after if not np.array_equal(after[name], before[name])} == {"head.weight", "head.bias"}
    assert (frozen.info["new_head"], frozen.info["freeze_features"]) == (True, True)
    assert frozen.info["parameters"]["trainable"] == 64 * 10 + 10


def test_frozen_features_rest_with_their_running_statistics(tools: Any, test_images: np.ndarray) -> None:
    model = ruled_model(tools, network_named("resnet", filters=(4, 4, 4), num_classes=7))
    before = tools.files.get_weights(model)
    tools.files.freeze_features(model)
    tools.losses(model, [(test_images[:16], np.arange(16, dtype=np.uint8) % 7)], "SGD", 1.0)
    after = tools.files.get_weights(model)
    assert {name for name in after if not np.array_equal(after[name], before[name])} == {"head.weight", "head.bias"}
