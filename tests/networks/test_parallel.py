"""Several workers give the numbers of one process, and a training survives what happens to one of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from frameworks import environment
from paths import ROOT

from mnist_twice.runs import Run, read_run

COMMON = (
    "--dataset mnist-sample --precision float64 --batch-size 25 --schedule constant --learning-rate 0.003 "
    "--early-stopping 0 --reduce-on-plateau 0"
)
LENET = "--model lenet5 --filters 4 6 --dense 12 8"
Train = Callable[..., list[subprocess.CompletedProcess[str]]]


@pytest.fixture
def train(framework: str, workplace: Path, tmp_path: Path) -> Train:
    """Give a function that trains with these options on as many workers as moments are given; it returns their ends.

    A moment is when that worker kills itself (tests/one_worker.py).
    """
    (tmp_path / "mnist_data").symlink_to(workplace / "mnist_data")

    def run(options: str, *moments: str) -> list[subprocess.CompletedProcess[str]]:
        started = []
        for moment, place in zip(moments, places(framework, len(moments)), strict=True):
            words = [*COMMON.split(), *options.split()]
            command = [sys.executable, str(ROOT / "tests" / "one_worker.py"), framework, moment, *words]
            pipe, variables = subprocess.PIPE, environment() | place
            started.append(subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=pipe, stderr=pipe, text=True))
        ends = [subprocess.CompletedProcess(one.args, one.wait(), *one.communicate()) for one in started]
        assert not any("Traceback" in end.stderr for end in ends), ends
        return ends

    return run


def places(framework: str, count: int) -> list[dict[str, str]]:
    """Return what torchrun would set for each worker on this machine, or its TF_CONFIG; nothing for one."""
    if count == 1:
        return [{}]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    if framework == "tensorflow":
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        tasks = [{"cluster": cluster, "task": {"type": "worker", "index": rank}} for rank in range(count)]
        return [{"TF_CONFIG": json.dumps(task)} for task in tasks]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0])}
    common |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(count))
    return [common | dict.fromkeys(("RANK", "LOCAL_RANK"), str(rank)) for rank in range(count)]


def assert_equal(run: Run, one: Run) -> None:
    """Compare the losses of all steps, the history and the predictions with those of one process."""
    assert run.losses is not None
    assert one.losses is not None
    np.testing.assert_allclose(run.losses, one.losses, rtol=1e-11, atol=0)
    for row, row_of_one in zip(run.history, one.history, strict=True):
        for name in row.keys() - {"seconds", "images_per_second"}:
            assert row[name] == pytest.approx(row_of_one[name], rel=1e-6), name
    np.testing.assert_allclose(run.probabilities, one.probabilities, rtol=1e-5, atol=1e-7)


def test_two_workers_give_the_numbers_of_one_process(train: Train, tmp_path: Path) -> None:
    common = f"{LENET} --epochs 2"
    (alone,) = train(f"{common} --name one", "never")
    first, second = train(f"{common} --name two", "never", "never")
    assert (alone.returncode, first.returncode, second.returncode) == (0, 0, 0), (first, second)
    assert (second.stdout, second.stderr) == ("", "")  # only the first prints
    runs = [read_run(tmp_path / "outputs" / name) for name in ("one", "two")]
    assert [run.info["workers"] for run in runs] == [1, 2]
    assert_equal(runs[1], runs[0])


@pytest.mark.nightly
@pytest.mark.parametrize("model", ["lenet5", "deep-cnn"])
def test_a_batch_without_images_for_one_of_three_workers(train: Train, tmp_path: Path, model: str) -> None:
    # The second and last batch of an epoch has two images, and so none for one of the workers.
    common = f"--model {model} --parity --batch-size 82 --epochs 2 --optimizer sgd --weight-decay 0"
    ends = train(f"{common} --name three", "never", "never", "never")
    assert [end.returncode for end in ends] == [0, 0, 0], ends
    three = read_run(tmp_path / "outputs" / "three")
    assert three.losses is not None
    assert np.isfinite(three.losses).all()
    assert np.isfinite([list(row.values()) for row in three.history]).all()
    if model == "lenet5":  # batch normalisation sees a part of each batch alone
        train(f"{common} --name one", "never")
        assert_equal(three, read_run(tmp_path / "outputs" / "one"))


@pytest.mark.nightly
@pytest.mark.parametrize(("rank", "moment"), [(0, "epoch 2"), (1, "epoch 2"), (0, "writing")])
def test_a_killed_worker_ends_the_others_and_resume_goes_on(
    train: Train, tmp_path: Path, rank: int, moment: str
) -> None:
    common = f"{LENET} --epochs 3"
    ends = train(f"{common} --name killed", *(moment if number == rank else "never" for number in range(2)))
    assert (ends[rank].returncode, ends[1 - rank].returncode) == (-signal.SIGKILL, 1)
    assert "error: another worker of this training has ended or cannot be reached" in ends[1 - rank].stderr
    assert not (tmp_path / "outputs" / "killed").exists()
    train(f"{common} --name killed --resume", "never")  # with another number of workers
    train(f"{common} --name one", "never")
    assert_equal(*(read_run(tmp_path / "outputs" / name) for name in ("killed", "one")))
    assert not (tmp_path / "outputs" / ".killed.checkpoint").exists()


@pytest.mark.nightly
@pytest.mark.pytorch
def test_torchrun_starts_killed_workers_again_from_the_checkpoint(workplace: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist_data").symlink_to(workplace / "mnist_data")
    killing = "import os, runpy, sys; from pathlib import Path; sys.argv = sys.argv[1:]\n"
    killing += "die = os.environ['RANK'] == '1' and os.environ['TORCHELASTIC_RESTART_COUNT'] == '0'\n"
    killing += "sys.argv.insert(2, 'epoch 2' if die else 'never'); runpy.run_path(sys.argv[0], run_name='__main__')\n"
    (tmp_path / "killing.py").write_text(killing)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    words = ["pytorch", *COMMON.split(), *LENET.split(), "--epochs", "4", "--name", "again"]
    command = [sys.executable, *launch, "killing.py", str(ROOT / "tests" / "one_worker.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    epochs = [int(line.split("/")[0]) for line in done.stdout.splitlines() if "/4 " in line]
    assert epochs == [1, 2, 3, 4]  # none twice, and none left out
    assert read_run(tmp_path / "outputs" / "again").info["workers"] == 2
    assert not os.path.lexists(tmp_path / "outputs" / ".again.checkpoint")
