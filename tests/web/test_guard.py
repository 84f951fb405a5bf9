"""The guard before the page: it lets through what the page sends, and answers everything else with a sentence."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastapi.responses import JSONResponse
from starlette.testclient import TestClient

from digits.web import guard
from digits.web.guard import MAX_BYTES, MAX_JSON_BYTES, Guard, own_hosts

HERE = "http://127.0.0.1:7860"
DRAW = "/gradio_api/run/draw"


async def count(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with the number of bytes it was sent."""
    body = (await receive())["body"] if scope["method"] == "POST" else b""
    await JSONResponse(len(body))(scope, receive, send)


def client_of(uploads: Path, host: str = "127.0.0.1", *allowed: str) -> TestClient:
    return TestClient(Guard(count, uploads, own_hosts(host, host, allowed)), base_url=HERE)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return client_of(tmp_path)


def refusal(answer: Any, status: int) -> str:
    """Return the sentence of a refused request."""
    assert answer.status_code == status, answer.request
    sentence = answer.json()["error"]
    assert sentence.endswith(".")
    return str(sentence)


@pytest.mark.slow
def test_only_its_own_names_are_answered_to(client: TestClient, tmp_path: Path) -> None:
    """A foreign site may point its own name at this machine (DNS rebinding) and then read along."""
    for host in ("127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860", socket.gethostname()):
        assert client.get("/config", headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", "evil.example:7860", "localhost.evil.example", "192.168.1.5", "x@", "[", "", "a b"):
        for answer in (client.get("/config", headers={"Host": host}), client.post(DRAW, headers={"Host": host})):
            assert "--allow-host" in refusal(answer, 421)
    for_phones = client_of(tmp_path, "0.0.0.0", "Digits.example", "b.test")
    for host in ("digits.example", "b.test:80", "192.168.1.5:7860", "[fd00::5]", "0.0.0.0", "localhost"):
        assert for_phones.get("/config", headers={"Host": host}).status_code == 200, host
    refusal(for_phones.get("/config", headers={"Host": "evil.example"}), 421)


def test_other_sites_cannot_use_it(client: TestClient) -> None:
    for headers in ({"Origin": HERE}, {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}):
        assert client.post(DRAW, content=b"1", headers=headers).json() == 1
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{HERE}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        for path in ("/predict", DRAW, "/gradio_api/upload", "/gradio_api/queue/join", "/wall/clear"):
            assert "another site" in refusal(client.post(path, content=b"1", headers=headers), 403)
    refusal(client.get("/config", headers={"Origin": "http://evil.example"}), 403)
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200


def test_the_bytes_of_a_request_are_bounded(client: TestClient) -> None:
    def parts() -> Iterator[bytes]:
        yield from [bytes(1000)] * 3

    assert "Content-Length" in refusal(client.post("/predict", content=parts()), 411)
    for path, most in (("/predict", MAX_BYTES), ("/gradio_api/upload", MAX_BYTES), (DRAW, MAX_JSON_BYTES)):
        assert client.post(path, content=bytes(most)).json() == most
        assert f"{most:,} bytes" in refusal(client.post(path, content=bytes(most + 1)), 413)
    refusal(client.post("/wall/label", content=bytes(1001)), 413)


def test_nonsense_in_json_is_not_parsed(client: TestClient) -> None:
    """Four million bytes of empty lists would be a hundred million in Python's memory."""
    for values in (b"[]," * 1000, b"1," * 3000, b'{"a":' * 2000):
        refusal(client.post(DRAW, content=b'{"data": [%s' % values), 400)


def test_a_request_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With room for one request: a second has the place of the one that stalls."""
    monkeypatch.setattr(guard, "SECONDS", 0.3)
    monkeypatch.setattr(guard, "PHOTOS_BYTES", 1000)
    headers = [(b"host", b"127.0.0.1"), (b"content-length", b"900")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers}
    answers: list[tuple[int, Any]] = []

    async def ask(guarded: Guard, receive: Any) -> None:
        sent: list[dict[str, Any]] = []

        async def send(event: dict[str, Any]) -> None:
            sent.append(event)

        await guarded(scope, receive, send)
        answers.append((sent[0]["status"], json.loads(sent[1]["body"])))

    async def all_of_it() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(900)}

    async def two_requests() -> None:
        guarded = Guard(count, tmp_path, {"127.0.0.1"})
        await ask(guarded, anyio.sleep_forever)
        await ask(guarded, all_of_it)

    anyio.run(two_requests)
    (first, late), second = answers
    assert (first, "took too long" in late["error"]) == (408, True)
    assert second == (200, 900)
