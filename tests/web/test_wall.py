"""The wall: what a class draws is on it, and only who has its key may label and clear. No server, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import fastapi
import numpy as np
import pytest
from starlette.testclient import TestClient

from digits.prediction import TrainedRun
from digits.web.keep import Keep
from digits.web.wall import Wall
from digits.web.wall_page import add_wall

TEN = tuple("0123456789")
RUNS = [TrainedRun(framework, Path(), framework, TEN, None) for framework in ("pytorch", "tensorflow")]


class Shown:
    """The page's networks."""

    def find(self) -> list[TrainedRun]:
        return RUNS

    def note(self) -> str:
        return "they are unequal"


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(Keep(tmp_path / "kept"))


@pytest.fixture
def client(wall: Wall) -> TestClient:
    app = fastapi.FastAPI()
    add_wall(app, wall, Shown(), ["http://192.168.1.5:7860"])
    return TestClient(app, headers={"X-Wall-Key": wall.key})


def draw(wall: Wall, author: int, *read: int) -> None:
    """Put a drawing on the wall that the networks read as these digits; the first is its image's grey level."""
    image = np.full((28, 28), read[0], np.uint8)
    wall.put(f"{author:032x}", image, RUNS, [np.eye(10, dtype=np.float32)[digit] for digit in read])


def state(client: TestClient, version: str = "") -> dict[str, Any]:
    return client.get("/wall/drawings", params={"version": version}).json()


def post(client: TestClient, what: str, **sent: object) -> tuple[int, Any]:
    answer = client.post(f"/wall/{what}", json=sent)
    return answer.status_code, answer.json()


def test_drawings_appear_change_and_go(wall: Wall, client: TestClient) -> None:
    empty = state(client)
    assert (empty["drawn"], empty["drawings"], empty["classes"], empty["note"]) == (0, [], [*TEN], "they are unequal")
    draw(wall, 1, 3, 3)
    draw(wall, 2, 7, 7)
    draw(wall, 1, 5, 6)  # its author goes on
    now = state(client)
    assert [[answer["digit"] for answer in one["answers"]] for one in now["drawings"]] == [[7, 7], [5, 6]]
    assert [answer["framework"] for answer in now["drawings"][0]["answers"]] == ["PyTorch", "TensorFlow"]
    assert (now["drawn"], now["compared"], now["agreed"], now["labelled"]) == (2, 2, 1, 0)
    assert state(client, now["version"]) == {"version": now["version"]}
    draw(wall, 1, 5, 6)  # sent twice, as after a look at another tab
    assert state(client)["version"] == now["version"]
    wall.withdraw(f"{1:032x}")
    assert [one["number"] for one in state(client)["drawings"]] == [now["drawings"][0]["number"]]


@pytest.mark.slow
def test_labels_count_what_was_right(wall: Wall, client: TestClient) -> None:
    draw(wall, 3, 3, 3)
    draw(wall, 7, 7, 1)
    seven, three = state(client)["drawings"]
    for drawing, label in ((seven, 7), (three, 8)):
        assert post(client, "label", number=drawing["number"], change=drawing["change"], label=label) == (200, {})
    now = state(client)
    assert [one["label"] for one in now["drawings"]] == ["7", "8"]
    assert [(run["framework"], run["read"], run["right"]) for run in now["runs"]] == [
        ("PyTorch", 2, 1),
        ("TensorFlow", 2, 0),
    ]
    change = now["drawings"][1]["change"]
    assert post(client, "label", number=three["number"], change=change, label=3) == (200, {})  # corrected
    assert [run["right"] for run in state(client)["runs"]] == [2, 1]
    draw(wall, 3, 1, 1)  # what is labelled stays: this is a further drawing
    assert [one["label"] for one in state(client)["drawings"]] == [None, "7", "3"]


def test_a_label_is_for_what_was_seen(wall: Wall, client: TestClient) -> None:
    draw(wall, 1, 3, 3)
    (drawing,) = state(client)["drawings"]
    draw(wall, 1, 8, 8)
    status, answer = post(client, "label", number=drawing["number"], change=drawing["change"], label=3)
    assert (status, answer) == (409, {"error": "the drawing has changed meanwhile; look again."})
    (drawing,) = state(client)["drawings"]
    for wrong in ({"number": drawing["number"], "change": drawing["change"], "label": 10}, {"number": "x"}, {}):
        status, answer = post(client, "label", **wrong)
        assert (status, answer["error"][-1]) == (400, ".")
    assert post(client, "remove", number=drawing["number"]) == (200, {})
    assert post(client, "remove", number=drawing["number"])[0] == 409
    draw(wall, 1, 9, 9)  # what is removed stays away
    assert state(client)["drawn"] == 0


def test_without_the_key_one_can_only_look(wall: Wall, client: TestClient) -> None:
    draw(wall, 1, 3, 3)
    before = state(client)
    (drawing,) = before["drawings"]
    for key in (b"", b"x", wall.key[:-1].encode(), b"\xe9"):
        for what in ("label", "remove", "clear"):
            sent = {"number": drawing["number"], "change": drawing["change"], "label": 3}
            answer = client.post(f"/wall/{what}", json=sent, headers=[(b"X-Wall-Key", key)])
            assert (answer.status_code, answer.json()["error"][:4]) == (403, "only"), (what, key)
    assert state(client) == before
    page = client.get("/wall")
    assert wall.key not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; connect-src 'self';")
    assert "unsafe" not in page.headers["Content-Security-Policy"]


def test_labelled_drawings_are_saved(wall: Wall, client: TestClient, tmp_path: Path) -> None:
    for author in range(20):
        draw(wall, author, author % 10, 0)
        for label in (0, author % 10):  # a slip, corrected
            drawing = state(client)["drawings"][0]
            sent = {"number": drawing["number"], "change": drawing["change"], "label": label}
            assert post(client, "label", **sent) == (200, {})
    assert post(client, "clear") == (200, {})  # deletes no file
    files = sorted((tmp_path / "kept").iterdir())
    assert [int(file.name[0]) for file in files] == sorted([*range(10)] * 2)
    assert all(cv2.imread(str(file), cv2.IMREAD_UNCHANGED).max() == int(file.name[0]) for file in files)


def test_what_cannot_be_saved_has_no_label(wall: Wall, client: TestClient, tmp_path: Path) -> None:
    draw(wall, 1, 3, 3)
    (drawing,) = state(client)["drawings"]
    (tmp_path / "kept").rmdir()
    status, answer = post(client, "label", number=drawing["number"], change=drawing["change"], label=3)
    assert (status, "cannot be saved" in answer["error"]) == (507, True)
    assert state(client)["labelled"] == 0


def test_kept_images_go_on_where_they_ended_and_two_programs_overwrite_nothing(tmp_path: Path) -> None:
    (tmp_path / "7_00041.png").write_bytes(b"of another day")
    keeps = 2 * [Keep(tmp_path), Keep(tmp_path)]
    files = [keep.add(np.full((28, 28), value, np.uint8), 7, TEN) for value, keep in enumerate(keeps)]
    assert [file.name for file in files] == [f"7_000{number}.png" for number in (42, 43, 44, 45)]
    assert [cv2.imread(str(file), cv2.IMREAD_UNCHANGED).max() for file in files] == [0, 1, 2, 3]
    odd = keeps[1].add(np.zeros((28, 28), np.uint8), 2, ["b", "a b", "c/d"])  # names that cannot be names of files
    assert odd.name == "2_00046.png"
