"""draw_digit.py: in a real browser, and over HTTP as programs, many users and hostile ones do it."""

from __future__ import annotations

import io
import json
import os
import shutil
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Trained
from page_driver import CHROMEDRIVER, CHROMIUM, ROOT, Page, chromium, requests_of, serving_page
from PIL import Image

Pixels = np.ndarray
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="no Chromium here; on Debian: apt-get install chromium chromium-driver"
)
TIME_FACTOR = float(os.environ.get("TIME_FACTOR", "1"))


@pytest.fixture(scope="module")
def page(workplace: Path, train_once: Callable[[str], Trained]) -> Iterator[Page]:
    """The page with a run of each framework."""
    for framework in ("pytorch", "tensorflow"):
        train_once(framework)
    with serving_page(workplace) as running:
        yield running


@pytest.fixture(scope="module")
def digits(workplace: Path) -> dict[int, Pixels]:
    """A test image of each digit, uint8 (28, 28)."""
    from digits.datasets import load_dataset

    dataset = load_dataset("mnist-sample", workplace / "mnist_data")
    return {digit: dataset.test_images[np.flatnonzero(dataset.test_labels == digit)[0]] for digit in range(10)}


def photo_of(digit: Pixels) -> Pixels:
    """Return the digit as dark ink on white, uint8 (200, 200)."""
    sheet = np.full((200, 200), 240, np.uint8)
    sheet[30:170, 30:170] -= (cv2.resize(digit, (140, 140), interpolation=cv2.INTER_CUBIC) * 0.8).astype(np.uint8)
    return sheet


def png_of(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def ask(address: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Return status and body of what the server answers, errors included."""
    request = urllib.request.Request(address, body, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


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
    assert (status, json.loads(body)["found"]) == (200, False)


def test_bad_requests_get_a_sentence_and_do_not_stop_it(page: Page, digits: dict[int, Pixels]) -> None:
    bomb = png_of(np.zeros((8, 8), np.uint8)).replace((8).to_bytes(4, "big") * 2, (30_000).to_bytes(4, "big") * 2)
    for body, expected in ((b"not a picture", 400), (b"", 400), (bomb, 400), (bytes(20_000_001), 413)):
        status, answer = ask(f"{page.address}/predict", body)
        assert status == expected
        assert json.loads(answer)["error"].endswith(".")
    for path, body in (
        ("predict", None),
        ("gradio_api/run/draw", b"{"),
        ("gradio_api/run/draw", b'{"data": [7]}'),
        ("gradio_api/run/nonsense", b'{"data": []}'),
        ("gradio_api/upload", b"x"),
    ):
        assert ask(f"{page.address}/{path}", body, Content_Type="application/json")[0] >= 400
    assert ask(f"{page.address}/predict", png_of(photo_of(digits[1])))[0] == 200
    assert page.process.poll() is None


def test_no_file_of_the_machine_can_be_read(page: Page, workplace: Path) -> None:
    run = next((workplace / "outputs").iterdir()) / "run.json"
    secrets = [Path("/etc/passwd"), ROOT / "pyproject.toml", run, workplace / "mnist_data" / "mnist-sample.npz"]
    for secret in secrets:
        content = secret.read_bytes()[:40]
        for path in (
            f"gradio_api/file={secret}",
            f"file={secret}",
            f"gradio_api/file=..{secret}",
            f"gradio_api/file=file://{secret}",
            f"static/../../../..{secret}",
            f"assets/..%2f..%2f..%2f..%2f..%2f..{secret}",
        ):
            status, body = ask(f"{page.address}/{path}")
            assert status != 200 or content not in body, path
        for name in ("draw", "photo"):
            file = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
            value = file if name == "photo" else {"background": None, "layers": [], "composite": file}
            request = json.dumps({"data": [value]}).encode()
            status, body = ask(f"{page.address}/gradio_api/run/{name}", request, Content_Type="application/json")
            assert status >= 400, body
            assert content not in body


def upload(address: str, data: bytes) -> str:
    """Upload a picture as the page does; return its place on the server."""
    boundary = "7MA4YWxkTrZu0gW"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
    body = head + data + f"\r\n--{boundary}--\r\n".encode()
    status, answer = ask(f"{address}/gradio_api/upload", body, Content_Type=f"multipart/form-data; boundary={boundary}")
    assert status == 200, answer
    return json.loads(answer)[0]


def draw(address: str, picture: bytes) -> str:
    """Do what the page does after a stroke: upload the drawing, ask for the answer; return its HTML."""
    file = {"path": upload(address, picture), "meta": {"_type": "gradio.FileData"}}
    request = json.dumps({"data": [{"background": None, "layers": [], "composite": file}]}).encode()
    status, answer = ask(f"{address}/gradio_api/run/draw", request, Content_Type="application/json")
    assert status == 200, answer
    return json.loads(answer)["data"][0]


def test_fifty_users(page: Page, digits: dict[int, Pixels]) -> None:
    pictures = [png_of(cv2.resize(photo_of(digits[i % 10]), (400, 400))) for i in range(50)]

    def one_user(i: int) -> list[float]:
        times = []
        for _ in range(3):  # strokes
            started = time.perf_counter()
            answer = draw(page.address, pictures[i])
            times.append(time.perf_counter() - started)
            assert "bar first" in answer
            time.sleep(0.5)  # nobody draws a stroke faster
        return times

    with ThreadPoolExecutor(50) as pool:
        times = [seconds for user in pool.map(one_user, range(50)) for seconds in user]
    assert statistics.median(times) < 1 * TIME_FACTOR, sorted(times)[::10]


def test_too_large_an_upload_is_refused(page: Page) -> None:
    with pytest.raises(AssertionError):
        upload(page.address, bytes(20_100_000))


def test_without_a_run_the_page_says_what_to_do_and_finds_it_later(
    tmp_path: Path, digits: dict[int, Pixels], train_once: Callable[[str], Trained]
) -> None:
    with serving_page(tmp_path) as page:
        status, body = ask(f"{page.address}/predict", png_of(photo_of(digits[3])))
        assert status == 503
        assert "python mnist_pytorch.py" in json.loads(body)["error"]
        assert "python mnist_pytorch.py" in draw(page.address, png_of(photo_of(digits[3])))
        trained = train_once("pytorch").path
        shutil.copytree(trained, tmp_path / "outputs" / trained.name)
        assert "It is a 3" in draw(page.address, png_of(photo_of(digits[3])))


def test_ctrl_c_ends_it_and_uploads_are_gone(workplace: Path, digits: dict[int, Pixels], tmp_path: Path) -> None:
    os.environ["TMPDIR"] = str(tmp_path)
    try:
        with serving_page(workplace) as page:
            draw(page.address, png_of(photo_of(digits[3])))
            assert list(tmp_path.rglob("*.png"))
    finally:
        del os.environ["TMPDIR"]
    assert page.process.returncode == 0
    assert not list(tmp_path.rglob("*.png"))


def test_a_taken_port_and_a_wrong_run_are_told(page: Page, workplace: Path) -> None:
    port = page.address.rsplit(":", 1)[1]
    with pytest.raises(AssertionError, match="choose another with --port"), serving_page(workplace, "--port", port):
        pass
    with pytest.raises(AssertionError, match="there is no run"), serving_page(workplace, "--run", "nothing"):
        pass


def strokes_of(digit: Pixels) -> list[list[tuple[float, float]]]:
    """Return the digit's strokes, from its middle line: lists of points (x, y) in 0..28, drawn one after another."""
    mask = cv2.resize(digit, (112, 112), interpolation=cv2.INTER_CUBIC) > 110
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    ridge = (depth > 2) & (depth >= 0.98 * cv2.dilate(depth, np.ones((5, 5), np.uint8)))
    rest = [(x / 4, y / 4) for y, x in np.argwhere(ridge)]
    strokes = [[rest.pop(0)]]
    while rest:
        x, y = strokes[-1][-1]
        nearest = min(rest, key=lambda point: (point[0] - x) ** 2 + (point[1] - y) ** 2)
        rest.remove(nearest)
        if np.hypot(nearest[0] - x, nearest[1] - y) > 4:
            strokes.append([])
        if not strokes[-1] or np.hypot(nearest[0] - x, nearest[1] - y) > 0.7:
            strokes[-1].append(nearest)
    return strokes


@pytest.fixture(scope="module")
def browser(page: Page, tmp_path_factory: pytest.TempPathFactory):
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.get(page.address)
        wait_for(driver, lambda: driver.find_elements("css selector", "#drawing button.highlight[aria-label=Brush]"))
        time.sleep(2)  # until the brush stays taken
        yield driver


def wait_for(driver, condition: Callable[[], object], seconds: float = 20) -> object:
    deadline = time.monotonic() + seconds * TIME_FACTOR
    while not (result := condition()):
        assert time.monotonic() < deadline, answer_in(driver)
        time.sleep(0.1)
    return result


def answer_in(driver) -> str:
    return driver.find_element("id", "answer").text


def draw_with_mouse(driver, digit: Pixels) -> None:
    from selenium.webdriver import ActionChains

    canvas = driver.find_element("css selector", "#drawing canvas")
    for stroke in strokes_of(digit):
        points = [(round(12 * (x - 14)), round(12 * (y - 14))) for x, y in stroke]
        actions = ActionChains(driver, duration=5).move_to_element_with_offset(canvas, *points[0]).click_and_hold()
        for (x, y), (next_x, next_y) in zip(points, [*points[1:], points[-1]], strict=True):
            actions.move_by_offset(next_x - x, next_y - y)
        actions.release().perform()


@needs_browser
def test_draw_read_clear_and_go_on(browser, digits: dict[int, Pixels], tmp_path: Path) -> None:
    requests_of(browser)  # of the start, the browser's own among them
    for digit in (7, 3):
        draw_with_mouse(browser, digits[digit])
        wait_for(browser, lambda digit=digit: f"They agree: {digit}" in answer_in(browser))
        assert "PyTorch" in answer_in(browser)
        assert "TensorFlow" in answer_in(browser)
        seen = browser.find_element("css selector", "#answer img")
        assert seen.get_attribute("naturalWidth") == "28"
        browser.save_screenshot(str(tmp_path / f"{digit}.png"))
        browser.find_element("css selector", "button[aria-label='Clear canvas']").click()
        wait_for(browser, lambda: "No digit" in answer_in(browser))
        time.sleep(1)
    assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:")) for url in requests_of(browser))


@needs_browser
def test_undo_takes_back_a_stroke(browser, digits: dict[int, Pixels]) -> None:
    draw_with_mouse(browser, digits[1])
    wait_for(browser, lambda: "agree" in answer_in(browser))
    for _ in range(len(strokes_of(digits[1]))):
        browser.find_element("css selector", "button[aria-label='Undo']").click()
    wait_for(browser, lambda: "No digit" in answer_in(browser))


@needs_browser
def test_upload_a_photo(browser, digits: dict[int, Pixels], tmp_path: Path) -> None:
    Image.fromarray(photo_of(digits[2])).save(tmp_path / "photo.jpg")
    next(tab for tab in browser.find_elements("css selector", "button[role=tab]") if tab.text == "Photo").click()
    chooser = wait_for(browser, lambda: browser.find_elements("css selector", "input[type=file]"))[-1]
    chooser.send_keys(str(tmp_path / "photo.jpg"))
    wait_for(browser, lambda: "They agree: 2" in answer_in(browser))


@needs_browser
def test_nothing_is_asked_for_from_outside(page: Page, tmp_path: Path) -> None:
    """From the first request on. Chromium here resolves no name, so that the page also worked without the internet."""
    with chromium(tmp_path / "profile") as driver:
        driver.get("about:blank")
        requests_of(driver)
        driver.get(page.address)
        wait_for(driver, lambda: driver.find_elements("css selector", "#drawing canvas"))
        time.sleep(2)
        outside = [url for url in requests_of(driver) if not url.startswith((page.address, "data:", "blob:", "chrome"))]
        assert outside == []


@needs_browser
def test_a_phone_need_not_scroll_sideways(page: Page, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile", "--window-size=500,900") as driver:
        driver.get(page.address)
        wait_for(driver, lambda: driver.find_elements("css selector", "#drawing canvas"))
        wide, window = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window
