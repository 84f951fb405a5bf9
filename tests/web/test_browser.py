"""What only a browser or a real server shows: one session of Chromium opens every page, one draw_digit.py serves it.

No name leads anywhere in it, so that the pages are known to work without the internet.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import requests
import uvicorn
from browser import CHROMIUM, QUIET
from drawings import FOUR, SEVEN, SEVEN_PNG, make_outputs
from make_runs import add_info, make_sample_run
from paths import ROOT
from PIL import Image

from mnist_twice.evaluation.evaluate import evaluate_run
from mnist_twice.figures.render import render_all
from mnist_twice.figures.report import write_report
from mnist_twice.web import guard
from mnist_twice.web.answers import runs_to_show
from mnist_twice.web.export import export_site

pytestmark = pytest.mark.slow
CHROMEDRIVER = shutil.which("chromedriver")
HOSTILE = "<script>console.error('broken out')</script><img src=http://example.invalid/x.png>"
VERDICT = "#answer .verdict"
PARTS = """
const all = selector => [...document.querySelectorAll(selector)];
const wider = all('.scroll').filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent);
const pictures = all('figure img').map(one => one.naturalWidth);
return { wider, scripts: all('script, img:not(figure img)').length, pictures };
"""


class Server(NamedTuple):
    """A running draw_digit.py."""

    address: str  # ends without a slash
    wall: str
    process: subprocess.Popen[str]


@contextmanager
def serving(cwd: Path) -> Iterator[Server]:
    """Start draw_digit.py for phones in the folder, which would have its temporary files as well; kill it at last."""
    command = [sys.executable, str(ROOT / "draw_digit.py"), "--port", "0", "--host", "0.0.0.0"]
    with (cwd / "errors").open("w") as errors:
        environment = os.environ | {"TMPDIR": str(cwd)}
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout
            for line in process.stdout:
                if found := re.search(r"(http://)[^/]+(:\d+)(/wall#.+)", line):
                    address = f"{found[1]}127.0.0.1{found[2]}"
                    break
            else:
                pytest.fail((cwd / "errors").read_text())
            yield Server(address, address + found[3], process)
        finally:
            process.kill()
            process.communicate()


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Give a Selenium driver of Chromium with an empty profile; it logs every request."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    camera = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    for flag in (*QUIET, *camera, "--window-size=1200,900", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def as_phone(driver: Any) -> None:
    """Have the tab show and do what a phone does."""
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})


def draw_with_finger(driver: Any, strokes: list[list[tuple[int, int]]]) -> None:
    box = driver.execute_script("return document.querySelector('#drawing canvas').getBoundingClientRect().toJSON()")
    for stroke in strokes:
        for kind, points in (("Start", stroke[:1]), ("Move", stroke), ("End", [None])):
            for point in points:
                place = point and {
                    axis: box[axis] + at * box["width"] / 28 for axis, at in zip("xy", point, strict=True)
                }
                touch = {"type": f"touch{kind}", "touchPoints": [place] if place else []}
                driver.execute_cdp_cmd("Input.dispatchTouchEvent", touch)


def wait_for(driver: Any, selector: str, words: str = "", count: int = 1) -> list[Any]:
    """Wait until so many elements are visible, and the first has these words; return them."""
    from selenium.common import StaleElementReferenceException

    deadline = time.monotonic() + 120
    while True:
        with suppress(StaleElementReferenceException):  # the page has just changed
            found = [one for one in driver.find_elements("css selector", selector) if one.is_displayed()]
            if len(found) >= count and (not words or words in found[0].text):
                return found
        assert time.monotonic() < deadline, driver.find_element("tag name", "body").text
        time.sleep(0.3)


def fits_the_phone(driver: Any) -> bool:
    wide, window = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    return bool(wide <= window == 390)


def nothing_is_wrong(driver: Any, own: str) -> None:
    """Have looked since the last call: nothing was asked for but what begins with `own`, and the console is silent."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert any(url.startswith(own) for url in sent)
    assert [url for url in sent if not url.startswith((own, "data:", "blob:", "about:", "chrome"))] == []
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def check_report(driver: Any, folder: Path, data_dir: Path) -> None:
    """A report on two runs, one of which has markup in every text: to be read on phones, and dark."""
    names = [f"{HOSTILE}{digit}" for digit in range(10)]
    hostile = make_sample_run(folder, data_dir, model=HOSTILE, class_names=names, folder=HOSTILE.replace("/", "|"))
    hostile = add_info(hostile.path, command=HOSTILE, versions={HOSTILE: HOSTILE}, hardware={HOSTILE: HOSTILE})
    evaluations = [evaluate_run(run) for run in (make_sample_run(folder, data_dir), hostile)]
    figures = ["training_curves", "per_class_accuracy", "comparison", "report"]
    rendering = render_all(evaluations, folder, data_dir, only=figures, formats=["png"])
    assert rendering.faults == []
    write_report(rendering, folder / "report.html", [HOSTILE])
    driver.get((folder / "report.html").as_uri())
    as_phone(driver)
    driver.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert fits_the_phone(driver)
    parts = driver.execute_script(PARTS)
    assert parts["wider"] == []
    assert parts["scripts"] == 0
    assert len(parts["pictures"]) >= 4
    assert all(0 < width < 800 for width in parts["pictures"])  # those for phones
    assert HOSTILE in driver.find_element("tag name", "body").text
    colours = []
    for scheme in ("light", "dark"):
        feature = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
        colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        colours.append(sum(map(int, re.findall(r"\d+", colour)[:3])))
    assert colours[0] > 700 > 150 > colours[1]
    nothing_is_wrong(driver, folder.as_uri())


def check_site(driver: Any, folder: Path, outputs: Path) -> None:
    """The page without a server, opened from the disk."""
    (run, *_), _ = runs = runs_to_show([], outputs)
    export_site(runs[0], folder)
    driver.get((folder / "index.html").as_uri())
    assert "Draw a large digit." in driver.find_element("id", "answer").text
    draw_with_finger(driver, SEVEN)
    answer = driver.find_element("id", "answer").text
    grey = "pen.getImageData(0, 0, SHEET, SHEET).data.filter((_, i) => i % 4 === 0)"
    image = driver.execute_script(f"return Array.from(imageOf({grey}, SHEET))")
    probabilities = run.predict(np.array(image, np.uint8).reshape(1, 28, 28))[0]
    assert answer.startswith(f"They agree: {probabilities.argmax()}")
    assert answer.count(f"\n{probabilities.max():.1%}") == 2
    driver.find_element("css selector", "#drawing .clear").click()
    assert "Draw a large digit." in driver.find_element("id", "answer").text
    assert fits_the_phone(driver)
    nothing_is_wrong(driver, folder.as_uri())


def check_page_and_wall(driver: Any, server: Server) -> None:
    """A phone draws, and the teacher labels what it drew with a tap, and clears the wall."""
    driver.get(server.address)
    wait_for(driver, VERDICT, "Draw a large digit.")
    draw_with_finger(driver, SEVEN)
    seven = wait_for(driver, VERDICT, "They agree: ")[0].text.split()[2]
    bars = driver.find_elements("css selector", "#answer .bar")
    assert len(bars) == 20
    assert max(bar.rect["y"] + bar.rect["height"] for bar in bars) <= 844  # both networks' answers, without scrolling
    assert fits_the_phone(driver)
    driver.find_element("css selector", "#drawing .clear").click()  # begins the next drawing
    wait_for(driver, VERDICT, "Draw a large digit.")
    draw_with_finger(driver, FOUR)
    wait_for(driver, VERDICT, "They agree: ")
    phone = driver.current_window_handle
    driver.switch_to.new_window("tab")
    driver.get(server.wall)
    wait_for(driver, ".tile", count=2)
    assert "#" not in driver.current_url  # the class sees the address bar
    wait_for(driver, ".tile.asked")
    next(one for one in wait_for(driver, ".classes button", count=10) if one.text == seven).click()
    wait_for(driver, ".right, .wrong", count=2)
    assert "2 of 2 (100 %) same answer from both networks" in driver.find_element("css selector", ".counts").text
    teacher = driver.current_window_handle
    driver.switch_to.window(phone)
    for _ in FOUR:
        driver.find_element("css selector", "#drawing .undo").click()
    wait_for(driver, VERDICT, "Draw a large digit.")
    driver.switch_to.window(teacher)
    driver.refresh()  # the key is remembered
    wait_for(driver, ".clear")[0].click()
    driver.switch_to.alert.accept()
    wait_for(driver, ".empty")
    driver.switch_to.window(phone)
    nothing_is_wrong(driver, server.address)


def check_photo_and_webcam(driver: Any, server: Server, folder: Path) -> None:
    """A photo is chosen and answered, one that is none is told, and the webcam's images are answered; or why not."""
    (folder / "seven.png").write_bytes(SEVEN_PNG)
    (folder / "none.png").write_bytes(b"no photo")
    wait_for(driver, "[aria-controls=photo]")[0].click()
    chosen = driver.find_element("css selector", "#photo input")
    chosen.send_keys(str(folder / "seven.png"))
    wait_for(driver, VERDICT, "They agree: ")
    assert wait_for(driver, "#photo img")
    chosen.send_keys(str(folder / "none.png"))
    wait_for(driver, VERDICT, "No answer: it is not an image file")
    Image.new("L", (200, 200), "white").save(folder / "blank.png")
    chosen.send_keys(str(folder / "blank.png"))
    wait_for(driver, VERDICT, "No digit found.")
    asked = "return performance.getEntriesByType('resource').filter(one => one.name.endsWith('/predict')).length"
    before = driver.execute_script(asked)
    wait_for(driver, "[aria-controls=webcam]")[0].click()
    wait_for(driver, "video")
    deadline = time.monotonic() + 60
    while driver.execute_script(asked) < before + 2:  # of Chromium's own moving picture
        assert time.monotonic() < deadline
        time.sleep(0.2)
    wait_for(driver, "[aria-controls=drawing]")[0].click()
    wait_for(driver, VERDICT, "Draw a large digit.")
    assert fits_the_phone(driver)


def check_end(server: Server, folder: Path) -> None:
    """It ends by SIGTERM though a connection is left open, with nothing on the disk and nothing said."""
    with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2]))):
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 143
    assert (folder / "errors").read_text() == ""
    assert {path.name for path in folder.iterdir()} <= {"errors", "outputs", "seven.png", "none.png", "blank.png"}


@pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="no Chromium is installed; on Debian: apt-get install chromium-driver"
)
@pytest.mark.nightly(first=True)
def test_every_page_in_a_browser(workplace: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One test, so that there is one browser, and one server."""
    outputs = make_outputs(tmp_path / "outputs")
    elsewhere = tmp_path_factory.mktemp("browser")
    with chromium(elsewhere / "profile") as driver:
        check_report(driver, elsewhere / "reports", workplace / "mnist_data")
        check_site(driver, elsewhere / "site", outputs)
        with serving(tmp_path) as server:
            check_page_and_wall(driver, server)
            check_photo_and_webcam(driver, server, tmp_path)
            check_end(server, tmp_path)


# --- a real server, without a browser ---


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a server that answers once it has read a request, with short limits."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    monkeypatch.setattr(guard, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(guard, "ANSWER_SECONDS", 1.5)
    server = uvicorn.Server(uvicorn.Config(app, http=guard.Protocol, lifespan="off", log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield listening
        server.should_exit = True
        thread.join(20)


def test_connections_that_send_or_take_nothing_are_closed(listener: socket.socket) -> None:
    begin = b"POST / HTTP/1.1\r\nHost: a\r\n"
    for sent, least in ((begin, 0), (b"", 0), (begin + b"Content-Length: 9\r\n\r\n", 1)):
        with socket.create_connection(listener.getsockname(), 20) as client:
            start = time.monotonic()
            client.sendall(sent)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
            assert time.monotonic() - start > least


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the process's memory from /proc")
def test_large_photos_and_many_posts_do_not_fill_the_memory(tmp_path: Path) -> None:
    sheet, file = Image.new("RGBA", (8000, 8000), "white"), io.BytesIO()
    sheet.save(file, "PNG")
    make_outputs(tmp_path / "outputs")

    def memory(what: str) -> int:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        return 1024 * int(re.search(rf"{what}:\s+(\d+)", status)[1])  # type: ignore[index]

    def post(path: str, data: bytes) -> int:
        return requests.post(f"{server.address}{path}", data, timeout=120).status_code

    with serving(tmp_path) as server, ThreadPoolExecutor(100) as pool:
        assert post("/predict", SEVEN_PNG) == 200
        before = memory("VmRSS")
        answers = [pool.submit(post, "/predict", file.getvalue()) for _ in range(6)]
        answers += [pool.submit(post, path, bytes(3_900_000)) for path in ("/nothing", "/predict") for _ in range(47)]
        assert post(f"/drawing?mark={32 * '0'}", bytes(784)) == 200  # meanwhile
        assert {answer.result() for answer in answers} <= {200, 400, 404, 503}
        assert memory("VmHWM") < 1_000_000_000
        time.sleep(5)
        assert memory("VmRSS") < before + 100_000_000
    assert (tmp_path / "errors").read_text() == ""
