"""The application in this process: answers for drawings, photos and programs, and sentences for everything else."""

from __future__ import annotations

import base64
import re
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from drawings import SEVEN, SEVEN_PNG, make_outputs, photo_of, png_of
from linear_run import make_linear_run
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.testclient import TestClient

from mnist_twice.errors import UserError
from mnist_twice.photos import find_digit
from mnist_twice.prediction import TrainedRun
from mnist_twice.web import guard
from mnist_twice.web.answers import runs_to_show
from mnist_twice.web.guard import Lane, own_hosts
from mnist_twice.web.page import PHOTO_BYTES, build_app
from mnist_twice.web.wall import Wall

HERE = "http://127.0.0.1:7860"
MARK = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[TrainedRun]:
    return runs_to_show([], make_outputs(tmp_path_factory.mktemp("runs")))[0]


def client_of(runs: list[TrainedRun], host: str = "127.0.0.1", *allowed: str) -> TestClient:
    app = build_app(runs, own_hosts(host, host, allowed), Wall(runs, "they are <unequal>"), "")
    return TestClient(app, base_url=HERE)


@pytest.fixture
def client(runs: list[TrainedRun]) -> TestClient:
    return client_of(runs)


def refusal(answer: Any, status: int) -> str:
    """Return the sentence of a refused request."""
    assert answer.status_code == status, answer.request
    sentence = answer.json()["error"]
    assert sentence.endswith(".")
    return str(sentence)


# --- what it answers ---


def test_programs_get_the_networks_probabilities(client: TestClient, runs: list[TrainedRun]) -> None:
    answer = client.post("/predict", content=SEVEN_PNG).json()
    digit = find_digit(photo_of(SEVEN))
    assert digit
    assert [(run["run"], run["framework"]) for run in answer["runs"]] == [(run.name, run.framework) for run in runs]
    for run, told in zip(runs, answer["runs"], strict=True):
        expected = run.predict(digit.image[None])[0]
        assert told["label"] == expected.argmax()
        np.testing.assert_allclose(told["probabilities"], expected, atol=1e-4)
    assert (answer["found"], answer["box"], answer["agree"]) == (True, list(digit.box), True)
    assert answer["image"] == digit.image.ravel().tolist()
    blank = client.post("/predict", content=png_of(np.full((90, 90), 255, np.uint8))).json()
    assert [blank[key] for key in ("found", "box", "runs", "agree", "image")] == [False, None, [], False, None]


def test_drawings_are_answered_and_on_the_wall(client: TestClient, runs: list[TrainedRun]) -> None:
    address, digit = f"/drawing?mark={MARK}", find_digit(photo_of(SEVEN))
    assert digit
    answer = client.post(address, content=digit.image.tobytes()).json()
    assert answer["runs"][0]["label"] == runs[0].predict(digit.image[None])[0].argmax()
    assert answer["image"] == digit.image.ravel().tolist()
    (on_wall,) = client.get("/wall/drawings").json()["drawings"]
    assert on_wall["answers"] == answer["runs"]
    assert client.post(address, content=b"").json()["found"] is False  # all strokes undone
    assert client.get("/wall/drawings").json()["drawings"] == []
    refusal(client.post("/drawing?mark=x", content=bytes(784)), 400)
    for size in (1, 783, 785, 100_000):
        assert "reload the page" in refusal(client.post(address, content=bytes(size)), 400)


def test_the_pages_take_nothing_from_elsewhere(client: TestClient) -> None:
    for address in ("/", "/wall"):
        page = client.get(address)
        nonce = re.search("script-src 'nonce-(.+?)'", page.headers["Content-Security-Policy"])
        assert nonce
        assert page.text.count(f'nonce="{nonce[1]}"') == 2
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; connect-src 'self';")
        assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "they are &lt;unequal&gt;" in client.get("/").text


def test_the_runs_that_are_shown(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no trained run; train one with .*python mnist_pytorch.py"):
        runs_to_show([], tmp_path)
    make_linear_run(tmp_path, framework="pytorch")
    runs, note = runs_to_show([], tmp_path)
    assert note == "There is no TensorFlow network yet: 'python mnist_tensorflow.py' trains one."
    assert runs_to_show([runs[0].name] * 2, tmp_path)[1] == ""
    make_linear_run(tmp_path, framework="tensorflow", model="mlp")
    assert "differ: model cnn against mlp" in runs_to_show([], tmp_path)[1]


# --- what it refuses ---


def bomb() -> bytes:
    """Return a PNG file of a few bytes and 900 million pixels."""
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(b"")):
        data += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data


def test_what_is_no_photo_gets_a_sentence(client: TestClient) -> None:
    for body in (b"not a photo", b"", bomb(), SEVEN_PNG[:300]):
        refusal(client.post("/predict", content=body), 400)
    assert "curl --data-binary @photo.jpg" in refusal(client.post("/predict", files={"file": SEVEN_PNG}), 415)
    assert "curl --data-binary @photo.jpg" in refusal(client.post("/predict", json={"image": "iVBORw0KGgo"}), 415)
    assert "is not an image file but text" in refusal(client.post("/predict", content=base64.b64encode(SEVEN_PNG)), 400)
    assert "there is nothing here" in refusal(client.post("/pyproject.toml", content=b"x"), 404)
    refusal(client.get("/..%2f..%2fpyproject.toml"), 404)
    assert "/predict takes photos" in refusal(client.get("/predict"), 405)


def test_only_its_own_names_are_answered_to(client: TestClient, runs: list[TrainedRun]) -> None:
    """A foreign site may point its own name at this machine (DNS rebinding) and then read along."""
    for host in ("127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860", socket.gethostname()):
        assert client.get("/", headers={"Host": host}).status_code == 200, host
    for host in ("evil.example:7860", "localhost.evil.example", "192.168.1.5", "x@", "[", "", "a b"):
        assert "--allow-host" in refusal(client.get("/", headers={"Host": host}), 421)
    for_phones = client_of(runs, "0.0.0.0", "Digits.example", "b.test")
    for host in ("digits.example", "b.test:80", "192.168.1.5:7860", "[fd00::5]", "0.0.0.0", "localhost"):
        assert for_phones.get("/", headers={"Host": host}).status_code == 200, host
    refusal(for_phones.get("/", headers={"Host": "evil.example"}), 421)


def test_other_sites_cannot_use_it(client: TestClient) -> None:
    own = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
    assert client.post("/predict", content=SEVEN_PNG, headers=own).status_code == 200
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{HERE}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert "another site" in refusal(client.post("/wall/clear", headers=headers), 403)
    refusal(client.get("/", headers={"Origin": "http://evil.example"}), 403)
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200


def test_the_bytes_of_a_request_are_bounded(client: TestClient) -> None:
    assert "Content-Length" in refusal(client.post("/predict", content=iter([b"x"])), 411)
    assert "not an image file" in refusal(client.post("/predict", content=bytes(PHOTO_BYTES)), 400)
    assert "20,000,000 bytes" in refusal(client.post("/predict", content=bytes(PHOTO_BYTES + 1)), 413)


def test_a_request_waits_for_its_place_and_one_that_does_not_arrive_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SECONDS", 0.3)
    answers: list[object] = []

    async def all_of_it() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(900)}

    async def ask(lane: Lane, receive: Any) -> None:
        scope = {"type": "http", "method": "POST", "headers": [(b"content-length", b"900")]}
        try:
            answers.append(await lane.answer(Request(scope, receive), len))
        except HTTPException as refused:
            answers.append(refused.status_code)

    async def two_requests() -> None:
        lane = Lane(1000, 1, 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, lane, anyio.sleep_forever)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(ask, lane, all_of_it)

    anyio.run(two_requests)
    assert answers == [408, 900]
    monkeypatch.setattr(guard, "WAITING_SECONDS", 0.1)
    anyio.run(two_requests)
    assert answers[2:] == [503, 408]
