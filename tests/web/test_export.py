"""The page that needs no server, in a real Chromium: it reads as the server does, and asks nobody for anything."""

from __future__ import annotations

import base64
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import Trained
from linear_run import make_linear_run
from onnx import TensorProto, helper, numpy_helper
from page_driver import (
    CANVAS,
    Pixels,
    as_phone,
    chromium,
    draw_with_finger,
    in_browser,
    requests_of,
    strokes_of,
)
from paths import ROOT

from digits.errors import UserError
from digits.inference import TrainedRun, load_runs
from digits.photos import find_digit
from digits.web.export import MAX_BYTES, export_site
from digits.web.graph import READERS, read_network


def export(cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "draw_digit.py", "--export", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def site(workplace: Path, train_once: Callable[[str], Trained], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with both networks."""
    for framework in ("pytorch", "tensorflow"):
        train_once(framework)
    folder = tmp_path_factory.mktemp("exported") / "site"
    done = export(workplace, folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mnist-sample-cnn-pytorch, mnist-sample-cnn-tensorflow; 2.2 MB" in done.stdout
    return folder


@pytest.fixture(scope="module")
def browser(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with the page opened from the disk."""
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        driver.get((site / "index.html").as_uri())
        yield driver


def answer_in(driver: Any) -> str:
    return driver.find_element("id", "answer").text


# --- what it weighs and asks for ---


def test_it_is_small_and_its_addresses_are_relative(site: Path) -> None:
    files = list(site.rglob("*"))
    assert sum(file.stat().st_size for file in files) <= MAX_BYTES == 3_000_000
    text = (site / "index.html").read_text()
    named = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert {name for name in named if name != "data:,"} == {file.name for file in files} - {"index.html"}
    for file in files:
        assert not re.search(r"https?://|fetch\(|XMLHttpRequest|import\(", file.read_text()), file


@in_browser
def test_it_reads_a_drawing_and_asks_nobody(site: Path, digits: dict[int, Pixels], tmp_path: Path) -> None:
    """From the disk, and in a subfolder of a server, as GitHub Pages has it."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=site.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    addresses = [(site / "index.html").as_uri(), f"http://127.0.0.1:{server.server_port}/{site.name}/"]
    for i, address in enumerate(addresses):
        with chromium(tmp_path / str(i)) as driver:
            driver.get("about:blank")
            requests_of(driver)
            as_phone(driver, 390, 844)
            driver.get(address)
            assert "No digit here yet" in answer_in(driver)
            for digit in (7, 3):
                draw_with_finger(driver, digits[digit])
                assert f"They agree: {digit}" in answer_in(driver)
                driver.find_element("css selector", "#drawing .clear").click()
                assert "No digit here yet" in answer_in(driver)
            folder = address.rpartition("/")[0] + "/"
            assert all(url.startswith((folder, "data:", "chrome")) for url in requests_of(driver))
            assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    server.shutdown()
    assert {path.rpartition("/")[2] or "index.html" for path in asked} == {file.name for file in site.iterdir()}


@in_browser
@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640)])
def test_a_phone_shows_the_answer_without_scrolling(
    site: Path, digits: dict[int, Pixels], tmp_path: Path, width: int, height: int
) -> None:
    with chromium(tmp_path / "profile") as driver:
        as_phone(driver, width, height)
        driver.get((site / "index.html").as_uri())
        draw_with_finger(driver, digits[4])
        lowest = (
            "return Math.max(...[...document.querySelectorAll('.bar')].map(bar => bar.getBoundingClientRect().bottom))"
        )
        assert driver.execute_script(lowest) <= height
        assert driver.execute_script("return [scrollY, document.documentElement.scrollWidth]") == [0, width]


# --- whether it reads as the server does ---

PROBABILITIES = "return arguments[0].map(image => networks.map(network => Array.from(probabilitiesOf(network, image))))"


@in_browser
def test_its_probabilities_are_onnxruntime_s(browser: Any, site: Path, workplace: Path, test_images: Pixels) -> None:
    images = test_images[::5]
    found = browser.execute_script(PROBABILITIES, images.reshape(-1, 784).tolist())
    names = [f"mnist-sample-cnn-{framework}" for framework in ("pytorch", "tensorflow")]
    for i, run in enumerate(load_runs(names, workplace / "outputs")):
        np.testing.assert_allclose([both[i] for both in found], run.predict(images), rtol=0, atol=1e-4)
    sheet = "return networks.map(network => [network.run, network.framework, network.classes.join('')])"
    assert browser.execute_script(sheet) == [
        [name, framework, "0123456789"] for name, framework in zip(names, ("PyTorch", "TensorFlow"), strict=True)
    ]


def sheets_of(images: Pixels) -> Iterator[Pixels]:
    """Yield drawings of the digits as the page's pen makes them, uint8 (280, 280): large, small, and at the edges."""
    rng = np.random.default_rng(0)
    for image in images:
        size = rng.choice([1.0, 1.0, 0.6, 0.3, 0.15])
        middle = 140 + rng.uniform(-1, 1, 2) * (1 - size) * 110
        sheet = np.full((280, 280), 255, np.uint8)
        for stroke in strokes_of(image):
            points = np.round(16 * (10 * size * (np.array([stroke[0], *stroke]) - 14) + middle)).astype(np.int32)
            cv2.polylines(sheet, [points], False, 0, 20, cv2.LINE_AA, 4)
        yield sheet


def signs() -> Iterator[Pixels]:
    """Yield - + x and = as the page's pen makes them, uint8 (280, 280)."""
    for strokes in (
        [(60, 140, 220, 140)],
        [(60, 140, 220, 140), (140, 60, 140, 220)],
        [(80, 80, 200, 200), (200, 80, 80, 200)],
        [(60, 90, 220, 90), (60, 190, 220, 190)],
    ):
        sheet = np.full((280, 280), 255, np.uint8)
        for left, top, right, bottom in strokes:
            cv2.line(sheet, (left, top), (right, bottom), 0, 20, cv2.LINE_AA)
        yield sheet


@in_browser
def test_its_images_are_the_server_s(browser: Any, workplace: Path, test_images: Pixels) -> None:
    """Cut out, scaled and centred in JavaScript: but for rounding the same pixels, and the same probabilities."""
    sheets = [*sheets_of(test_images[7::25]), np.full((280, 280), 255, np.uint8)]
    script = "const digit = findDigit(arguments[0], 280); return digit && Array.from(digit)"
    found = [browser.execute_script(script, sheet.ravel().tolist()) for sheet in sheets]
    assert found.pop() is None
    for sign in signs():
        four = cv2.line(sign.copy(), (140, 60), (60, 140), 0, 20, cv2.LINE_AA)  # a diagonal makes a 4 of a plus
        for sheet in (sign, four):
            nothing = browser.execute_script(script, sheet.ravel().tolist()) is None
            assert nothing == (find_digit(sheet) is None)
        assert find_digit(sign) is None
    here = np.array(found, np.uint8).reshape(-1, 28, 28)
    digits = [find_digit(sheet) for sheet in sheets[:-1]]
    there = np.stack([digit.image for digit in digits if digit])
    assert np.abs(here.astype(int) - there).max() <= 2
    for run in load_runs(["mnist-sample-cnn-pytorch", "mnist-sample-cnn-tensorflow"], workplace / "outputs"):
        np.testing.assert_allclose(run.predict(here), run.predict(there), rtol=0, atol=0.02)


@in_browser
def test_what_it_shows_is_what_the_server_would_say(browser: Any, workplace: Path, digits: dict[int, Pixels]) -> None:
    """A drawing by hand, from the page's own sheet."""
    from io import BytesIO

    from digits.photos import decode_photo
    from digits.web.answers import Networks, as_html, read_digit

    driver = browser
    driver.find_element("css selector", "#drawing .clear").click()
    draw_with_finger(driver, digits[9])
    url = driver.execute_script(f"return document.querySelector('{CANVAS}').toDataURL()")
    with BytesIO(base64.b64decode(url.partition(",")[2])) as png:
        reading = read_digit(decode_photo(png), Networks((), workplace / "outputs"))
    expected = as_html(reading)
    shown = driver.find_element("css selector", ".answer .verdict").text
    assert f'<p class="verdict">{shown}</p>' in expected
    percents = [float(number) for number in re.findall(r"([\d.]+)%</span>", expected)]
    bars = driver.execute_script(
        "return [...document.querySelectorAll('.bar span:last-child')].map(one => one.innerText)"
    )
    np.testing.assert_allclose([float(bar.rstrip("%")) for bar in bars], percents, rtol=0, atol=1.0)


# --- which networks it takes ---


def model_of(nodes: list[Any], weights: dict[str, Pixels], path: Path) -> Path:
    """Write a model.onnx of these nodes between the pixels as float32, 'x', and ten numbers, 'y'."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["floats", "shape"], ["x"]),
            *nodes,
            helper.make_node("Softmax", ["y"], ["probabilities"], axis=1),
        ],
        "test",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])],
        [
            numpy_helper.from_array(array, name)
            for name, array in (weights | {"shape": np.array([-1, 1, 28, 28])}).items()
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def every_operation(path: Path) -> Path:
    """A network that has each operation that the page knows, with strides, uneven padding, and broadcasting."""
    rng = np.random.default_rng(0)

    def random(*shape: int) -> Pixels:
        return rng.normal(scale=0.1, size=shape).astype(np.float32)

    node = helper.make_node
    nodes = [
        node("Pad", ["x", "pads"], ["a"]),
        node("Mul", ["a", "scale"], ["b"]),
        node("Conv", ["b", "k1", "b1"], ["c"], pads=[2, 0, 1, 1], strides=[2, 1], kernel_shape=[3, 4]),
        node("Add", ["c", "channels"], ["d"]),
        node("Relu", ["d"], ["e"]),
        node("MaxPool", ["e"], ["f"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
        node("Conv", ["f", "k2"], ["g"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("Add", ["f", "g"], ["h"]),
        node("Mul", ["h", "channels"], ["i"]),
        node("GlobalAveragePool", ["i"], ["j"]),
        node("ReduceMean", ["h", "axes"], ["k"], keepdims=0),
        node("Flatten", ["j"], ["l"]),
        node("Add", ["k", "l"], ["m"]),
        node("Transpose", ["h"], ["n"], perm=[0, 3, 1, 2]),
        node("Reshape", ["n", "row"], ["o"]),
        node("MatMul", ["o", "m1"], ["p"]),
        node("Gemm", ["m", "m2", "b2"], ["q"], transB=1),
        node("Relu", ["p"], ["r"]),
        node("Add", ["q", "r"], ["y"]),
    ]
    weights = {
        "scale": np.array(1 / 255, np.float32),
        "pads": np.array([0, 0, 1, 0, 0, 0, 2, 3]),
        "k1": random(6, 1, 3, 4),
        "b1": random(6),
        "channels": random(1, 6, 1, 1),
        "k2": random(6, 6, 3, 3),
        "axes": np.array([2, 3]),
        "row": np.array([1, -1]),
        "m1": random(6 * 8 * 15, 10),
        "m2": random(10, 6),
        "b2": random(10),
    }
    return model_of(nodes, weights, path)


@in_browser
def test_every_operation_is_onnxruntime_s(browser: Any, test_images: Pixels, tmp_path: Path) -> None:
    path = every_operation(tmp_path / "model.onnx")
    network = read_network(path)
    assert {step["op"] for step in network.steps} == READERS.keys()
    images = test_images[:10]
    script = """
    const [steps, weights, images] = arguments;
    return images.map(image => Array.from(probabilitiesOf({ steps, weights: Float32Array.from(weights) }, image)));
    """
    found = browser.execute_script(script, network.steps, network.weights.tolist(), images.reshape(-1, 784).tolist())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = np.concatenate([session.run(None, {"images": image[None]})[0] for image in images])
    assert expected.std(axis=0).min() > 1e-4  # the images make a difference
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("Sigmoid", ["flat"], ["z"]), "has the operation Sigmoid"),
        (helper.make_node("Cast", ["flat"], ["z"], to=TensorProto.FLOAT16), "converts numbers"),
        (helper.make_node("Softmax", ["x"], ["z"], axis=2), "Softmax on something other than a row"),
        (helper.make_node("MatMul", ["flat", "flat2"], ["z"]), "computes its weights|a row of numbers"),
        (helper.make_node("MaxPool", ["x"], ["z"], kernel_shape=[2, 2], ceil_mode=1), "another ceil_mode than 0"),
        (helper.make_node("Conv", ["x", "k"], ["z"], dilations=[2, 2]), r"another dilations than \[1, 1\]"),
        (helper.make_node("Pad", ["x", "pads"], ["z"], mode="reflect"), "pads with something other than zeros"),
        (helper.make_node("Mul", ["k1", "flat"], ["z"]), "with a constant first"),
    ],
)
def test_what_it_does_not_know_is_refused_in_a_sentence(tmp_path: Path, node: Any, words: str) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "row"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["flat2"], perm=[1, 0]),
        node,
        helper.make_node("Reshape", ["z", "row"], ["w"]),
        helper.make_node("ReduceMax", ["w", "one"], ["v"]),
        helper.make_node("Mul", ["v", "ten"], ["y"]),
    ]
    if node.op_type == "Cast":
        nodes.insert(3, helper.make_node("Cast", ["z"], ["zz"], to=TensorProto.FLOAT))
        nodes[4].input[0] = "zz"
    weights = {
        "row": np.array([1, -1]),
        "one": np.array([1]),
        "ten": np.ones((1, 10), np.float32),
        "k": np.ones((1, 1, 3, 3), np.float32),
        "k1": np.ones((1, 784), np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }
    model_of(nodes, weights, tmp_path / "model.onnx")
    with pytest.raises(UserError, match=words) as refusal:
        export_site([TrainedRun("odd", tmp_path, "pytorch", tuple("0123456789"), None, None)], tmp_path / "site")
    assert str(refusal.value).startswith("'odd' ")
    assert str(refusal.value).endswith("Choose another network with --run.")
    assert not (tmp_path / "site").exists()


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    weights = {
        "row": np.array([1, -1]),
        "m1": np.random.default_rng(0).normal(size=(784, 800)).astype(np.float32) / 1000,
        "m2": np.ones((800, 10), np.float32) / 1000,
    }
    node = helper.make_node
    nodes = [
        node("Reshape", ["x", "row"], ["flat"]),
        node("MatMul", ["flat", "m1"], ["w"]),
        node("Relu", ["w"], ["v"]),
        node("MatMul", ["v", "m2"], ["y"]),
    ]
    model_of(nodes, weights, tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"the page has 3\.4 MB, more than 3; choose smaller ones"):
        export_site([TrainedRun("large", tmp_path, "pytorch", tuple("0123456789"), None, None)], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    make_linear_run(tmp_path / "outputs")
    (tmp_path / "site").mkdir()
    index = tmp_path / "site" / "index.html"
    index.write_text("<h1>My cat</h1>")
    done = export(tmp_path, "site")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is a page of something else; give --export another folder." in done.stderr
    assert index.read_text() == "<h1>My cat</h1>"
    index.unlink()
    (tmp_path / "site" / "CNAME").write_text("digits.example")
    for _ in range(2):  # again, over the earlier one
        done = export(tmp_path, "site")
        assert (done.returncode, done.stderr) == (0, "")
    assert "There is no TensorFlow network" in done.stdout
    assert (tmp_path / "site" / "CNAME").read_text() == "digits.example"


def test_without_a_run_it_says_what_to_train(tmp_path: Path) -> None:
    done = export(tmp_path, "site")
    assert done.returncode == 1
    assert done.stderr.startswith("error: there is no trained run; train one with")
    assert not (tmp_path / "site").exists()
