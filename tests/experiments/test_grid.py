"""A grid from its command to its end: interrupted, continued, failing, joined by others, refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from experiments.workers import Worker, wait_until
from optuna.trial import TrialState

from mnist_twice.errors import UserError
from mnist_twice.experiments import study, training
from mnist_twice.experiments.definition import grid_definition
from mnist_twice.experiments.options import GridOptions
from mnist_twice.experiments.results import Experiment, read_experiment
from mnist_twice.experiments.study import open_study
from mnist_twice.experiments.training import environment
from mnist_twice.machine import source
from mnist_twice.runs import find_runs, read_run
from run_experiment import main

pytestmark = pytest.mark.slow

Place = Callable[..., list[str]]
GRID = ("grid", "first", "--framework", "pytorch", "--seed", "0", "1", "2")


def states(experiment: Experiment) -> list[str]:
    return [*experiment.trials["state"]]


def children(worker: Worker) -> list[int]:
    threads = Path(f"/proc/{worker.process.pid}/task").glob("*/children")
    return [int(word) for path in threads for word in path.read_text().split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill_when_begun(output: Path, words: list[str], log: str) -> list[int]:
    """Kill a worker once the training with this log has begun; return the processes of its trainings."""
    worker = Worker(output / "out", words)
    wait_until(lambda: children(worker) != [] and any((output / "experiments" / "first" / "logs").glob(log)))
    trainings = children(worker)
    worker.send(signal.SIGKILL)
    worker.wait()
    return trainings


def test_a_grid_trains_every_combination_once(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "AHEAD", 4)
    words = place(*GRID, "--jobs", "2", "--set", "learning_rate=0.001,0.003")
    assert main(words) == 0
    out = capfd.readouterr().out
    assert "trial 0: learning rate 0.001 · seed 0: loss 1.1577, accuracy 100.00 %, 3 epochs in 0.1 s" in out
    assert out.endswith("6 of 6 trials of 'first' are done; 'python run_experiment.py show first' shows them.\n")

    experiment = read_experiment("first", tmp_path)
    assert [*experiment.definition.differing] == ["learning_rate", "seed"]
    assert states(experiment) == ["complete"] * 6
    # What was varied are Optuna's own parameters, so that its dashboard shows them.
    assert experiment.frozen[0].params == {"learning_rate": 0.001, "seed": 0}
    row = experiment.trials.iloc[0]
    assert (row["framework"], row["model"], row["learning_rate"], row["seed"]) == ("pytorch", "cnn", 0.001, 0)
    assert row["objective"] == row["loss"] == pytest.approx(row["last_reported"], abs=1e-6)
    assert row["worker"].endswith(f":{os.getpid()}")
    assert row["started"] <= row["finished"]
    assert read_run(tmp_path / "experiments" / "first" / row["run"]).info["source"] == source()

    # Again: nothing is trained.
    monkeypatch.setattr("experiments.workers.SCRIPT", Path("missing"))
    assert main(words) == 0
    assert capfd.readouterr().out.count("\n") == 1


def test_whoever_comes_too_late_for_the_last_trial_trains_nothing(tmp_path: Path) -> None:
    """Optuna makes a new trial for it, which does not count."""
    options = GridOptions(experiment="shared", output_dir=tmp_path, framework=("pytorch",), seed=(3, 4))
    definition, _ = grid_definition(options, "")
    with open_study(options, definition, "") as shared:
        assert shared.refill() == 2
        trials = [shared.study.ask() for _ in range(3)]
        assert [shared.take(trial, "me") for trial in trials] == [True, True, False]
        assert [trial.params for trial in trials] == [{"seed": 3}, {"seed": 4}, {}]
        for trial, value in zip(trials, (0.1, 0.2, None), strict=True):
            shared.study.tell(trial, value, TrialState.FAIL if value is None else None)
            assert shared.refill() == 0
        assert shared.is_over()
        assert [*shared.counting()] == [0, 1]


def test_ctrl_c_gives_back_and_the_same_command_continues(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EPOCH", "0.3")
    words = place(*GRID, "--set", "epochs=6", "--jobs", "2")
    worker = Worker(tmp_path / "out", words)
    runs = tmp_path / "experiments" / "first" / "runs"
    wait_until(lambda: len(list(runs.glob(".*.checkpoint"))) == 2)
    trainings = children(worker)
    with pytest.raises(UserError, match=r"another process is working on 'first'.*--jobs.*--storage"):
        main(words)
    worker.send(signal.SIGINT)
    assert worker.wait() == 130
    assert len(trainings) == 2
    assert all(map(gone, trainings))
    assert worker.text().endswith(
        "stopped: 0 of 3 trials of 'first' are done; run the same command again to continue.\n"
    )
    assert states(read_experiment("first", tmp_path)) == ["waiting"] * 3

    monkeypatch.setenv("FAKE_EPOCH", "0.02")
    assert Worker(tmp_path / "again", words).wait() == 0
    assert states(read_experiment("first", tmp_path)) == ["complete"] * 3
    logs = "".join(path.read_text() for path in (runs.parent / "logs").iterdir())
    assert logs.count("epochs there already: 0") == 3  # two of them before Ctrl-C
    assert not list(runs.glob(".*"))


def test_a_training_that_fails_is_shown_and_tried_again_by_the_next_call(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAIL", "seed=1")
    assert main(place(*GRID)) == 1
    out, err = capfd.readouterr()
    assert "trial 1: seed 1: the training failed; its last lines:\n" in out
    assert "    error: the training failed because seed is 1.\n" in out
    assert "2 of 3 trials of 'first' are done" in out
    assert err.startswith("error: 1 of 3 trials failed; on the machine that ran them, ")
    assert states(read_experiment("first", tmp_path)) == ["complete", "failed", "complete"]

    # The worker of the second attempt is killed: its training ends, and the next call tries it once more.
    monkeypatch.delenv("FAKE_FAIL")
    monkeypatch.setenv("FAKE_EPOCH", "30")
    (training,) = kill_when_begun(tmp_path, place(*GRID), "0003*")
    wait_until(lambda: gone(training))
    monkeypatch.setenv("FAKE_EPOCH", "0.02")
    assert main(place(*GRID)) == 0
    assert "3 of 3" in capfd.readouterr().out
    assert [*read_experiment("first", tmp_path).trials["seed"]] == [0, 2, 1]


def test_what_failed_is_tried_again_also_after_a_kill_that_left_another_trial_running(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_EPOCH", "1")
    monkeypatch.setenv("FAKE_FAIL", "seed=0")
    kill_when_begun(tmp_path, place(*GRID), "0001*")
    monkeypatch.delenv("FAKE_FAIL")
    monkeypatch.setenv("FAKE_EPOCH", "0.02")
    assert main(place(*GRID)) == 0
    assert states(read_experiment("first", tmp_path)) == ["complete"] * 3


def test_a_grid_starts_from_the_runs_of_another_one(
    tmp_path: Path, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    second = place("grid", "second", "--framework", "pytorch", "--seed", "1", "2", "--init-from", "first")
    assert main(second) == 1
    out = capfd.readouterr().out
    assert out.count("runs' has 0 runs of cnn in pytorch with seed ") == 2
    assert out.count(", but one is needed; finish that experiment first, on this machine.\n") == 2

    assert main(place(*GRID)) == 0
    assert main(second) == 0
    starts = {run.seed: run.info["init_from"] for run in map(read_run, find_runs(tmp_path / "experiments/second/runs"))}
    assert starts == {1: "mnist-sample-cnn-pytorch-s1", 2: "mnist-sample-cnn-pytorch-s2"}


def test_another_experiment_of_that_name_is_refused(place: Place) -> None:
    assert main(place(*GRID)) == 0
    with pytest.raises(UserError, match=r"another experiment 'first' \(seeds: \[0, 1, 2\] there, \[0\] here\)"):
        main(place(*GRID[:4], "--seed", "0"))
    with pytest.raises(UserError, match="another experiment 'first'"):
        main(place("search", "first"))


@pytest.mark.nightly
def test_a_worker_with_a_full_disk_gives_its_trial_back(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system lets this worker's processes write no file of more than 200 kB, as where a share is used up."""
    monkeypatch.setenv("FAKE_BYTES", "300000")
    words = place(*GRID)
    worker = Worker(tmp_path / "out", words, largest_file=200_000)
    assert worker.wait() == 1
    assert "is full; make room, then run the same command again. The training said: error: File too large" in (
        worker.text()
    )
    assert set(states(read_experiment("first", tmp_path))) == {"waiting"}
    assert main(words) == 0
    runs = find_runs(tmp_path / "experiments" / "first" / "runs")
    assert [len(read_run(run).history) for run in runs] == [3, 3, 3]


def test_an_entry_cut_off_in_the_journal_is_no_loss(tmp_path: Path, place: Place) -> None:
    """As a worker leaves it that is killed, or has no more room, while it writes."""
    words = place(*GRID[:4], "--seed", "0")
    assert main(words) == 0
    journal = tmp_path / "experiments" / "first" / "journal.log"
    journal.with_name("journal.log.lock").touch()
    with journal.open("ab") as file:
        file.write(b'{"op_code":8,"work')
    assert states(read_experiment("first", tmp_path)) == ["complete"]
    assert main(words) == 0
    assert journal.read_bytes().endswith(b"\n")


def test_each_job_has_its_own_cores_and_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    monkeypatch.setattr(training, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")  # each of four tasks takes trials; their trainings are alone
    training.gpus.cache_clear()
    found = [environment(job, GridOptions(jobs=3), complete=True) for job in range(3)]
    training.gpus.cache_clear()
    assert [each["CUDA_VISIBLE_DEVICES"] for each in found] == ["2", "5", "2"]
    assert {each["OMP_NUM_THREADS"] for each in found} == {"2"}
    assert {each["TF_FORCE_GPU_ALLOW_GROWTH"] for each in found} == {"true"}
    assert found[0].keys().isdisjoint({"WITHOUT_ONNX", "SLURM_STEP_NUM_TASKS"})
    assert environment(0, GridOptions(), complete=False)["WITHOUT_ONNX"]


@pytest.mark.parametrize(
    ("storage", "sentence"),
    [
        ("sqlite:///study.db", r"--storage is for PostgreSQL: give it as .*SQLite"),
        ("postgresql+psycopg://user:secret@127.0.0.1:1/studies", r"user:\*\*\*@127.0.0.1:1/studies' cannot be used"),
    ],
)
def test_storages_that_cannot_be_used(place: Place, storage: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as refused:
        main(place(*GRID, "--storage", storage))
    assert "secret" not in str(refused.value)
