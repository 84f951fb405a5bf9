"""The wall and its phones in real browsers: drawn with fingers, seen by the class, labelled with a tap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Trained
from page_driver import (
    CANVAS,
    Page,
    Pixels,
    as_phone,
    ask,
    chromium,
    data_url,
    draw_with_finger,
    in_browser,
    photo_of,
    png_of,
    requests_of,
    send,
    serving_page,
)
from selenium.common import StaleElementReferenceException

pytestmark = [
    pytest.mark.slow,
    in_browser,
]
PHONES = ((390, 844), (360, 640))
LOWEST = """
const shown = [...document.querySelectorAll('#answer .verdict, #answer .bar')];
return Math.max(...shown.map(one => one.getBoundingClientRect().bottom));
"""


@pytest.fixture(scope="module")
def served(workplace: Path, train_once: Callable[[str], Trained]) -> Iterator[Page]:
    """A page for phones, by the address at which these tests find it."""
    for framework in ("pytorch", "tensorflow"):
        train_once(framework)
    with serving_page(workplace, "--host", "0.0.0.0") as running:
        yield replace(running, address=f"http://127.0.0.1:{running.address.rsplit(':', 1)[1]}")


@pytest.fixture
def wall(served: Page) -> Page:
    """A page whose wall is empty."""
    assert ask(f"{served.address}/wall/clear", b"{}", X_Wall_Key=served.key)[0] == 200
    return served


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser on the projector."""
    with chromium(tmp_path_factory.mktemp("teacher")) as driver:
        size = {"width": 1920, "height": 1080, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        yield driver


def open_wall(driver: Any, page: Page, key: str) -> None:
    driver.get("about:blank")
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": page.address, "storageTypes": "all"})
    driver.get(f"{page.address}/wall{key and '#'}{key}")
    wait_for(driver, ".counts p")


def wait_for(driver: Any, selector: str, count: int = 1, words: str = "") -> list[Any]:
    """Wait until so many elements are visible, and the first has these words; return them."""
    deadline = time.monotonic() + 60
    while True:
        with suppress(StaleElementReferenceException):  # the wall has just changed
            found = [one for one in driver.find_elements("css selector", selector) if one.is_displayed()]
            if len(found) >= count and (not words or words in found[0].text):
                return found
        assert time.monotonic() < deadline, driver.find_element("tag name", "body").text
        time.sleep(0.1)


def test_phones_draw_and_the_teacher_labels(
    wall: Page, teacher: Any, digits: dict[int, Pixels], tmp_path: Path
) -> None:
    open_wall(teacher, wall, wall.key)
    assert wall.key not in teacher.current_url  # the class sees the address bar
    assert "Scan the code" in wait_for(teacher, ".empty")[0].text
    with ExitStack() as stack:
        phones = [stack.enter_context(chromium(tmp_path / str(width))) for width, _ in PHONES]
        for (width, height), phone, digit in zip(PHONES, phones, (4, 7), strict=True):
            as_phone(phone, width, height)
            phone.get(wall.address)
            wait_for(phone, CANVAS)
            wait_for(phone, "#answer .verdict", words="No digit")
            draw_with_finger(phone, digits[digit])
            wait_for(phone, "#answer .verdict", words=f"They agree: {digit}")
            # Both networks' answers, without scrolling.
            assert phone.execute_script("return [scrollX, scrollY, innerHeight]") == [0, 0, height]
            assert phone.execute_script(LOWEST) <= height
            wide, window = phone.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide <= window == width
        wait_for(teacher, ".tile", 2)
        for place, digit in ((1, "7"), (2, "4")):
            for line, framework in ((1, "PyTorch"), (2, "TensorFlow")):
                wait_for(teacher, f".tile:nth-child({place}) li:nth-child({line}) b", words=digit)
                wait_for(teacher, f".tile:nth-child({place}) li:nth-child({line}) span", words=framework)
        assert "2 of 2 (100 %) read alike by both networks" in wait_for(teacher, ".counts")[0].text
        for labelled in (1, 2):  # one tap a drawing
            digit = wait_for(teacher, ".tile.asked b")[0].text
            next(one for one in wait_for(teacher, ".classes button", 10) if one.text == digit).click()
            wait_for(teacher, ".right", 2 * labelled)
        assert "2 of 2 (100 %) read correctly by TensorFlow" in teacher.find_element("css selector", ".counts").text
        assert not teacher.find_element("css selector", ".question").is_displayed()
        # Clear on the phone begins the next drawing, and Undo takes it back.
        phones[0].find_element("css selector", "#drawing .clear").click()
        draw_with_finger(phones[0], digits[1])
        wait_for(teacher, ".tile", 3)
        for _ in range(20):
            phones[0].find_element("css selector", "#drawing .undo").click()
        wait_for(phones[0], "#answer .verdict", words="No digit")
    deadline = time.monotonic() + 10
    while len(teacher.find_elements("css selector", ".tile")) > 2:
        assert time.monotonic() < deadline
    teacher.refresh()  # the key is remembered
    wait_for(teacher, ".clear")[0].click()
    teacher.switch_to.alert.accept()
    wait_for(teacher, ".empty")
    assert [entry for entry in teacher.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert all(url.startswith((wall.address, "data:", "about:", "chrome")) for url in requests_of(teacher))


def test_keys_remove_and_skip(wall: Page, teacher: Any, digits: dict[int, Pixels], tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains

    open_wall(teacher, wall, wall.key)
    with chromium(tmp_path / "phone") as phone:
        phone.get(wall.address)
        wait_for(phone, CANVAS)
        for number, digit in enumerate((3, 5, 9), 1):
            phone.find_element("css selector", "#drawing .clear").click()
            draw_with_finger(phone, digits[digit])
            wait_for(teacher, ".tile", number)
            wait_for(teacher, ".tile:nth-child(1) b", words=str(digit))
            wait_for(teacher, ".tile:nth-child(1).asked" if number == 1 else ".tile:nth-child(1)")
        wait_for(phone, "#answer .verdict", words="They agree: 9")
    time.sleep(2)  # what is still being drawn cannot be labelled
    wait_for(teacher, ".tile:nth-child(1)")[0].click()
    ActionChains(teacher).send_keys("9").perform()
    wait_for(teacher, ".tile:nth-child(1) .label", words="is 9")
    wait_for(teacher, ".tile:nth-child(2).asked")
    teacher.find_element("css selector", ".skip").click()
    wait_for(teacher, ".tile:nth-child(3).asked")
    teacher.find_element("css selector", ".remove").click()
    deadline = time.monotonic() + 10
    while len(teacher.find_elements("css selector", ".tile")) > 2:
        assert time.monotonic() < deadline


def test_without_the_key_there_are_no_buttons(wall: Page, teacher: Any, digits: dict[int, Pixels]) -> None:
    send(wall, "draw", {"drawing": f"{7:032x}", "url": data_url(png_of(photo_of(digits[3])))})
    for key in ("", "wrong"):
        open_wall(teacher, wall, key)
        (tile,) = wait_for(teacher, ".tile")
        if not key:
            assert not tile.is_enabled()
            assert not [
                one for one in teacher.find_elements("tag name", "button") if one.is_displayed() and one != tile
            ]
        else:
            wait_for(teacher, ".classes button", 10)[3].click()
            wait_for(teacher, ".message", words="only the wall that draw_digit.py has printed")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_s_camera_can_read_the_code(wall: Page, teacher: Any, dark: bool) -> None:
    theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    teacher.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
    open_wall(teacher, wall, "")
    shown = teacher.find_element("css selector", ".address").text
    picture = cv2.imdecode(np.frombuffer(teacher.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)
    if "Phones cannot reach" in shown:
        pytest.skip("this machine is in no network")
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == f"http://{shown}"
    assert (picture[-5, -5].mean() < 60) == dark
