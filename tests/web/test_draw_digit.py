"""draw_digit.py over HTTP, as programs, many users and hostile ones come to it. test_draw_page.py has the browser."""

from __future__ import annotations

import http.client
import http.server
import io
import json
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Trained
from fastapi.responses import JSONResponse
from page_driver import Page, Pixels, ask, data_url, photo_of, png_of, send, serving_page, stop
from paths import ROOT
from PIL import Image


def draw(page: Page, photo: bytes) -> str:
    """Return the page's answer to a drawing."""
    status, answer = send(page, "draw", data_url(photo))
    assert status == 200
    return answer


def upload(page: Page, data: bytes) -> tuple[int, bytes]:
    """Upload a file as the page does; return the status and the answer, a list with its place on the server."""
    head = b'--mark\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = head + data + b"\r\n--mark--\r\n"
    return ask(f"{page.address}/gradio_api/upload", body, Content_Type="multipart/form-data; boundary=mark")


def file_data(path: object) -> dict[str, object]:
    """Return what the page sends for an uploaded file."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


# --- as programs use it ---


def test_predict(page: Page, digits: dict[int, Pixels]) -> None:
    status, body = ask(f"{page.address}/predict", png_of(photo_of(digits[3])))
    answer = json.loads(body)
    assert status == 200
    assert answer["found"]
    assert [run["framework"] for run in answer["runs"]] == ["pytorch", "tensorflow"]
    assert [run["digit"] for run in answer["runs"]] == [3, 3]
    assert answer["agree"]
    assert sum(answer["runs"][0]["probabilities"]) == pytest.approx(1, abs=1e-3)
    left, top, right, bottom = answer["box"]
    assert 30 <= left < right <= 170
    assert 30 <= top < bottom <= 170
    status, body = ask(f"{page.address}/predict", png_of(np.full((90, 90), 255, np.uint8)))
    assert (status, json.loads(body)) == (200, {"found": False, "box": None, "runs": [], "agree": False})


def test_the_answers_are_those_of_predict_digit(page: Page, digits: dict[int, Pixels], workplace: Path) -> None:
    from digits.inference import answer_files, list_files, load_runs

    photo = workplace / "five.png"
    photo.write_bytes(png_of(photo_of(digits[5])))
    run = json.loads(ask(f"{page.address}/predict", photo.read_bytes())[1])["runs"][0]
    ((expected,),) = answer_files(list_files([photo]), load_runs([run["run"]], workplace / "outputs"))
    for field in ("digit", "probability", "runner_up", "runner_up_probability", "sure"):
        assert run[field] == expected[field]


def test_the_commands_that_its_documentation_shows(page: Page, digits: dict[int, Pixels], tmp_path: Path) -> None:
    """A server's commands cannot stand among those that CI runs one after another, so they are run here."""
    text = (
        (ROOT / "docs" / "drawing_page.md").read_text(encoding="utf-8").replace("http://127.0.0.1:7860", page.address)
    )
    shown = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    curl = next(line for line in shown if line.startswith("curl"))
    python = "\n".join(shown[shown.index("import requests") :])
    cv2.imwrite(str(tmp_path / "photo.jpg"), photo_of(digits[5]))

    def output_of(command: list[str]) -> str:
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30).stdout

    assert [line.split()[:2] for line in output_of([sys.executable, "-c", python]).splitlines()] == [
        ["pytorch", "5"],
        ["tensorflow", "5"],
    ]
    if shutil.which("curl"):
        assert json.loads(output_of(["curl", "--silent", *shlex.split(curl)[1:]]))["agree"]


# --- as hostile ones do ---


def test_bad_requests_get_a_sentence_and_do_not_stop_it(page: Page, digits: dict[int, Pixels]) -> None:
    bomb = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(b"")):
        bomb += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    half = png_of(photo_of(digits[1]))[:300]
    for body, expected in ((b"not a photo", 400), (b"", 400), (bomb, 400), (half, 400), (bytes(20_000_001), 413)):
        status, answer = ask(f"{page.address}/predict", body)
        assert status == expected
        assert json.loads(answer)["error"].endswith(".")
    for path, body in (
        ("predict", None),
        ("gradio_api/run/draw", b"{"),
        ("gradio_api/run/draw", b"[" * 100_000),
        ("gradio_api/run/draw", b'{"data": []}'),
        ("gradio_api/run/nonsense", b'{"data": []}'),
        ("gradio_api/upload", b"x"),
        ("gradio_api/queue/join", b'{"data": [null], "fn_index": 99, "session_hash": "x"}'),
    ):
        assert ask(f"{page.address}/{path}", body, Content_Type="application/json")[0] >= 400, path
    for value in (
        7,
        [],
        True,
        "text",
        "data:image/png;base64,?",
        "data:image/png;base64,eA==",
        {"path": 7},
        {"url": []},
    ):
        status, answer = send(page, "draw", value)
        assert (status, "Traceback" in answer) == (200, False)
        assert "cannot be read" in answer or "No digit" in answer
    status, place = upload(page, bomb)
    assert status == 200
    assert "pixels" in send(page, "photo", file_data(json.loads(place)[0]))[1]
    assert upload(page, bytes(20_000_000))[0] == 413
    assert "agree" in draw(page, png_of(photo_of(digits[1])))
    assert page.process.poll() is None


@pytest.mark.parametrize(
    "value",
    ["x\0y", "\ud800", "a" * 300, "data:image/png;base64,\xe9", "data:image/png;base64,\ud800"],
    ids=["NUL", "surrogate", "long", "not ASCII", "surrogate in base64"],
)
@pytest.mark.parametrize("event", ["draw", "photo"])
def test_odd_strings_get_a_sentence(page: Page, event: str, value: str) -> None:
    for sent in (value, {"path": value}, {"url": value}, file_data(value), [value]):
        status, answer = send(page, event, sent)
        assert (status == 200 and "cannot be read: it " in answer) or (status == 400 and json.loads(answer)["error"])


def test_nonsense_in_json_is_not_parsed(page: Page) -> None:
    """Four million bytes of empty lists would be a hundred million in Python's memory."""
    for values in (b"[]," * 1000 + b"[]", b"1," * 3000 + b"1", b'{"a":' * 2000):
        body = b'{"data": [%s]}' % values
        status, answer = ask(f"{page.address}/gradio_api/run/draw", body, Content_Type="application/json")
        assert status == 400
        assert json.loads(answer)["error"].endswith(".")
    assert ask(f"{page.address}/gradio_api/run/draw", bytes(4_000_001), Content_Type="application/json")[0] == 413


def peak_memory(page: Page) -> int:
    """Return the most bytes of memory that the page's process had so far."""
    status = Path(f"/proc/{page.process.pid}/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's memory from /proc")


@needs_proc
def test_large_photos_at_once_do_not_fill_the_memory(page: Page, digits: dict[int, Pixels]) -> None:
    sheet = Image.new("P", (8000, 8000), 1)
    sheet.putpalette([255, 0, 0, 255, 255, 255])
    file = io.BytesIO()
    sheet.save(file, "PNG", transparency=0)
    assert len(file.getvalue()) < 50_000
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, f"{page.address}/predict", file.getvalue()) for _ in range(4)]
        assert "agree" in draw(page, png_of(photo_of(digits[1])))  # meanwhile
    assert [answer.result()[0] for answer in answers] == [200] * 4
    # A drawing is never so large, and one that waited for photographs would hold up drawings.
    assert "more than 4,000,000; shrink" in draw(page, file.getvalue())
    assert peak_memory(page) < 1_000_000_000


@needs_proc
@pytest.mark.parametrize("path", ["predict", "gradio_api/upload", "gradio_api/run/draw"])
def test_unfinished_requests_do_not_fill_the_memory(page: Page, digits: dict[int, Pixels], path: str) -> None:
    host, port = page.address.removeprefix("http://").split(":")
    size = 3_999_999 if "run" in path else 19_999_999
    head = f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n"
    head += "Content-Type: multipart/form-data; boundary=mark\r\n\r\n"
    with ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection((host, int(port)), 5)) for _ in range(60)]
        for connection in connections:
            connection.settimeout(0.03)
            with suppress(TimeoutError):  # the page reads no more
                connection.sendall(head.encode() + bytes(size - 1))
        assert peak_memory(page) < 1_000_000_000
        if path != "gradio_api/run/draw":
            assert "agree" in draw(page, png_of(photo_of(digits[1])))
    assert "agree" in draw(page, png_of(photo_of(digits[1])))
    assert ask(f"{page.address}/predict", png_of(photo_of(digits[1])))[0] == 200


def test_a_request_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The guard alone, in a server of its own, with room for one request."""
    import uvicorn

    from digits.web import guard as web_guard
    from digits.web import room

    async def app(scope, receive, send) -> None:
        await JSONResponse(len((await receive())["body"]))(scope, receive, send)

    monkeypatch.setattr(web_guard, "SECONDS", 3.0)
    monkeypatch.setattr(web_guard, "PHOTOS_BYTES", 1000)
    monkeypatch.setattr(room, "WAITING_SECONDS", 0.2)
    guard = web_guard.Guard(app, tmp_path, {"127.0.0.1"})
    server = uvicorn.Server(uvicorn.Config(guard, lifespan="off", log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/predict"
        assert ask(address, bytes(900)) == (200, b"900")
        with socket.create_connection(listener.getsockname(), 10) as stalled:
            stalled.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\nabc")
            assert json.loads(wait_for_status(address, 503))["error"].endswith("try again in a moment.")
            answer = http.client.HTTPResponse(stalled)
            answer.begin()
            assert answer.status == 408
            assert "took too long" in json.loads(answer.read())["error"]
        assert ask(address, bytes(900)) == (200, b"900")
        server.should_exit = True
        thread.join(10)


def wait_for_status(address: str, status: int) -> bytes:
    deadline = time.monotonic() + 10
    while (answer := ask(address, bytes(900)))[0] != status:
        assert time.monotonic() < deadline
    return answer[1]


def test_only_its_own_names_are_answered_to(page: Page) -> None:
    """A foreign site may point its own name at this machine (DNS rebinding) and then read along."""
    port = page.address.rsplit(":", 1)[1]
    for host in (f"127.0.0.1:{port}", "localhost", "LOCALHOST:1", "[::1]:7860", socket.gethostname()):
        assert ask(f"{page.address}/config", Host=host)[0] == 200, host
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "192.168.1.5", "x@", "[", "", "a b"):
        for path, body in (("config", None), ("predict", b"x"), ("gradio_api/run/draw", b'{"data": [null]}')):
            status, answer = ask(f"{page.address}/{path}", body, Host=host, Content_Type="application/json")
            assert status == 421, (host, path)
            assert "--allow-host" in json.loads(answer)["error"]


def test_other_sites_cannot_use_it(page: Page) -> None:
    own, json_type = page.address.removeprefix("http://"), {"Content_Type": "application/json"}
    body = b'{"data": [null]}'
    run = f"{page.address}/gradio_api/run/draw"
    assert ask(run, body, Origin=page.address, **json_type)[0] == 200
    assert ask(run, body, Origin=page.address, Sec_Fetch_Site="same-origin", **json_type)[0] == 200
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": f"http://{own}.evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        for path in ("predict", "gradio_api/run/draw", "gradio_api/upload", "gradio_api/queue/join"):
            status, answer = ask(f"{page.address}/{path}", body, **headers, **json_type)
            assert status == 403, (path, headers)
            assert json.loads(answer)["error"].endswith(".")
    assert ask(f"{page.address}/config", Origin="http://evil.example")[0] == 403
    assert ask(page.address, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200  # a link to the page


def test_a_request_without_a_length_is_refused(page: Page) -> None:
    connection = http.client.HTTPConnection(page.address.removeprefix("http://"), timeout=10)
    connection.request("POST", "/predict", iter([b"x" * 1000] * 3), encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 411
    assert "Content-Length" in json.loads(response.read())["error"]
    connection.close()


def test_nonsense_on_the_wire_does_not_stop_it(page: Page, digits: dict[int, Pixels]) -> None:
    host, port = page.address.removeprefix("http://").split(":")
    for line in (b"\x00\xff\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(line)
            assert connection.recv(100).startswith((b"HTTP/1.1 4", b"")), line
    with socket.create_connection((host, int(port)), timeout=5) as connection:  # leaves in the middle
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
    assert "agree" in draw(page, png_of(photo_of(digits[1])))


def test_no_file_of_the_machine_can_be_read(page: Page, workplace: Path, digits: dict[int, Pixels]) -> None:
    run = next((workplace / "outputs").iterdir()) / "run.json"
    (workplace / "digit.png").write_bytes(png_of(photo_of(digits[4])))
    secrets = [Path("/etc/passwd"), ROOT / "pyproject.toml", run, workplace / "digit.png"]
    place = json.loads(upload(page, png_of(np.zeros((9, 9), np.uint8)))[1])[0]
    for secret in secrets:
        content = secret.read_bytes()[:40]
        for path in (
            f"gradio_api/file={secret}",
            f"file={secret}",
            f"file/{secret}",
            f"gradio_api/file=..{secret}",
            f"gradio_api/file=file://{secret}",
            f"gradio_api/file={Path(place).parent}/../../../..{secret}",
            f"gradio_api/file={Path(place).parent}/%2e%2e/%2e%2e/%2e%2e/%2e%2e{secret}",
            f"gradio_api/proxy=file://{secret}",
            f"static/../../../..{secret}",
            f"static/{secret}",
            f"assets/..%2f..%2f..%2f..%2f..%2f..{secret}",
            f"assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{secret}",
        ):
            status, body = ask(f"{page.address}/{path}")
            assert status >= 400, path
            assert content not in body, path
        for event in ("draw", "photo"):
            for value in (
                file_data(secret),
                {"path": str(secret)},
                {"path": f"{Path(place).parent}/../../../..{secret}"},
                {"url": f"file://{secret}"},
                f"file://{secret}",
            ):
                status, answer = send(page, event, value)
                assert status >= 400 or "cannot be read" in answer, (event, value)
                assert content.decode("latin-1") not in answer
    assert ask(f"{page.address}/gradio_api/file={place}")[0] == 200  # the upload itself, as the page shows it
    assert {path.name for path in Path(place).parents[1].rglob("*") if path.is_file()} == {Path(place).name}


def test_it_fetches_no_address_for_anybody(page: Page) -> None:
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/inside.png"
        for value in (file_data(address), {"path": address}, {"url": address}, address):
            status, answer = send(page, "photo", value)
            assert status >= 400 or "cannot be read" in answer
        for path in (f"gradio_api/file={address}", f"gradio_api/proxy={address}"):
            assert ask(f"{page.address}/{path}")[0] == 404
        server.shutdown()
    assert asked == []


# --- many at once ---


def test_fifty_users(page: Page, digits: dict[int, Pixels]) -> None:
    """Each draws four times in a row, and gets the answers that a single user gets."""
    drawings = [png_of(cv2.resize(photo_of(digits[digit]), (280, 280))) for digit in range(10)]
    expected = [draw(page, drawing) for drawing in drawings]
    assert len(set(expected)) == 10
    assert all("bar first" in answer for answer in expected)
    with ThreadPoolExecutor(50) as pool:
        users = list(pool.map(lambda i: [draw(page, drawings[(i + turn) % 10]) for turn in range(4)], range(50)))
    assert users == [[expected[(i + turn) % 10] for turn in range(4)] for i in range(50)]


# --- what it shows, and how it starts and ends ---


def test_without_a_run_the_page_says_what_to_do_and_finds_it_later(
    tmp_path: Path, digits: dict[int, Pixels], train_once: Callable[[str], Trained]
) -> None:
    three = png_of(photo_of(digits[3]))
    with serving_page(tmp_path) as page:
        status, body = ask(f"{page.address}/predict", three)
        assert status == 503
        assert "python mnist_pytorch.py" in json.loads(body)["error"]
        assert "python mnist_pytorch.py" in draw(page, three)
        for framework, answer, other in (
            ("pytorch", "It is a 3", "python mnist_tensorflow.py"),
            ("tensorflow", "They agree: 3", ""),
        ):
            trained = train_once(framework).path
            shutil.copytree(trained, tmp_path / "outputs" / trained.name)
            time.sleep(2.1)  # it looks every other second
            shown = draw(page, three)
            assert answer in shown
            assert other in shown
            assert ('class="note"' in shown) == bool(other)


def test_runs_and_further_names_of_its_own_that_it_is_started_with(
    workplace: Path, digits: dict[int, Pixels], train_once: Callable[[str], Trained]
) -> None:
    run = train_once("tensorflow").path
    names = ("--host", "0.0.0.0", "--allow-host", "Digits.example", "--allow-host", "b.test")
    with serving_page(workplace, "--run", run.name, "--run", run, *names) as page:
        shown = draw(page, png_of(photo_of(digits[3])))
        for host in ("digits.example", "b.test:80", "192.168.1.5:7860", "[fd00::5]", "0.0.0.0", "localhost"):
            assert ask(f"{page.address}/config", Host=host)[0] == 200, host
        assert ask(f"{page.address}/config", Host="evil.example")[0] == 421
    assert shown.count(f"<small>{run.name}</small>") == 2
    assert "PyTorch" not in shown


def test_uploads_do_not_stay(page: Page) -> None:
    place = Path(json.loads(upload(page, png_of(np.zeros((9, 9), np.uint8)))[1])[0])
    folder = place.parents[1]
    assert folder.stat().st_mode & 0o077 == 0
    deadline = time.monotonic() + 30
    while place.exists():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("by", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_when_told_and_leaves_nothing(
    tmp_path: Path, digits: dict[int, Pixels], by: signal.Signals, status: int
) -> None:
    with serving_page(tmp_path, TMPDIR=tmp_path) as page:
        upload(page, png_of(photo_of(digits[3])))
        assert list(tmp_path.rglob("*.png"))
        # A page left open holds on to its connection.
        with urllib.request.urlopen(f"{page.address}/gradio_api/heartbeat/left-open", timeout=10):
            assert stop(page.process, by) == ""
    assert page.process.returncode == status
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "PAGE"], "in use.*choose another with --port"),
        (["--port", "99999"], "--port 99999 must be at most 65535"),
        (["--port", "-1"], "--port -1 must be at least 0"),
        (["--host", "no.such.host.invalid"], "cannot listen at no.such.host.invalid"),
        (["--host", "x" * 300], "cannot listen at xxx"),
        (["--host", "192.0.2.1"], "cannot listen at 192.0.2.1"),
        (["--run", "nothing"], "there is no run"),
    ],
)
def test_a_wrong_start_is_told_in_a_sentence(page: Page, workplace: Path, arguments: list[str], message: str) -> None:
    arguments = [page.address.rsplit(":", 1)[1] if argument == "PAGE" else argument for argument in arguments]
    with pytest.raises(AssertionError, match=message) as raised, serving_page(workplace, *arguments):
        pass
    text = str(raised.value).splitlines()[0]
    assert text.startswith("error: ")
    assert text.endswith(".")


def test_only_this_machine_can_reach_it(page: Page) -> None:
    port = int(page.address.rsplit(":", 1)[1])
    own = socket.gethostbyname_ex(socket.gethostname())[2]
    for address in [address for address in own if not address.startswith("127.")]:
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=3):  # noqa: PT011
            pass
    listening = Path("/proc/net/tcp")
    if listening.exists():
        lines = [line.split()[1] for line in listening.read_text().splitlines()[1:] if line.split()[3] == "0A"]
        assert [line.split(":")[0] for line in lines if line.endswith(f":{port:04X}")] == ["0100007F"]
