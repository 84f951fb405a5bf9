"""Places that the tests of experiments work in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import experiments.workers  # noqa: F401 (trainings are fake from now on)
import pytest
from experiments.postgresql import PostgreSQL, programs, serving_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server of this worker's own, as Debian's package has it."""
    found = programs()
    if found is None:
        pytest.skip("needs PostgreSQL's programs: apt-get install postgresql")
    with serving_postgresql(found) as server:
        yield server


@pytest.fixture
def place(workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Give a function from a command's words to those words with the test's folders and the sample's images."""
    monkeypatch.setenv("FAKE_EPOCH", "0.02")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    outputs, data = ["--output-dir", str(tmp_path)], ["--data-dir", str(workplace / "mnist_data")]

    def words(*given: str) -> list[str]:
        more = {"show": [], "confirm": data}.get(given[0], [*data, "--dataset", "mnist-sample"])
        return [*given, *outputs, *more]

    return words
