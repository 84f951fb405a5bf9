"""The whole page in this process: answers for drawings, photos and programs, and nothing for who attacks it."""

from __future__ import annotations

import socket
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawings import SEVEN, SEVEN_PNG, data_url, make_outputs, photo_of, png_of
from paths import ROOT
from starlette.testclient import TestClient

from digits.photos import find_digit
from digits.web import Networks, Wall
from digits.web.guard import MAX_BYTES, own_hosts

pytestmark = pytest.mark.slow  # to import Gradio takes seconds


@dataclass(frozen=True)
class Page:
    """The page of the runs in `outputs`."""

    client: TestClient
    outputs: Path
    uploads: Path

    def send(self, event: str, value: object) -> str:
        """Do what the page does at an event, 'draw' or 'photo'; return its answer, HTML or the error's sentence."""
        answer = self.client.post(f"/gradio_api/run/{event}", json={"data": [value]})
        assert answer.status_code in (200, 400)
        return str(answer.json()["data"][0] if answer.status_code == 200 else answer.json()["error"])

    def upload(self, data: bytes) -> Any:
        return self.client.post("/gradio_api/upload", files={"files": ("a.png", data)})


def open_page(outputs: Path, uploads: Path) -> Page:
    from digits.web.page import build_app

    app = build_app(Networks([], outputs), uploads, own_hosts("127.0.0.1", "127.0.0.1", ()), Wall())
    return Page(TestClient(app, base_url="http://127.0.0.1:7860"), outputs, uploads)


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("uploads").resolve()
    with pytest.MonkeyPatch.context() as patch:  # before Gradio is imported, which reads them
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield folder


@pytest.fixture(scope="module")
def page(uploads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    opened = open_page(make_outputs(tmp_path_factory.mktemp("runs")), uploads)
    with opened.client:
        yield opened


def file_data(path: object) -> dict[str, object]:
    """Return what the page sends for an uploaded file."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def bomb() -> bytes:
    """Return a PNG file of a few bytes and 900 million pixels."""
    data = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(b"")):
        data += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return data


def test_programs_get_the_networks_probabilities(page: Page) -> None:
    answer = page.client.post("/predict", content=SEVEN_PNG).json()
    digit = find_digit(photo_of(SEVEN))
    assert digit
    runs = Networks([], page.outputs).find()
    assert [(run["run"], run["framework"]) for run in answer["runs"]] == [(run.name, run.framework) for run in runs]
    for run, told in zip(runs, answer["runs"], strict=True):
        expected = run.predict(digit.image[None])[0]
        assert told["digit"] == expected.argmax()
        np.testing.assert_allclose(told["probabilities"], expected, atol=1e-4)
    assert (answer["found"], answer["box"], answer["agree"]) == (True, list(digit.box), True)
    blank = page.client.post("/predict", content=png_of(np.full((90, 90), 255, np.uint8))).json()
    assert blank == {"found": False, "box": None, "runs": [], "agree": False}


def test_drawings_are_answered_and_on_the_wall(page: Page) -> None:
    drawing = {"drawing": "0123456789abcdef" * 2, "url": data_url(SEVEN_PNG)}
    assert "They agree: " in page.send("draw", drawing)
    (on_wall,) = page.client.get("/wall/drawings").json()["drawings"]
    assert f"They agree: {on_wall['answers'][0]['digit']}" in page.send("draw", data_url(SEVEN_PNG))
    assert "No digit here yet" in page.send("draw", drawing | {"url": ""})  # all strokes undone
    assert page.client.get("/wall/drawings").json()["drawings"] == []


def test_photos_are_answered(page: Page) -> None:
    assert "They agree: " in page.send("photo", file_data(page.upload(SEVEN_PNG).json()[0]))
    for data, words in ((SEVEN_PNG[:300], "cannot be read"), (bomb(), "pixels"), (b"x", "cannot be read")):
        assert words in page.send("photo", file_data(page.upload(data).json()[0]))
    assert page.upload(bytes(MAX_BYTES)).status_code == 413


def test_bad_requests_get_a_sentence(page: Page) -> None:
    for body in (b"not a photo", b"", bomb(), SEVEN_PNG[:300]):
        answer = page.client.post("/predict", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"].endswith(".")
    for path, body in (
        ("run/draw", b"[" * 900),
        ("run/draw", b'{"data": []}'),
        ("run/nonsense", b'{"data": []}'),
        ("upload", b"x"),
        ("queue/join", b'{"data": [null], "fn_index": 99, "session_hash": "x"}'),
    ):
        answer = page.client.post(f"/gradio_api/{path}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code >= 400, path
        assert "Traceback" not in answer.text
    for value in (7, "data:image/png;base64,?", data_url(b"x"), {"path": 7}, {"url": []}):
        told = page.send("draw", value)
        assert "cannot be read" in told or "No digit" in told
    assert "more than 4,000,000; shrink" in page.send("draw", data_url(png_of(np.zeros((2100, 2100), np.uint8))))
    assert "They agree: " in page.send("draw", data_url(SEVEN_PNG))


def test_no_file_and_no_address_can_be_read(page: Page, tmp_path: Path) -> None:
    (tmp_path / "digit.png").write_bytes(SEVEN_PNG)
    place = page.upload(SEVEN_PNG).json()[0]
    up = f"{Path(place).parent}/../../../.."
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.setblocking(False)
        address = f"http://127.0.0.1:{inside.getsockname()[1]}/inside.png"
        for secret in (tmp_path / "digit.png", ROOT / "pyproject.toml", address):
            for path in (
                f"gradio_api/file={secret}",
                f"gradio_api/file={up.replace('..', '%2e%2e')}{secret}",
                f"gradio_api/proxy={secret}",
                f"file={secret}",
                f"static/{secret}",
                f"assets/..%2f..%2f..%2f..%2f..%2f..{secret}",
            ):
                assert page.client.get(f"/{path}").status_code >= 400, path
            for event in ("draw", "photo"):
                for value in (file_data(secret), file_data(f"{up}{secret}"), {"url": f"file://{secret}"}, str(secret)):
                    told = page.send(event, value)
                    assert "cannot be read" in told or "not one that the page sends" in told, (event, value)
        with pytest.raises(BlockingIOError):  # nobody has come
            inside.accept()
    assert page.client.get(f"/gradio_api/file={place}").content == SEVEN_PNG  # the upload itself, which the page shows
    copies = [path.read_bytes() for path in page.uploads.rglob("*") if path.is_file()]
    assert (ROOT / "pyproject.toml").read_bytes() not in copies


def test_uploads_do_not_stay(uploads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a page without a run, which says what to do."""
    import digits.web.page

    monkeypatch.setattr(digits.web.page, "KEPT_SECONDS", 1)
    page = open_page(tmp_path, uploads)
    with page.client:
        answer = page.client.post("/predict", content=SEVEN_PNG)
        assert (answer.status_code, "python mnist_pytorch.py" in answer.json()["error"]) == (503, True)
        place = Path(page.upload(SEVEN_PNG).json()[0])
        deadline = time.monotonic() + 60
        while place.exists():
            assert time.monotonic() < deadline
            time.sleep(0.2)
