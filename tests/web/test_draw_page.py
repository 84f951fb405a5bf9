"""draw_digit.py's page in a real Chromium: with mouse, finger and keyboard, and cut off from the internet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from page_driver import (
    CANVAS,
    Page,
    Pixels,
    as_phone,
    chromium,
    draw_with_finger,
    in_browser,
    photo_of,
    png_of,
    requests_of,
    serving_page,
    strokes_of,
)
from PIL import Image

pytestmark = in_browser
CLICK_LABEL = """
const button = [...document.querySelectorAll('#webcam button')].find(one => one.innerText.trim() == arguments[0]);
button?.click();
return Boolean(button);
"""  # in one step: the page may replace its buttons between two


@pytest.fixture(scope="module")
def shared(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def browser(shared: Any, page: Page) -> Any:
    """A browser with the page freshly opened."""
    open_page(shared, page)
    return shared


def open_page(driver: Any, page: Page) -> None:
    driver.get(page.address)
    wait_for(driver, lambda: driver.find_elements("css selector", CANVAS))
    wait_for(driver, lambda: "draw or show one" in answer_in(driver))


def wait_for(driver: Any, condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (result := condition()):
        assert time.monotonic() < deadline, answer_in(driver)
        time.sleep(0.05)
    return result


def answer_in(driver: Any) -> str:
    elements = driver.find_elements("id", "answer")
    return elements[0].text if elements else ""


def click(driver: Any, selector: str) -> None:
    driver.find_element("css selector", selector).click()


def open_tab(driver: Any, name: str) -> None:
    next(tab for tab in driver.find_elements("css selector", "button[role=tab]") if tab.text == name).click()


def plot_with_mouse(driver: Any, digit: Pixels) -> None:
    from selenium.webdriver import ActionChains

    canvas = driver.find_element("css selector", CANVAS)
    for stroke in strokes_of(digit):
        points = [(round(12 * (x - 14)), round(12 * (y - 14))) for x, y in stroke]
        actions = ActionChains(driver, duration=5).move_to_element_with_offset(canvas, *points[0]).click_and_hold()
        for (x, y), (next_x, next_y) in zip(points, [*points[1:], points[-1]], strict=True):
            actions.move_by_offset(next_x - x, next_y - y)
        actions.release().perform()


def test_draw_read_clear_and_go_on(browser: Any, digits: dict[int, Pixels]) -> None:
    requests_of(browser)  # of the start, the browser's own among them
    for digit in (7, 3):
        plot_with_mouse(browser, digits[digit])
        wait_for(browser, lambda digit=digit: f"They agree: {digit}" in answer_in(browser))
        assert "PyTorch" in answer_in(browser)
        assert "TensorFlow" in answer_in(browser)
        seen = browser.find_element("css selector", "#answer img")
        assert seen.get_attribute("naturalWidth") == "28"
        click(browser, "#drawing .clear")
        wait_for(browser, lambda: "No digit" in answer_in(browser))
    assert all(url.startswith(("http://127.0.0.1:", "data:", "blob:")) for url in requests_of(browser))


def test_it_answers_while_one_draws(browser: Any, digits: dict[int, Pixels]) -> None:
    from selenium.webdriver import ActionChains

    canvas = browser.find_element("css selector", CANVAS)
    ActionChains(browser).move_to_element(canvas).click_and_hold().move_by_offset(0, 100).perform()
    wait_for(browser, lambda: "PyTorch" in answer_in(browser))
    ActionChains(browser).release().perform()


def test_undo_takes_back_a_stroke(browser: Any, digits: dict[int, Pixels]) -> None:
    plot_with_mouse(browser, digits[1])
    wait_for(browser, lambda: "They agree: 1" in answer_in(browser))
    for _ in strokes_of(digits[1]):
        click(browser, "#drawing .undo")
    wait_for(browser, lambda: "No digit" in answer_in(browser))


def test_all_of_it_by_keyboard(browser: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    actions = ActionChains(browser)
    for _ in range(20):
        if browser.switch_to.active_element.tag_name == "canvas":
            break
        actions.send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.tag_name == "canvas"
    actions.send_keys(Keys.ARROW_UP * 10).key_down(Keys.SHIFT).send_keys(Keys.ARROW_DOWN * 20).key_up(Keys.SHIFT)
    actions.perform()
    wait_for(browser, lambda: "They agree: 1" in answer_in(browser))
    actions.key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
    wait_for(browser, lambda: "No digit" in answer_in(browser))
    actions.key_down(Keys.SHIFT).send_keys(Keys.ARROW_UP * 20).key_up(Keys.SHIFT).perform()
    wait_for(browser, lambda: "They agree: 1" in answer_in(browser))
    actions.send_keys(Keys.TAB * 2).send_keys(Keys.ENTER).perform()
    assert browser.switch_to.active_element.text == "Clear"
    wait_for(browser, lambda: "No digit" in answer_in(browser))


def test_with_a_finger_on_a_phone(page: Page, digits: dict[int, Pixels], tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as driver:
        as_phone(driver, 360, 740)
        open_page(driver, page)
        draw_with_finger(driver, digits[4])
        wait_for(driver, lambda: "They agree: 4" in answer_in(driver))
        # Neither did the finger scroll the page, nor need anybody scroll it sideways.
        assert driver.execute_script("return [scrollX, scrollY]") == [0, 0]
        wide, window = driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window == 360


def test_upload_a_photo_and_go_back(browser: Any, digits: dict[int, Pixels], tmp_path: Path) -> None:
    plot_with_mouse(browser, digits[7])
    wait_for(browser, lambda: "They agree: 7" in answer_in(browser))
    open_tab(browser, "Photo")
    wait_for(browser, lambda: "No digit" in answer_in(browser))
    Image.fromarray(photo_of(digits[3])).save(tmp_path / "photo.jpg")
    chooser = wait_for(browser, lambda: browser.find_elements("css selector", "#photo input[type=file]"))[0]
    chooser.send_keys(str(tmp_path / "photo.jpg"))
    wait_for(browser, lambda: "They agree: 3" in answer_in(browser))
    open_tab(browser, "Draw")
    wait_for(browser, lambda: "They agree: 7" in answer_in(browser))
    (tmp_path / "broken.png").write_bytes(png_of(photo_of(digits[3]))[:200])
    open_tab(browser, "Photo")
    wait_for(browser, lambda: "No digit" in answer_in(browser))
    chooser = wait_for(browser, lambda: browser.find_elements("css selector", "#photo input[type=file]"))[0]
    chooser.send_keys(str(tmp_path / "broken.png"))
    wait_for(browser, lambda: "cannot be read" in answer_in(browser))


@pytest.mark.usefixtures("page")  # for its trainings
def test_drawings_and_what_the_webcam_sees_go_to_no_file(
    workplace: Path, digits: dict[int, Pixels], tmp_path: Path
) -> None:
    sheet = cv2.resize(photo_of(digits[6]), (480, 480))
    frame = cv2.cvtColor(np.pad(sheet, ((0, 0), (80, 80)), constant_values=240), cv2.COLOR_GRAY2BGR)
    planes = cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes()
    film = tmp_path / "film.y4m"  # Chromium shows it in the camera's place
    film.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + (b"FRAME\n" + planes) * 10)
    own = tmp_path / "own"
    own.mkdir()
    camera = f"--use-file-for-fake-video-capture={film}"
    with serving_page(workplace, TMPDIR=own) as page, chromium(tmp_path / "profile", camera) as driver:
        open_page(driver, page)
        plot_with_mouse(driver, digits[7])
        wait_for(driver, lambda: "They agree: 7" in answer_in(driver))
        open_tab(driver, "Webcam")
        for label in ("Click to Access Webcam", "Record"):
            wait_for(driver, lambda label=label: driver.execute_script(CLICK_LABEL, label))
        wait_for(driver, lambda: "They agree: 6" in answer_in(driver))
        assert [path for path in own.rglob("*") if path.is_file()] == []


def test_nothing_is_asked_for_from_outside(page: Page, tmp_path: Path) -> None:
    """From the first request on. Chromium here resolves no name, so that the page also worked without the internet."""
    with chromium(tmp_path / "profile") as driver:
        driver.get("about:blank")
        requests_of(driver)
        open_page(driver, page)
        for name in ("Photo", "Webcam", "Draw"):
            open_tab(driver, name)
        time.sleep(2)
        asked = requests_of(driver)
        assert any(url.startswith(page.address) for url in asked)
        assert [url for url in asked if not url.startswith((page.address, "data:", "blob:", "chrome"))] == []
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_without_a_run_it_says_what_to_run(tmp_path: Path) -> None:
    with serving_page(tmp_path) as page, chromium(tmp_path / "profile") as driver:
        driver.get(page.address)
        wait_for(driver, lambda: "python mnist_pytorch.py" in answer_in(driver))
