"""draw_digit.py in a process of its own, and Debian's Chromium driven by Selenium, cut off from the internet."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from paths import ROOT

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1200,900"),
    *("--disable-extensions", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


Pixels = np.ndarray  # uint8


@dataclass(frozen=True)
class Page:
    """A running draw_digit.py."""

    address: str  # ends without a slash
    process: subprocess.Popen[str]


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
            yield Page(address[0], process)
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


def requests_of(driver) -> Sequence[str]:
    """Return the addresses that the page asked for since the last call, those that were blocked included."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [message["params"]["request"]["url"] for message in sent]


def photo_of(digit: Pixels) -> Pixels:
    """Return the digit as dark ink on white, uint8 (200, 200)."""
    sheet = np.full((200, 200), 240, np.uint8)
    sheet[30:170, 30:170] -= (cv2.resize(digit, (140, 140), interpolation=cv2.INTER_CUBIC) * 0.8).astype(np.uint8)
    return sheet


def png_of(pixels: Pixels) -> bytes:
    """Return the pixels as the bytes of a PNG file."""
    return cv2.imencode(".png", pixels)[1].tobytes()
