"""Damaged and forged model.pt, model.keras and checkpoints: a sentence for each, and nothing in them is executed."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from executed import Executed
from framework_process import ask
from probes.networks import CHECKPOINT

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def written(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of an untrained cnn, and forged ones."""
    folder = tmp_path_factory.mktemp(framework)
    ask(framework, "saved_models.write_model_files", str(folder))
    shutil.rmtree(folder / "executed", ignore_errors=True)  # making the forged file makes it
    return folder


def refusals(framework: str, paths: Sequence[Path], edited: bool = False) -> list[str]:
    """Return what each file is refused with."""
    sentences: list[str] = ask(framework, "saved_models.refusals", [str(path) for path in paths], edited)
    return sentences


def forge(sound: Path, forged: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Write the archive again with each member changed, or left out; return its path."""
    with zipfile.ZipFile(sound) as source, zipfile.ZipFile(forged, "w") as target:
        for name in source.namelist():
            content = change(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
    return forged


def assert_sentence(sentence: str, path: Path, *words: str) -> None:
    for word in (f"'{path}'", *words):
        assert word in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 1000


def assert_refused(framework: str, paths: list[Path], *words: str, edited: bool = False) -> None:
    for path, sentence in zip(paths, refusals(framework, paths, edited), strict=True):
        assert "was accepted" not in sentence
        assert_sentence(sentence, path, *words)


def test_damaged_and_forged_files_end_in_a_sentence(framework: str, written: Path, tmp_path: Path) -> None:
    name = CHECKPOINT[framework]
    sound = (written / name).read_bytes()
    half, damaged_ones = len(sound) // 2, []
    rng = np.random.default_rng(0)
    for number in range(40):
        damaged = bytearray(sound)
        # Half of the damage is at the ends, where an archive has its headers and its directory.
        places = rng.integers(0, len(sound), 3) if number % 2 else [*rng.integers(0, 600, 2), -rng.integers(1, 600)]
        for place in places:
            damaged[place] ^= rng.integers(1, 256)
        damaged_ones.append(bytes(damaged))
    others = [b"", b"\n", b"PK", bytes(1000), sound[:half], sound[:-1], pickle.dumps({"network": 1})]
    for number, content in enumerate([*damaged_ones, *others]):
        (tmp_path / f"{number:02}-{name}").write_bytes(content)
    changed = sorted(tmp_path.iterdir())
    needed = [
        member
        for member in zipfile.ZipFile(written / name).namelist()
        if member.endswith(("data.pkl", "data/0", "config.json", "weights.h5", "network.json"))
    ]
    lacking = [
        forge(
            written / name, tmp_path / f"lacks{i}-{name}", lambda member, data, out=out: None if member == out else data
        )
        for i, out in enumerate(needed)
    ]
    paths = [*changed, *lacking, *written.glob("forged*"), tmp_path]
    found = refusals(framework, [*paths, tmp_path / name])  # fails at other exceptions
    for path, sentence in zip(paths[40:], found[40:], strict=False):
        assert "was accepted" not in sentence
        assert_sentence(sentence, path)
    assert sum("is no checkpoint of this project" in sentence for sentence in found[:40]) >= 5
    assert_sentence(found[-1], tmp_path / name, "there is no checkpoint")


def test_nothing_in_a_file_is_executed(framework: str, written: Path, tmp_path: Path) -> None:
    folder = written / "executed"
    code = pickle.dumps(Executed(folder))
    sound = written / CHECKPOINT[framework]
    if framework == "pytorch":
        (tmp_path / "old.pt").write_bytes(code)  # the form before PyTorch 1.6
        new = forge(sound, tmp_path / "new.pt", lambda name, data: code if name.endswith("data.pkl") else data)
        assert_refused(framework, [tmp_path / "old.pt", new])
    else:
        call = {"module": "os", "class_name": "mkdir", "config": {"path": str(folder)}, "registered_name": "mkdir"}
        config = json.dumps(call).encode()
        other = forge(sound, tmp_path / "os.keras", lambda name, data: config if name == "config.json" else data)
        assert_refused(framework, [written / "lambda.keras", other])
    assert not folder.exists()
    pickle.loads(code)  # it would have
    assert folder.exists()
    folder.rmdir()


def test_code_that_was_edited_since_names_the_layers(framework: str, written: Path) -> None:
    paths = [written / CHECKPOINT[framework], written / "weights.safetensors"]
    layers = (
        "'conv2.weight' has the shape (32, 16, 3, 3), (40, 16, 3, 3) is expected",
        "'conv2.bias'",
        "'dense1.weight'",
    )
    assert_refused(framework, paths, "does not fit the network", *layers, edited=True)
    assert all("was accepted" in sentence for sentence in refusals(framework, paths))


def test_checkpoints_with_the_state_of_no_such_training(framework: str, tmp_path: Path) -> None:
    found = ask(framework, "checkpoints.resumed", str(tmp_path))
    assert found.pop("sound") == "it trained, it trained"
    sentence = f"'{tmp_path / '.run.checkpoint'}' is damaged; delete it, or leave --resume out to start afresh."
    assert found == dict.fromkeys(found, sentence)
    assert len(found) > 10
    assert not (tmp_path / "executed").exists()
