"""The wall: what a class draws is on it, and only who has its key may label and clear. No server, no network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest
from starlette.testclient import TestClient

from mnist_twice.prediction import TrainedRun
from mnist_twice.web.page import build_app
from mnist_twice.web.wall import Wall

TEN = tuple("0123456789")
RUNS = [TrainedRun(framework, Path(), framework, TEN, None) for framework in ("pytorch", "tensorflow")]


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(RUNS, "they are unequal", tmp_path / "kept")


@pytest.fixture
def client(wall: Wall) -> TestClient:
    app = build_app(RUNS, {"127.0.0.1"}, wall, "http://192.168.1.5:7860")
    return TestClient(app, base_url="http://127.0.0.1:7860", headers={"X-Wall-Key": wall.key})


def draw(wall: Wall, author: int, *read: int) -> None:
    """Put a drawing on the wall that the networks read as these digits; the first is its image's grey level. Of none,
    the author has undone it."""
    answers = [{"framework": run.framework, "label": digit} for run, digit in zip(RUNS, read, strict=False)]
    image = [read[0]] * 784 if read else None
    found = {"found": bool(read), "runs": answers, "agree": len(set(read)) == 1, "image": image}
    wall.put(f"{author:032x}", found)


def state(client: TestClient, version: str = "") -> dict[str, Any]:
    return client.get("/wall/drawings", params={"version": version}).json()


def post(client: TestClient, what: str, **sent: object) -> tuple[int, Any]:
    answer = client.post(f"/wall/{what}", params=sent)
    return answer.status_code, answer.json()


def label(client: TestClient, drawing: dict[str, Any], true: int) -> tuple[int, Any]:
    return post(client, "label", number=drawing["number"], change=drawing["change"], label=true)


def test_drawings_appear_change_and_go(wall: Wall, client: TestClient) -> None:
    empty = state(client)
    assert (empty["drawn"], empty["drawings"]) == (0, [])
    draw(wall, 1, 3, 3)
    draw(wall, 2, 7, 7)
    draw(wall, 1, 5, 6)  # its author goes on
    now = state(client)
    assert [[answer["label"] for answer in one["answers"]] for one in now["drawings"]] == [[7, 7], [5, 6]]
    assert (now["drawn"], now["agreed"], now["labelled"]) == (2, 1, 0)
    assert state(client, now["version"]) == {"version": now["version"]}
    draw(wall, 1, 5, 6)  # sent twice, as after a look at another tab
    assert state(client)["version"] == now["version"]
    draw(wall, 1)
    assert [one["number"] for one in state(client)["drawings"]] == [now["drawings"][0]["number"]]


def test_labels_count_what_was_right(wall: Wall, client: TestClient) -> None:
    draw(wall, 3, 3, 3)
    draw(wall, 7, 7, 1)
    seven, three = state(client)["drawings"]
    assert label(client, seven, 7) == label(client, three, 8) == (200, {})
    now = state(client)
    assert [one["label"] for one in now["drawings"]] == [7, 8]
    assert (now["labelled"], now["right"]) == (2, [1, 0])
    assert label(client, now["drawings"][1], 3) == (200, {})  # corrected
    assert state(client)["right"] == [2, 1]
    draw(wall, 3, 1, 1)  # what is labelled stays: this is a further drawing
    assert [one["label"] for one in state(client)["drawings"]] == [None, 7, 3]


def test_a_label_is_for_what_was_seen(wall: Wall, client: TestClient) -> None:
    draw(wall, 1, 3, 3)
    (drawing,) = state(client)["drawings"]
    draw(wall, 1, 8, 8)
    assert label(client, drawing, 3) == (400, {"error": "the drawing has changed in the meantime; look at it again."})
    (drawing,) = state(client)["drawings"]
    assert "does not send requests like this" in label(client, drawing | {"number": "x"}, 3)[1]["error"]
    assert post(client, "nothing")[0] == 404
    assert "no class 10" in label(client, drawing, 10)[1]["error"]
    assert post(client, "remove", number=drawing["number"]) == (200, {})
    assert "no longer on the wall" in post(client, "remove", number=drawing["number"])[1]["error"]
    draw(wall, 1, 9, 9)  # what is removed stays away
    assert state(client)["drawn"] == 0


def test_without_the_key_one_can_only_look(wall: Wall, client: TestClient) -> None:
    draw(wall, 1, 3, 3)
    before = state(client)
    for key in (b"", b"x", wall.key[:-1].encode(), b"\xe9"):
        for what in ("label", "remove", "clear"):
            sent = {"number": 1, "change": 1, "label": 3}
            answer = client.post(f"/wall/{what}", params=sent, headers=[(b"X-Wall-Key", key)])
            assert (answer.status_code, answer.json()["error"][:4]) == (403, "only"), (what, key)
    assert state(client) == before
    page = client.get("/wall")
    assert wall.key not in page.text
    assert "192.168.1.5:7860</p>" in page.text  # where the phones go
    assert "<p>they are unequal</p>" in page.text


def test_labelled_drawings_are_saved(wall: Wall, client: TestClient, tmp_path: Path) -> None:
    for author in range(20):
        draw(wall, author, author % 10, 0)
        for true in (0, author % 10):  # a slip, corrected
            assert label(client, state(client)["drawings"][0], true) == (200, {})
    assert post(client, "clear") == (200, {})  # deletes no file
    files = sorted((tmp_path / "kept").iterdir())
    assert [int(file.name[0]) for file in files] == sorted([*range(10)] * 2)
    assert all(cv2.imread(str(file), cv2.IMREAD_UNCHANGED).max() == int(file.name[0]) for file in files)
    shutil.rmtree(tmp_path / "kept")
    (tmp_path / "kept").write_bytes(b"")  # in its place
    draw(wall, 1, 3, 3)
    status, answer = label(client, state(client)["drawings"][0], 3)
    assert (status, "cannot be saved" in answer["error"]) == (507, True)
    assert state(client)["labelled"] == 0
