"""--log-dir: both frameworks write event files with the same tags, and the numbers of history.csv and losses.npy."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from framework_process import run_forked, run_training

from digits.runs import read_run

pytestmark = pytest.mark.training
FRAMEWORKS = ("pytorch", "tensorflow")


def records(file: Path) -> Iterator[bytes]:
    """Yield the records of a TFRecord file: length, its checksum, the record, its checksum."""
    data, at = file.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield data[at + 12 : at + 12 + length]
        at += 16 + length


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """Return the values in the folder's event files by tag and step, each of which must be there once."""
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))  # or it imports TensorFlow
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.util.tensor_util import make_ndarray

    found: dict[tuple[str, int], float] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for record in records(file):
            event = Event.FromString(record)
            for value in event.summary.value:
                assert (value.tag, event.step) not in found
                found[value.tag, event.step] = float(make_ndarray(value.tensor))
    return found


@pytest.fixture(scope="module")
def logs(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs and event files of both frameworks, trained for two epochs."""
    folder = tmp_path_factory.mktemp("logs")
    for framework in FRAMEWORKS:
        options = ("--dataset", "mnist-sample", "--model", "mlp", "--epochs", "2", "--log-dir", folder / "logs")
        places = ("--data-dir", workplace / "mnist_data", "--output-dir", folder / "outputs", "--name", framework)
        done = run_forked(framework, *options, *places, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_events_are_the_history_and_the_losses(logs: Path, framework: str) -> None:
    run = read_run(logs / "outputs" / framework)
    assert run.losses is not None
    expected = {(tag, int(row["epoch"])): row[tag] for row in run.history for tag in row if tag != "epoch"}
    expected |= {("step_loss", step): loss for step, loss in enumerate(run.losses, 1)}
    found = scalars(logs / "logs" / framework)
    assert found.keys() == expected.keys()
    assert len(found) > 2 * 6 + 10
    keys = sorted(expected)
    # Event files hold float32.
    assert np.allclose([found[key] for key in keys], [expected[key] for key in keys], rtol=1e-5)


def test_both_frameworks_have_the_same_tags(logs: Path) -> None:
    found = [set(scalars(logs / "logs" / framework)) for framework in FRAMEWORKS]
    assert found[0] == found[1]


def test_an_earlier_training_s_events_are_replaced_and_nothing_else(logs: Path, workplace: Path) -> None:
    (logs / "logs" / "pytorch" / "notes.txt").write_text("mine")
    options = ("--dataset", "mnist-sample", "--model", "mlp", "--epochs", "2", "--log-dir", logs / "logs")
    places = ("--data-dir", workplace / "mnist_data", "--output-dir", logs / "outputs", "--name", "pytorch")
    before = scalars(logs / "logs" / "pytorch")
    assert run_forked("pytorch", *options, *places, cwd=logs).returncode == 0
    after = scalars(logs / "logs" / "pytorch")
    assert {key: value for key, value in after.items() if "second" not in key[0]} == {
        key: value for key, value in before.items() if "second" not in key[0]
    }
    assert (logs / "logs" / "pytorch" / "notes.txt").read_text() == "mine"


def test_without_tensorboard_a_sentence_says_what_to_install(workplace: Path, tmp_path: Path) -> None:
    done = run_training(
        *("pytorch", "--dataset", "mnist-sample", "--data-dir", str(workplace / "mnist_data"), "--log-dir", "logs"),
        cwd=tmp_path,
        blocked=("tensorflow", "keras", "tensorboard"),
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert 'needs the package tensorboard, which is not installed; run: pip install -c constraints.txt -e ".[ten' in (
        done.stderr
    )
