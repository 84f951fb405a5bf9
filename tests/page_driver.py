"""draw_digit.py in a process of its own, and Debian's Chromium driven by Selenium, cut off from the internet."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from paths import ROOT

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
in_browser = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="no Chromium is installed; on Debian: apt-get install chromium-driver"
)
"""The mark of tests that open pages with `chromium`."""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1200,900"),
    *("--disable-extensions", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


CANVAS = "#drawing canvas"
Pixels = np.ndarray  # uint8


@dataclass(frozen=True)
class Page:
    """A running draw_digit.py."""

    address: str  # ends without a slash
    process: subprocess.Popen[str]
    key: str  # of its wall


@contextmanager
def serving_page(cwd: Path, *arguments: object, **environment: object) -> Iterator[Page]:
    """Start draw_digit.py in the folder `cwd` on a free port; end it by Ctrl-C. AssertionError where it does not start.

    The test may read the process's output, and its status once it has ended.
    """
    command = [sys.executable, str(ROOT / "draw_digit.py"), "--port", "0", *map(str, arguments)]
    # Not a pipe: Gradio reports each request that it cannot take, and would wait where nobody reads.
    with tempfile.NamedTemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | {name: str(value) for name, value in environment.items()},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        process.stderr = open(errors.name, encoding="utf-8")  # noqa: SIM115 - communicate() closes it
        try:
            line = process.stdout.readline()
            address = re.search(r"http://[\w.]+:\d+", line)
            assert address, line + process.stderr.read()
            while not (wall := re.search("/wall#(.+)", line)):
                line = process.stdout.readline()
            yield Page(address[0], process, wall[1])
        finally:
            stop(process)


def stop(process: subprocess.Popen[str], by: signal.Signals = signal.SIGINT) -> str:
    """End the process and return what it still had to say on stderr; AssertionError where it does not end."""
    if process.poll() is None:
        process.send_signal(by)
    try:
        return process.communicate(timeout=20)[1]
    except ValueError:  # the test has read it to its end
        return ""
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("it does not end") from None


@contextmanager
def chromium(profile: Path, *flags: str):
    """Give a Selenium driver of Chromium with an empty profile; it logs every request."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def as_phone(driver, width: int, height: int) -> None:
    """Have the browser show and do what a phone does; the size is in CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})


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
        if np.hypot(nearest[0] - x, nearest[1] - y) > 5:
            strokes.append([])
        if not strokes[-1] or np.hypot(nearest[0] - x, nearest[1] - y) > 0.7:
            strokes[-1].append(nearest)
    return strokes


def draw_with_finger(driver, digit: Pixels, canvas: str = CANVAS) -> None:
    """Draw the digit's strokes on the canvas, as a phone sends them."""
    box = driver.execute_script(f"return document.querySelector('{canvas}').getBoundingClientRect().toJSON()")
    for stroke in strokes_of(digit):
        for kind, points in (("Start", stroke[:1]), ("Move", stroke), ("End", [()])):
            for point in points:
                x, y = point or (0, 0)
                place = {"x": box["x"] + x * box["width"] / 28, "y": box["y"] + y * box["height"] / 28}
                touch = {"type": f"touch{kind}", "touchPoints": [place] if point else []}
                driver.execute_cdp_cmd("Input.dispatchTouchEvent", touch)


def requests_of(driver) -> Sequence[str]:
    """Return the addresses that the page asked for since the last call, those that were blocked included."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [message["params"]["request"]["url"] for message in sent]


def ask(address: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Return status and body of what the server answers, errors included."""
    request = urllib.request.Request(address, body, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def send(page: Page, event: str, value: object) -> tuple[int, str]:
    """Do what the page does when `event` happens ('draw', 'photo'); return the status and the answer."""
    body = json.dumps({"data": [value]}).encode()
    status, answer = ask(f"{page.address}/gradio_api/run/{event}", body, Content_Type="application/json")
    return status, json.loads(answer)["data"][0] if status == 200 else answer.decode()


def data_url(photo: bytes) -> str:
    """Return the bytes of a PNG file as the page sends them."""
    return f"data:image/png;base64,{base64.b64encode(photo).decode()}"


def photo_of(digit: Pixels) -> Pixels:
    """Return the digit as dark ink on white, uint8 (200, 200)."""
    sheet = np.full((200, 200), 240, np.uint8)
    sheet[30:170, 30:170] -= (cv2.resize(digit, (140, 140), interpolation=cv2.INTER_CUBIC) * 0.8).astype(np.uint8)
    return sheet


def png_of(pixels: Pixels) -> bytes:
    """Return the pixels as the bytes of a PNG file."""
    return cv2.imencode(".png", pixels)[1].tobytes()
