"""Runs on disk: written whole or not at all, and compared with their checksums when read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from make_runs import DIGITS, make_info, make_run
from paths import ROOT

from mnist_twice.errors import UserError
from mnist_twice.machine import source
from mnist_twice.runs import find_run, find_runs, read_info, read_run, write_run_files, writing_run

LABELS = np.repeat(np.arange(10), 10)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "outputs", labels=LABELS, error_rate=0.1)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def fault_in(run: Path) -> str | None:
    """Return the sentence that reading the run ends with, None if it is read."""
    try:
        read_run(run)
    except UserError as error:
        return str(error)
    return None


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(10), 100).astype(np.float32)
    history = [{"epoch": 1 + i, "train_loss": loss, "train_accuracy": 0.5} for i, loss in enumerate((0.5, 0.1 + 0.2))]
    share = float(np.mean(probabilities.argmax(axis=1) == LABELS))
    info = make_info("mnist", "cnn", "pytorch", 3, DIGITS, 100, share)
    path = tmp_path / "new" / "outputs" / "mnist-cnn-pytorch-s3"
    with writing_run(path) as folder:
        assert os.listdir(path.parent) == [folder.parent.name]
        assert folder.parent.name.startswith(".")
        write_run_files(folder, probabilities=probabilities, labels=LABELS, history=history, info=info)
        (folder / "model.onnx").write_bytes(b"model")
        assert not path.exists()
    run = read_run(path)
    assert run.accuracy == share
    assert run.history == history  # 0.1 + 0.2 keeps its last digit
    assert np.array_equal(run.probabilities, probabilities)
    assert run.probabilities.dtype == np.float32
    assert np.array_equal(run.predictions, probabilities.argmax(axis=1))
    assert np.array_equal(run.labels, LABELS)
    assert {**info, "files": run.info["files"]} == run.info
    assert set(run.info["files"]) == set(files_in(path)) - {"run.json"}
    assert os.listdir(path.parent) == [path.name]


def test_a_second_run_replaces_the_first_with_all_its_files(run: Path) -> None:
    (run / "confusion_matrix.png").write_bytes(b"a picture put there later")
    assert read_run(run).accuracy < 1  # which is no tampering
    make_run(run.parent, labels=LABELS, error_rate=0)
    assert read_run(run).accuracy == 1
    assert not (run / "confusion_matrix.png").exists()
    assert os.listdir(run.parent) == [run.name]


def test_an_exception_leaves_the_earlier_run_and_nothing_else(run: Path) -> None:
    before = files_in(run)

    def write_half() -> None:
        with writing_run(run) as folder:
            (folder / "predictions.npy").write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert files_in(run) == before
    assert os.listdir(run.parent) == [run.name]


@pytest.mark.parametrize(("probability", "loss"), [(np.nan, 0.1), (0.1, np.nan)])
def test_a_diverged_training_is_told_and_keeps_the_earlier_run(run: Path, probability: float, loss: float) -> None:
    probabilities = np.full((100, 10), probability, dtype=np.float32)
    info = make_info("mnist", "cnn", "pytorch", 0, DIGITS, 100, 0.1)
    history = [{"epoch": 1, "train_loss": loss, "train_accuracy": 0.1}]
    with pytest.raises(UserError, match="diverged"), writing_run(run) as folder:
        write_run_files(folder, probabilities=probabilities, labels=LABELS, history=history, info=info)
    assert read_run(run)


def test_find_runs(tmp_path: Path, run: Path) -> None:
    assert find_runs(tmp_path / "missing") == []
    half = run.parent / "another"
    half.mkdir()
    (half / "labels.npy").write_bytes(b"")
    (run.parent / "empty").mkdir()
    (run.parent / "README.md").write_text("no run")
    shutil.copytree(run, run.parent / ".hidden-01234567")
    assert find_runs(run.parent) == [half, run]


def test_find_run(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run.parent
    assert find_run(run.name, outputs) == run
    assert find_run(str(run), tmp_path / "elsewhere") == run
    assert find_run("missing", outputs) == outputs / "missing"  # of which read_run says that there is none
    (tmp_path / run.name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_run(run.name, outputs) == Path(run.name)


@pytest.mark.skipif(not (shutil.which("git") and (ROOT / ".git").exists()), reason="needs a clone")
def test_the_commit_and_whether_files_were_changed() -> None:
    found = source()
    assert found is not None
    head, status = (
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        for words in (["rev-parse", "HEAD"], ["diff", "HEAD", "--name-only"])
    )
    assert found == {"commit": head, "changed": bool(status)}


def test_a_folder_that_is_no_run_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not a run"), writing_run(tmp_path / "thesis"):
        pytest.fail("the block must not be entered")
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "years of work"


# --- killed, and several at once ---

KILLED_AT_EACH_STEP = """
import os, signal, sys
from pathlib import Path
import numpy as np
from make_runs import make_run

outputs, labels = Path(sys.argv[1]), np.repeat(np.arange(10), 10)
path = make_run(outputs, labels=labels, error_rate=0.5, folder="run")
STEPS = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "open"}

def die_at(step):
    left = step
    def hook(event, arguments):
        nonlocal left
        if event in STEPS and str(outputs) in str(arguments[0]):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

for step in range(1000):
    child = os.fork()
    if child == 0:
        die_at(step)
        make_run(outputs, labels=labels, error_rate=0, folder="run")
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    state = outputs.parent / f"step-{step}"
    os.system(f"cp -r {outputs} {state}")
    make_run(outputs, labels=labels, error_rate=0.5, folder="run")
"""
WRITING_FOR_EVER = """
import sys
from pathlib import Path
import numpy as np
from make_runs import make_run

while True:
    make_run(Path(sys.argv[1]), labels=np.repeat(np.arange(10), 10), folder="run")
    print("written", flush=True)
"""


def start(script: str, outputs: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    return subprocess.Popen([sys.executable, "-c", script, outputs], stdout=subprocess.PIPE, env=environment)


@pytest.mark.nightly
def test_killed_at_every_single_step(tmp_path: Path) -> None:
    assert start(KILLED_AT_EACH_STEP, tmp_path / "outputs").wait(timeout=120) == 0
    states = sorted(tmp_path.glob("step-*"), key=lambda path: int(path.name[5:]))
    assert len(states) > 20
    found = []
    for state in states:
        if not (state / "run").exists():  # between the two renames of the swap: the next writer brings it back
            found.append("away")
            with pytest.raises(RuntimeError), writing_run(state / "run"):
                raise RuntimeError
            assert read_run(state / "run").accuracy < 1
        else:
            found.append("new" if read_run(state / "run").accuracy == 1 else "old")
        make_run(state, labels=LABELS, error_rate=0.5, folder="run")
        assert os.listdir(state) == ["run"]
    assert found == sorted(found, key=["old", "away", "new"].index)
    assert found.count("away") == 1
    assert found.count("new") >= 1
    assert os.listdir(tmp_path / "outputs") == ["run"]


@pytest.mark.nightly
def test_two_writers_and_a_reader_at_once(tmp_path: Path) -> None:
    writers = [start(WRITING_FOR_EVER, tmp_path) for _ in range(2)]
    read = 0
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"written\n"
        until = time.monotonic() + 3
        while time.monotonic() < until:
            fault = fault_in(tmp_path / "run")
            assert fault is None or "there is no run" in fault  # at the instant of the swap; but never half a run
            read += fault is None
        assert [writer.poll() for writer in writers] == [None, None]
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert read > 50


def test_a_live_writer_is_not_swept(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with writing_run(path) as slow:
        make_run(tmp_path, labels=LABELS, folder="run", error_rate=0.5)
        assert slow.is_dir()
        assert read_run(path).accuracy < 1
        shutil.copytree(make_run(tmp_path, labels=LABELS, folder="other", error_rate=0), slow, dirs_exist_ok=True)
    assert read_run(path).accuracy == 1


# --- damaged ---


def test_a_single_changed_bit_in_any_file_is_noticed(run: Path) -> None:
    for name in set(files_in(run)) - {"run.json"}:
        data = (run / name).read_bytes()
        (run / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(UserError, match=f"'{run / name}' has changed"):
            read_run(run)
        (run / name).write_bytes(data)
    assert read_run(run)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the whole of it: Invalid JSON"),
        ("[" * 100_000, "the whole of it: Invalid JSON"),
        ('{"format": 2}', "format: Input should be 1"),
        ("{}", "format: Field required"),
    ],
)
def test_run_json_that_is_none(run: Path, text: str, told: str) -> None:
    (run / "run.json").write_text(text)
    with pytest.raises(UserError, match=re.escape(f"'{run / 'run.json'}' is not the record of a run ({told}")):
        read_run(run)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("model", ""), ("seed", "0"), ("class_names", []), ("parameters", {"trainable": -1})],
        *[("test", None), ("test", {}), ("test", {"n": 99, "accuracy": 1.0, "loss": 0.1}), ("files", {})],
        *[("validation", {"n": 400, "accuracy": 2, "loss": 0.1}), ("peak_memory_mb", float("nan"))],
    ],
)
def test_run_json_with_a_wrong_value(run: Path, key: str, value: object) -> None:
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**info, key: value}), encoding="utf-8")
    with pytest.raises(UserError, match=rf"'{run}.*; train '{run.name}' again, or delete the folder"):
        read_run(run)


def test_published_runs_of_earlier_versions_are_taken() -> None:
    files = list((ROOT / "docs" / "results").glob("*.json"))
    assert files
    for file in files:
        assert read_info(file) == json.loads(file.read_text(encoding="utf-8"))


def test_no_run_at_all(tmp_path: Path) -> None:
    for name in ("nowhere", "long" * 70):
        with pytest.raises(UserError, match="there is no run"):
            read_run(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"run\.json' is missing"):
        read_run(tmp_path / "empty")
