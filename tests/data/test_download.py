"""Downloads: from any mirror that has the right files, past every kind that has not, and with the reasons told."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import socket
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from small_dataset import (
    ARRAYS,
    GZ_BYTES,
    IDX_BYTES,
    SMALL,
    Respond,
    run_download,
    send,
    send_file,
    serving,
    with_mirrors,
    write_mirror,
)

from digits.data import fetch
from digits.data.datasets import read_dataset
from digits.data.download import download_dataset, find_damage, verify
from digits.data.idx import idx_bytes
from digits.errors import UserError


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")  # the servers here are on this machine


def assert_complete(data_dir: Path) -> None:
    dataset = read_dataset(SMALL, data_dir)
    found = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    for array, expected in zip(found, ARRAYS, strict=True):
        assert np.array_equal(array, expected)
    assert find_damage(SMALL, data_dir / SMALL.folder) == []
    assert sorted(path.name for path in data_dir.iterdir()) == ["Small", "small.npz"]


def test_from_a_server_and_then_never_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send_file(handler)

    with serving(respond) as mirror:
        assert download_dataset(with_mirrors(mirror), tmp_path / "data") != []
        assert asked == [f"/{name}" for name in GZ_BYTES]
        assert download_dataset(with_mirrors(mirror), tmp_path / "data") == []
        assert len(asked) == 4
    assert_complete(tmp_path / "data")


def test_a_mirror_folder_may_have_a_folder_for_each_dataset_or_the_files_or_unpacked_ones(tmp_path: Path) -> None:
    write_mirror(tmp_path / "mirror" / "small")
    (tmp_path / "unpacked").mkdir()
    for file, data in zip(SMALL.files, IDX_BYTES, strict=True):
        (tmp_path / "unpacked" / file).write_bytes(data)
    for mirror in (tmp_path / "mirror", tmp_path / "mirror" / "small", tmp_path / "unpacked"):
        data_dir = tmp_path / f"from-{mirror.name}"
        download_dataset(SMALL, data_dir, str(mirror))
        assert_complete(data_dir)


def test_an_address_may_have_a_folder_for_each_dataset(tmp_path: Path) -> None:
    def only_small(handler: BaseHTTPRequestHandler) -> None:
        send_file(handler) if handler.path.startswith("/small/") else send(handler, b"", 404)

    with serving(only_small) as mirror:
        download_dataset(SMALL, tmp_path, mirror)
    assert_complete(tmp_path)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    if handler.path.startswith("/real/"):
        send_file(handler)
    else:
        send(handler, b"moved", 302, Location=f"/real{handler.path}")


def test_servers_may_redirect_and_may_unpack_on_the_way(tmp_path: Path) -> None:
    unpacking: Respond = lambda handler: send(handler, gzip.decompress(GZ_BYTES[handler.path[1:]]))  # noqa: E731
    for respond in (redirect, unpacking):
        with serving(respond) as mirror:
            download_dataset(with_mirrors(mirror), tmp_path / respond.__name__)
        assert_complete(tmp_path / respond.__name__)


def raw(handler: BaseHTTPRequestHandler, *pieces: bytes, pause: float = 0) -> None:
    """Answer with these bytes, headers and all, with a pause in seconds before each piece."""
    for piece in pieces:
        time.sleep(pause)
        handler.wfile.write(piece)
        handler.wfile.flush()
    handler.close_connection = True


def content(change: Callable[[bytes], bytes]) -> Respond:
    """Return a server whose files are packed well, but hold something else."""
    return lambda handler: send(handler, gzip.compress(change(gzip.decompress(GZ_BYTES[handler.path[1:]]))))


HTML = b"\n<!-- gateway --><html><body>Please log in</body></html>"
HEAD = b"HTTP/1.1 200 OK\r\n"

BAD_SERVERS: dict[str, tuple[Respond, str]] = {
    "missing": (lambda handler: send(handler, b"no", 404), "HTTP status 404 Not Found"),
    "html": (lambda handler: send(handler, HTML, Content_Type="text/html"), "an HTML page instead of the file"),
    "hangs up": (lambda handler: raw(handler), "the connection broke off"),
    "cut off": (lambda handler: raw(handler, HEAD + b"Content-Length: 99\r\n\r\nabc"), "cut off after 3 bytes"),
    "too long by its header": (lambda handler: send(handler, b"", Content_Length="9999999"), "9,999,999 bytes offered"),
    "endless": (lambda handler: raw(handler, HEAD + b"\r\n", *[bytes(65_536)] * 10_000), "more than the"),
    "redirects in a circle": (lambda handler: send(handler, b"", 302, Location="/again"), "Exceeded 30 redirects"),
    "password": (lambda handler: send(handler, b"", 407), "HTTP status 407 Proxy Authentication Required"),
    "gz cut off": (lambda handler: send(handler, GZ_BYTES[handler.path[1:]][:-10]), "damaged gzip data"),
    "fewer images": (content(lambda data: idx_bytes(ARRAYS[0][:-1])), "wrong contents; SHA-256"),
    "wrong contents": (content(lambda data: data[:-1] + bytes([data[-1] ^ 1])), "wrong contents; SHA-256"),
}


@pytest.mark.parametrize("kind", BAD_SERVERS)
def test_a_bad_mirror_is_passed_over_and_its_reason_told(kind: str, tmp_path: Path) -> None:
    respond, reason = BAD_SERVERS[kind]
    with serving(respond) as bad, serving(send_file) as good:
        with pytest.raises(UserError) as error:
            download_dataset(with_mirrors(bad), tmp_path / "bad")
        assert re.search(f"^  {re.escape(bad)}: .*{reason}", str(error.value), re.MULTILINE)
        assert not list((tmp_path / "bad").rglob("*-ubyte"))
        download_dataset(with_mirrors(bad, good), tmp_path / "good")
    assert_complete(tmp_path / "good")


def test_a_slow_mirror_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "READ_SECONDS", 0.2)
    monkeypatch.setattr(fetch, "FILE_SECONDS", 0.3)
    responds: list[tuple[Respond, str]] = [
        (lambda handler: raw(handler, HEAD + b"Content-Length: 99\r\n\r\nabc", b"", pause=0.6), "nothing came for 0.2"),
        (lambda handler: raw(handler, HEAD + b"Content-Length: 99\r\n\r\n", *[b"x"] * 20, pause=0.05), "not complete"),
    ]
    for respond, reason in responds:
        with serving(respond) as slow, pytest.raises(UserError, match=reason):
            download_dataset(with_mirrors(slow), tmp_path)
    assert not list(tmp_path.rglob("*-ubyte"))


def test_the_last_error_lists_every_mirror_and_the_ways_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refused = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with serving(BAD_SERVERS["missing"][0]) as missing, pytest.raises(UserError) as error:
        download_dataset(with_mirrors(refused, "http://no-such-host.invalid/", missing), tmp_path / "data")
    assert str(error.value).splitlines() == [
        "small was not downloaded, because no mirror has the right train-images-idx3-ubyte.gz:",
        f"  {refused}: connection refused",
        "  http://no-such-host.invalid/: the host's name could not be resolved (no network?)",
        f"  {missing}: HTTP status 404 Not Found",
        "Give the address or folder of a copy by --mirror, or take --dataset mnist-sample, which needs no network.",
    ]


def test_a_file_known_by_the_checksum_of_its_gz_is_verified_by_that() -> None:
    data = GZ_BYTES["train-images-idx3-ubyte.gz"]
    entry = replace(SMALL, sha256=(), gz_sha256=(hashlib.sha256(data).hexdigest(),) * 4)
    assert verify(data, entry, 0) == IDX_BYTES[0]
    with pytest.raises(UserError, match="wrong contents"):
        verify(gzip.compress(IDX_BYTES[0], 1, mtime=1), entry, 0)
    with pytest.raises(UserError, match="unpacked it cannot be verified"):
        verify(IDX_BYTES[0], entry, 0)


def test_a_bomb_costs_no_memory() -> None:
    bomb = gzip.compress(bytes(20_000_000), 9)
    tracemalloc.start()
    with pytest.raises(UserError, match="wrong contents"):
        verify(bomb, SMALL, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_download_that_fails_leaves_a_good_set_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    download_dataset(SMALL, data_dir, str(write_mirror(tmp_path / "mirror")))
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}
    with serving(BAD_SERVERS["wrong contents"][0]) as bad, pytest.raises(UserError, match="no mirror has"):
        download_dataset(with_mirrors(bad), data_dir, force=True)
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")} == before
    assert_complete(data_dir)


def test_only_what_is_damaged_is_fetched_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send_file(handler)

    with serving(respond) as mirror:
        entry = with_mirrors(mirror)
        download_dataset(entry, tmp_path)
        for name, keep in {
            "Small/raw/train-images-idx3-ubyte": 20,
            "Small/SHA256SUMS": 10,
            "small.npz": 100,
        }.items():
            asked.clear()
            data = (tmp_path / name).read_bytes()
            (tmp_path / name).write_bytes(data[:keep] + b"damage")
            assert name in download_dataset(entry, tmp_path)
            assert asked == ([f"/{Path(name).name}.gz"] if "/raw/" in name else [])
            assert_complete(tmp_path)
        asked.clear()
        download_dataset(entry, tmp_path, force=True)
        assert len(asked) == 4


def test_files_that_are_there_and_right_are_kept(tmp_path: Path) -> None:
    """Those that torchvision has downloaded, or a call that was killed."""
    (tmp_path / "Small" / "raw").mkdir(parents=True)
    for name, data in list(zip(SMALL.files, IDX_BYTES, strict=True))[:3]:
        (tmp_path / "Small" / "raw" / name).write_bytes(data)
    with pytest.raises(UserError, match=r"small is not in '.*' yet: run"):
        read_dataset(SMALL, tmp_path)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "t10k-labels-idx1-ubyte").write_bytes(IDX_BYTES[3])
    download_dataset(SMALL, tmp_path, str(mirror))
    shutil.rmtree(mirror)
    assert_complete(tmp_path)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "Small").touch()
    for data_dir in (tmp_path / "Small", tmp_path):
        with pytest.raises(UserError, match=rf"'{tmp_path / 'Small'}.*'"):
            download_dataset(SMALL, data_dir)


def test_a_mirror_that_is_neither_folder_nor_address_is_an_error(tmp_path: Path) -> None:
    for mirror in ("no/such/folder", "http:/host"):
        with serving(send_file) as good, pytest.raises(UserError, match=f"the mirror '{mirror}' is neither a folder"):
            download_dataset(with_mirrors(good), tmp_path, mirror)


@pytest.mark.slow
def test_the_sample_needs_no_network_and_is_said_to_be_complete(tmp_path: Path) -> None:
    for state in ("complete and verified", "already complete", "fixed (MNISTSample/raw/t10k-labels-idx1-ubyte)"):
        done = run_download("--dataset", "mnist-sample", "--data-dir", tmp_path)
        first, second = done.stdout.splitlines()
        assert first == f"mnist-sample: 4,000 training and 1,000 test images in '{tmp_path / 'MNISTSample'}', {state}."
        assert "Licence: CC BY-SA 3.0" in second
        if state == "already complete":
            (tmp_path / "MNISTSample" / "raw" / "t10k-labels-idx1-ubyte").unlink()


@pytest.mark.slow
def test_all_goes_on_after_one_that_fails_and_the_option_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mirror").mkdir()
    # Should it try a public mirror after all, it finds a proxy that refuses.
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("MNIST_MIRROR", "/no/such/folder")
    words = ["--dataset", "all", "--mirror", tmp_path / "mirror", "--data-dir", tmp_path / "data"]
    done = run_download(*words)
    assert done.returncode == 1
    assert "mnist-sample: 4,000 training" in done.stdout
    failed = re.findall("^error: (.*) was not downloaded", done.stderr, re.MULTILINE)
    assert failed == ["mnist", "fashion-mnist", "kmnist"]
    assert "connection refused" in done.stderr
    assert len([path for path in (tmp_path / "data").rglob("*") if path.is_file()]) == 6
