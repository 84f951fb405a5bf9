"""What happens to a training when one of its workers is killed, late, or not like the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from framework_process import ask, environment
from paths import ROOT

from digits.runs import read_run

pytestmark = pytest.mark.training
thorough = pytest.mark.skipif(
    "DISTRIBUTED" not in os.environ, reason="takes minutes; the environment variable DISTRIBUTED=1 asks for it"
)

TEXT = "--dataset mnist-sample --model mlp --dense 16 12 --epochs 4 --batch-size 25 --precision float64 --name killed"
WORDS = TEXT.split()
LOST = "error: another worker of this training has ended or cannot be reached"


@pytest.fixture
def place(workplace: Path, tmp_path: Path) -> Path:
    (tmp_path / "mnist_data").symlink_to(workplace / "mnist_data")
    return tmp_path


def run(framework: str, place: Path, *workers: dict[str, Any]) -> list[dict[str, Any]]:
    """Run such workers, by default with WORDS; return how each ended."""
    chosen = [{"commands": [WORDS], **worker} for worker in workers]
    ends: list[dict[str, Any]] = ask(framework, "workers.run_workers", str(place), chosen)
    for end in ends:
        assert "Traceback" not in end["err"], end["err"]
    return ends


def resumed(framework: str, place: Path) -> np.ndarray:
    """Resume the training in one process; return the losses of its steps."""
    (end,) = run(framework, place, {"commands": [[*WORDS, "--resume"]]})
    assert end["status"] == 0, end
    losses = read_run(place / "outputs" / "killed").losses
    assert losses is not None
    return losses


@thorough
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_worker_ends_the_others_and_resume_goes_on(framework: str, rank: int, place: Path) -> None:
    workers: list[dict[str, Any]] = [{}, {}, {}]
    workers[rank] = {"killed": "epoch 2"}
    ends = run(framework, place, *workers)
    assert ends[rank]["status"] == -signal.SIGKILL
    for end in ends[:rank] + ends[rank + 1 :]:
        assert end["status"] == 1
        assert LOST in end["err"]
        assert end["at"] - ends[rank]["at"] < 60
    assert not (place / "outputs" / "killed").exists()
    again = resumed(framework, place)
    run(framework, place, {"commands": [[*WORDS[:-1], "alone"]]})
    expected = read_run(place / "outputs" / "alone").losses
    np.testing.assert_allclose(again, expected, rtol=1e-12)  # type: ignore[arg-type]


@thorough
def test_the_first_killed_while_it_writes(framework: str, place: Path) -> None:
    first, second = run(framework, place, {"killed": "writing"}, {})
    assert first["status"] == -signal.SIGKILL
    assert second["status"] == 1
    assert LOST in second["err"]
    assert not (place / "outputs" / "killed").exists()
    assert len(resumed(framework, place)) == 16
    assert [entry.name for entry in (place / "outputs").iterdir()] == ["killed"]


def test_other_options_are_found_before_the_first_step(framework: str, place: Path) -> None:
    ends = run(framework, place, {}, {"commands": [[*WORDS, "--batch-size", "30"]]})
    assert [end["status"] for end in ends] == [1, 1]
    said = "error: the workers differ: batch_size is 30 on worker 1 and 25 on worker 0; give all of them the same"
    assert said in ends[0]["err"]
    assert not list((place / "outputs").iterdir())


@thorough
def test_a_worker_without_the_dataset_ends_all(framework: str, place: Path) -> None:
    ends = run(framework, place, {}, {"commands": [[*WORDS, "--data-dir", "empty"]]})
    assert [end["status"] for end in ends] == [1, 1]
    assert "run 'python download_mnist.py" in ends[0]["err"]
    assert not (place / "empty").exists()
    assert not list((place / "outputs").iterdir())


@thorough
def test_a_worker_that_starts_later(framework: str, place: Path) -> None:
    ends = run(framework, place, {}, {"delay": 3})
    assert [end["status"] for end in ends] == [0, 0]
    assert "killed: predictions" in ends[0]["out"]
    assert [end["out"] + end["err"] for end in ends[1:]] == [""]  # only the first prints
    assert read_run(place / "outputs" / "killed").info["workers"] == 2


def children(parent: int) -> list[int]:
    """Return the processes that the process has started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_torchrun_starts_killed_workers_again_from_the_checkpoint(place: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*WORDS, "--epochs", "20", "--batch-size", "50"]
    process = subprocess.Popen(
        [*launch, "--max-restarts", "1", str(ROOT / "mnist_pytorch.py"), *words],
        cwd=place,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoint = place / "outputs" / ".killed.checkpoint"
    for _ in range(3000):
        if checkpoint.exists() or process.poll() is not None:
            break
        time.sleep(0.02)
    workers = children(process.pid)
    assert len(workers) == 2
    os.kill(workers[1], signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    lines = [line for line in out.splitlines() if "/20 " in line]
    epochs = [int(line.partition("/")[0]) for line in lines]
    assert len(epochs) == 20  # none twice, and none left out
    assert epochs == sorted(epochs)
    assert out.count("killed: predictions") == 1
    assert read_run(place / "outputs" / "killed").info["workers"] == 2
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
