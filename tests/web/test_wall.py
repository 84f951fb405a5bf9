"""The wall over HTTP: what a class draws is on it, and only who has its key may label and clear."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Trained
from page_driver import Page, Pixels, ask, data_url, photo_of, png_of, send, serving_page
from paths import ROOT

from digits.data.datasets import load_dataset
from digits.errors import UserError
from digits.inference import TrainedRun
from digits.web.keep import Keep
from digits.web.wall import MOST, SHOWN, Gone, Wall

TEN = tuple("0123456789")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("class") / "kept"


@pytest.fixture(scope="module")
def served(workplace: Path, train_once: Callable[[str], Trained], kept: Path) -> Iterator[Page]:
    for framework in ("pytorch", "tensorflow"):
        train_once(framework)
    with serving_page(workplace, "--keep", kept) as running:
        yield running


@pytest.fixture
def wall(served: Page) -> Page:
    """A page whose wall is empty."""
    assert post(served, "clear") == (200, {})
    return served


def post(page: Page, what: str, key: str | None = None, **sent: object) -> tuple[int, Any]:
    """Do what the wall does when a button is tapped."""
    headers = {"X_Wall_Key": page.key if key is None else key, "Content_Type": "application/json"}
    status, answer = ask(f"{page.address}/wall/{what}", json.dumps(sent).encode(), **headers)
    return status, json.loads(answer)


def state(page: Page) -> dict[str, Any]:
    return json.loads(ask(f"{page.address}/wall/drawings")[1])


def draw(page: Page, author: int, photo: Pixels | None) -> str:
    """Send a drawing as the page does, or that all of it was undone; return the answer for its author."""
    url = "" if photo is None else data_url(png_of(cv2.resize(photo, (280, 280))))
    status, answer = send(page, "draw", {"drawing": f"{author:032x}", "url": url})
    assert status == 200
    return answer


# --- what is on it ---


def test_drawings_appear_change_and_go(wall: Page, digits: dict[int, Pixels]) -> None:
    empty = state(wall)
    assert (empty["drawn"], empty["drawings"], empty["classes"]) == (0, [], list(TEN))
    draw(wall, 1, photo_of(digits[3]))
    draw(wall, 2, photo_of(digits[7]))
    draw(wall, 1, photo_of(digits[5]))  # its author goes on
    now = state(wall)
    assert [[answer["digit"] for answer in one["answers"]] for one in now["drawings"]] == [[7, 7], [5, 5]]
    assert [answer["framework"] for answer in now["drawings"][0]["answers"]] == ["PyTorch", "TensorFlow"]
    assert (now["drawn"], now["compared"], now["agreed"], now["labelled"]) == (2, 2, 2, 0)
    assert now["version"] != empty["version"]
    assert json.loads(ask(f"{wall.address}/wall/drawings?version={now['version']}")[1]) == {"version": now["version"]}
    draw(wall, 1, photo_of(digits[5]))  # sent twice, as after a look at another tab
    assert state(wall)["version"] == now["version"]
    draw(wall, 1, None)
    assert [one["number"] for one in state(wall)["drawings"]] == [now["drawings"][0]["number"]]


def test_the_image_is_what_the_networks_saw(wall: Page, digits: dict[int, Pixels]) -> None:
    seen = draw(wall, 1, photo_of(digits[3]))
    assert state(wall)["drawings"][0]["image"] in seen


def test_only_drawings_are_shown(wall: Page, digits: dict[int, Pixels]) -> None:
    """A photo may show a face, and programs are not the class."""
    three = png_of(photo_of(digits[3]))
    assert ask(f"{wall.address}/predict", three)[0] == 200
    assert "agree" in send(wall, "draw", data_url(three))[1]
    assert "agree" in send(wall, "draw", {"drawing": "x", "url": data_url(three)})[1]
    draw(wall, 1, np.full((90, 90), 255, np.uint8))
    assert state(wall)["drawn"] == 0
    draw(wall, 1, photo_of(digits[3]))
    draw(wall, 1, np.full((90, 90), 255, np.uint8))  # where it is none any more
    assert state(wall)["drawn"] == 0


def test_labels_count_what_was_right(wall: Page, digits: dict[int, Pixels]) -> None:
    for digit in (3, 7):
        draw(wall, digit, photo_of(digits[digit]))
    seven, three = state(wall)["drawings"]
    for drawing, label in ((seven, 7), (three, 8)):
        sent = {"number": drawing["number"], "change": drawing["change"], "label": label}
        assert post(wall, "label", **sent) == (200, {})
    now = state(wall)
    assert [one["label"] for one in now["drawings"]] == ["7", "8"]
    assert [(run["framework"], run["read"], run["right"]) for run in now["runs"]] == [
        ("PyTorch", 2, 1),
        ("TensorFlow", 2, 1),
    ]
    sent = {"number": three["number"], "change": now["drawings"][1]["change"], "label": 3}  # corrected
    assert post(wall, "label", **sent) == (200, {})
    assert [run["right"] for run in state(wall)["runs"]] == [2, 2]
    draw(wall, 3, photo_of(digits[1]))  # what is labelled stays: this is a further drawing
    assert [one["label"] for one in state(wall)["drawings"]] == [None, "7", "3"]


def test_a_label_is_for_what_its_author_saw(wall: Page, digits: dict[int, Pixels]) -> None:
    draw(wall, 1, photo_of(digits[3]))
    (drawing,) = state(wall)["drawings"]
    draw(wall, 1, photo_of(digits[8]))
    sent = {"number": drawing["number"], "label": 3}
    status, answer = post(wall, "label", change=drawing["change"], **sent)
    assert (status, answer) == (409, {"error": "the drawing has changed meanwhile; look again."})
    (drawing,) = state(wall)["drawings"]
    assert drawing["label"] is None
    assert post(wall, "label", change=drawing["change"], **sent | {"label": 10})[0] == 400
    assert post(wall, "remove", number=drawing["number"]) == (200, {})
    assert post(wall, "label", change=drawing["change"], **sent)[0] == 409
    assert post(wall, "remove", number=drawing["number"])[0] == 409


def test_what_is_removed_stays_away(wall: Page, digits: dict[int, Pixels]) -> None:
    draw(wall, 1, photo_of(digits[3]))
    assert post(wall, "remove", number=state(wall)["drawings"][0]["number"]) == (200, {})
    assert "agree" in draw(wall, 1, photo_of(digits[8]))  # its author still gets answers
    assert state(wall)["drawn"] == 0
    draw(wall, 2, photo_of(digits[8]))
    assert state(wall)["drawn"] == 1


# --- who may do what ---


def test_without_the_key_one_can_only_look(wall: Page, digits: dict[int, Pixels]) -> None:
    draw(wall, 1, photo_of(digits[3]))
    before = state(wall)
    (drawing,) = before["drawings"]
    sent = {"number": drawing["number"], "change": drawing["change"], "label": 3}
    for key in ("", "x", wall.key[:-1], wall.key + "x", "\xe9"):
        for what in ("label", "remove", "clear"):
            status, answer = post(wall, what, key, **sent)
            assert (status, answer["error"][:4]) == (403, "only"), (what, key)
    assert state(wall) == before
    assert wall.key not in ask(f"{wall.address}/wall")[1].decode()


def test_wrong_requests_get_a_sentence(wall: Page) -> None:
    for what, sent in (("label", {}), ("label", {"number": "x"}), ("remove", {"number": None})):
        status, answer = post(wall, what, **sent)
        assert (status, answer["error"][-1]) == (400, "."), (what, sent)
    headers = {"X_Wall_Key": wall.key, "Content_Type": "application/json"}
    for path, body, more, expected in (
        ("label", b"{", {}, 400),
        ("label", b"[" * 900, {}, 400),
        ("label", bytes(1001), {}, 413),
        ("clear", b"{}", {"Origin": "http://evil.example"}, 403),
        ("clear", b"{}", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("clear", b"{}", {"Host": "evil.example"}, 421),
        ("drawings", None, {"Host": "evil.example"}, 421),
        ("nothing", b"{}", {}, 404),
    ):
        status, answer = ask(f"{wall.address}/wall/{path}", body, **headers | more)
        assert status == expected, path
        assert json.loads(answer)["error"]


def test_the_page_allows_no_script_but_its_own(wall: Page) -> None:
    import urllib.request

    with urllib.request.urlopen(f"{wall.address}/wall", timeout=10) as response:
        policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self';")
    assert "unsafe" not in policy


# --- a class at once ---


def test_fifty_phones(wall: Page, digits: dict[int, Pixels]) -> None:
    """Each draws in four steps, while two walls look on: all drawings are there, whole, with their own answers."""
    photos = [cv2.resize(photo_of(digits[digit]), (280, 280)) for digit in range(10)]
    done = threading.Event()

    def draw_in_steps(author: int) -> str:
        photo = photos[author % 10]
        for rows in (100, 150, 200, 280):
            part = photo.copy()
            part[rows:] = 240
            answer = draw(wall, author, part)
        return answer

    def look() -> int:
        looks = 0
        while not done.is_set():
            assert state(wall)["drawn"] <= 50
            looks += 1
            time.sleep(0.2)
        return looks

    with ThreadPoolExecutor(52) as pool:
        looking = [pool.submit(look) for _ in range(2)]
        answers = list(pool.map(draw_in_steps, range(50)))
        done.set()
        assert all(looks.result() > 1 for looks in looking)
    now = state(wall)
    assert (now["drawn"], now["compared"], len(now["drawings"])) == (50, 50, 50)
    assert {one["image"] for one in now["drawings"]} == {
        answer.partition('src="')[2].partition('"')[0] for answer in answers
    }
    whole = {draw(wall, 100 + digit, photos[digit]): digit for digit in range(10)}
    assert set(answers) == set(whole)


def made_up_run() -> TrainedRun:
    return TrainedRun("one", Path(), "pytorch", TEN, None, None)


def test_memory_is_bounded() -> None:
    wall, run = Wall(), made_up_run()
    rng = np.random.default_rng(0)
    for author in range(3 * MOST):
        image = rng.integers(0, 255, (28, 28), np.uint8)
        wall.put(f"{author:032x}", image, [run], [np.eye(10, dtype=np.float32)[author % 10]])
        if author % 3 == 0:
            wall.remove(author + 1)
    now = wall.state([run])
    assert now["drawn"] == MOST
    assert [one["number"] for one in now["drawings"]] == [n for n in range(3 * MOST, 0, -1) if n % 3 != 1][:SHOWN]
    with pytest.raises(Gone):
        wall.remove(2)
    assert max(map(len, (wall._drawings, wall._numbers))) <= MOST


# --- what --keep writes ---


def test_kept_images_make_a_dataset(wall: Page, kept: Path, digits: dict[int, Pixels], tmp_path: Path) -> None:
    """The round trip: drawn, labelled, saved, taken by download_mnist.py, and loaded as the networks saw them."""
    for file in kept.iterdir():
        file.unlink()
    expected = {}
    for author in range(20):
        draw(wall, author, np.roll(photo_of(digits[author % 10]), author, axis=1))
        drawing = state(wall)["drawings"][0]
        sent = {"number": drawing["number"], "label": author % 10}
        assert post(wall, "label", change=drawing["change"], **sent | {"label": 0}) == (200, {})  # a slip
        drawing = state(wall)["drawings"][0]
        assert post(wall, "label", change=drawing["change"], **sent) == (200, {})
        expected.setdefault(author % 10, []).append(drawing["image"])
    draw(wall, 99, photo_of(digits[1]))
    drawing = state(wall)["drawings"][0]
    assert post(wall, "label", number=drawing["number"], change=drawing["change"], label=1)[0] == 200
    assert post(wall, "remove", number=drawing["number"])[0] == 200  # its file as well
    assert post(wall, "clear")[0] == 200  # no file
    files = sorted(kept.iterdir())
    assert len(files) == 20
    command = [sys.executable, ROOT / "download_mnist.py", "--from-images", kept, "--name", "class"]
    done = subprocess.run([*command, "--data-dir", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    dataset = load_dataset("class", tmp_path)
    assert dataset.class_names == TEN
    images = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    found: dict[int, list[str]] = {}
    for image, label in zip(images, labels, strict=True):
        found.setdefault(int(label), []).append(data_url(png_of(image)))
    assert {digit: sorted(urls) for digit, urls in found.items()} == {
        digit: sorted(urls) for digit, urls in expected.items()
    }


def test_what_cannot_be_saved_has_no_label(wall: Page, kept: Path, digits: dict[int, Pixels]) -> None:
    draw(wall, 1, photo_of(digits[3]))
    (drawing,) = state(wall)["drawings"]
    aside = kept.rename(kept.with_name("aside"))
    try:
        status, answer = post(wall, "label", number=drawing["number"], change=drawing["change"], label=3)
        assert (status, "cannot be saved" in answer["error"]) == (507, True)
        assert state(wall)["labelled"] == 0
    finally:
        aside.rename(kept)


def test_kept_images_go_on_where_they_ended(tmp_path: Path) -> None:
    one, two = np.zeros((28, 28), np.uint8), np.ones((28, 28), np.uint8)
    (tmp_path / "notes.txt").write_text("the class of March")
    assert Keep(tmp_path).add(one, 7, TEN).name == "7_00001.png"
    keep, other = Keep(tmp_path), Keep(tmp_path)
    assert keep.add(one, 7, TEN).name == "7_00002.png"
    assert other.add(two, 7, TEN).name == "7_00003.png"  # two processes at once
    assert cv2.imread(str(tmp_path / "7_00002.png"), cv2.IMREAD_UNCHANGED).max() == 0
    assert keep.add(one, 2, ["b", "a b", "c/d"]).name == "2_00003.png"  # names that cannot be names of files


def test_a_folder_that_cannot_be_used_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "parts" / "test").mkdir(parents=True)
    for name, words in (("file", "is not a folder"), ("parts", "has 'test' in it"), ("file/below", "cannot write")):
        with pytest.raises(UserError, match=words):
            Keep(tmp_path / name)
