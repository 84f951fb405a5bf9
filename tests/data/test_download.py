"""Downloads: from any mirror that has the right files, past every kind that has not, and with the reasons told."""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
import time
import tracemalloc
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from in_process import run_download
from small_dataset import (
    ARRAYS,
    GZ_BYTES,
    IDX_BYTES,
    SMALL,
    Respond,
    send,
    send_file,
    serving,
    with_mirrors,
    write_mirror,
)

from mnist_twice.data import download
from mnist_twice.data.datasets import read_dataset
from mnist_twice.data.download import download_dataset, find_damage, verify
from mnist_twice.errors import UserError
from mnist_twice.files import write_whole


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")  # the servers here are on this machine


def assert_complete(data_dir: Path) -> None:
    dataset = read_dataset(SMALL, data_dir)
    found = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    assert all(map(np.array_equal, found, ARRAYS))
    assert find_damage(SMALL, data_dir / "Small") == []
    names = {"Small", "small.npz", "Small/raw", "Small/SHA256SUMS", *(f"Small/{path}" for path in SMALL.paths)}
    assert {path.relative_to(data_dir).as_posix() for path in data_dir.rglob("*")} == names


@pytest.mark.parametrize("kind", ["packed", "unpacked", "dotted", "of Keras"])
def test_a_mirror_folder_has_the_files_or_a_folder_for_each_dataset(kind: str, tmp_path: Path) -> None:
    folder = write_mirror(tmp_path / "mirror" / "small")
    for file, data in zip(SMALL.files, IDX_BYTES, strict=True):
        if kind != "packed":
            (folder / f"{file}.gz").unlink()
        if kind in ("unpacked", "dotted"):
            (folder / (file if kind == "unpacked" else file.replace("-idx", ".idx"))).write_bytes(data)
    if kind == "of Keras":
        np.savez(folder / "small.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), ARRAYS, strict=True)))
        download_dataset(SMALL, tmp_path / "by file", str(folder / "small.npz"))
        assert_complete(tmp_path / "by file")
    for mirror in (tmp_path / "mirror", tmp_path / "mirror" / "small"):
        download_dataset(SMALL, tmp_path / f"from-{mirror.name}", str(mirror))
        assert_complete(tmp_path / f"from-{mirror.name}")


def only_below_its_name(handler: BaseHTTPRequestHandler) -> None:
    send_file(handler) if handler.path.startswith("/small/") else send(handler, b"", 404)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    is_there = handler.path.startswith("/real/")
    send_file(handler) if is_there else send(handler, b"moved", 302, Location=f"/real{handler.path}")


def unpack(handler: BaseHTTPRequestHandler) -> None:
    send(handler, gzip.decompress(GZ_BYTES[handler.path.rsplit("/", 1)[-1]]))


@pytest.mark.parametrize("respond", [only_below_its_name, redirect, unpack])
def test_from_a_server(respond: Respond, tmp_path: Path) -> None:
    with serving(respond) as mirror:
        download_dataset(SMALL, tmp_path, mirror)
    assert_complete(tmp_path)


def raw(handler: BaseHTTPRequestHandler, *pieces: bytes, pause: float = 0) -> None:
    """Answer with these bytes, headers and all, with a pause in seconds before each piece."""
    for piece in pieces:
        time.sleep(pause)
        handler.wfile.write(piece)
        handler.wfile.flush()
    handler.close_connection = True


def send_other_bytes(handler: BaseHTTPRequestHandler) -> None:
    """Answer as a server whose files are packed well, but hold something else."""
    send(handler, gzip.compress(gzip.decompress(GZ_BYTES[handler.path[1:]])[:-1] + b"?"))


HTML = b"\n<!-- gateway --><html><body>Please log in</body></html>"
HEAD = b"HTTP/1.1 200 OK\r\n"

BAD_SERVERS: dict[str, tuple[Respond, str]] = {
    "missing": (lambda handler: send(handler, b"no", 404), "HTTP status 404 Not Found"),
    "html": (lambda handler: send(handler, HTML, Content_Type="text/html"), "a web page instead of the file"),
    "json": (lambda handler: send(handler, b'{"error":"rate limit"}'), "it begins with .*rate limit"),
    "hangs up": (lambda handler: raw(handler), "the connection broke off"),
    "cut off": (lambda handler: raw(handler, HEAD + b"Content-Length: 99\r\n\r\nabc"), "cut off after 3 bytes"),
    "too long by its header": (lambda handler: send(handler, b"", Content_Length="9999999"), "9,999,999 bytes offered"),
    "endless": (lambda handler: raw(handler, HEAD + b"\r\n", *[bytes(65_536)] * 10_000), "more than the"),
    "gz cut off": (lambda handler: send(handler, GZ_BYTES[handler.path[1:]][:-10]), "damaged gzip data"),
    "wrong contents": (send_other_bytes, "wrong contents; its SHA-256"),
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
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    monkeypatch.setattr(download, "FILE_SECONDS", 0.3)
    responds: list[tuple[Respond, str]] = [
        (lambda handler: raw(handler, HEAD + b"Content-Length: 99\r\n\r\nabc", b"", pause=0.6), "no data for 0.2"),
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
        "Give the address or folder of a copy with --mirror, or take --dataset mnist-sample, which needs no network.",
    ]


def test_a_file_known_by_the_checksum_of_its_gz_is_verified_by_that() -> None:
    data = GZ_BYTES["train-images-idx3-ubyte.gz"]
    entry = replace(SMALL, sha256=(), gz_sha256=(hashlib.sha256(data).hexdigest(),) * 4)
    assert verify(data, entry, 0) == IDX_BYTES[0]
    for wrong in (gzip.compress(IDX_BYTES[0], 1, mtime=1), IDX_BYTES[0]):
        with pytest.raises(UserError, match=r"wrong contents|cannot be verified when unpacked"):
            verify(wrong, entry, 0)


def test_a_bomb_costs_no_memory() -> None:
    bomb = gzip.compress(bytes(20_000_000), 9)
    tracemalloc.start()
    with pytest.raises(UserError, match="wrong contents"):
        verify(bomb, SMALL, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_only_what_is_damaged_is_fetched_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send_file(handler)

    with serving(respond) as mirror:
        entry = with_mirrors(mirror)
        download_dataset(entry, tmp_path)
        assert asked == [f"/{name}" for name in GZ_BYTES]
        for name in ("Small/raw/train-images-idx3-ubyte", "Small/SHA256SUMS", "small.npz"):
            asked.clear()
            (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:20] + b"damage")
            assert name in download_dataset(entry, tmp_path)
            assert asked == ([f"/{Path(name).name}.gz"] if "/raw/" in name else [])
            assert_complete(tmp_path)
        assert download_dataset(entry, tmp_path) == []
        asked.clear()
        download_dataset(entry, tmp_path, force=True)
        assert len(asked) == 4
    with serving(send_other_bytes) as bad, pytest.raises(UserError, match="no mirror has"):
        download_dataset(with_mirrors(bad), tmp_path, force=True)
    assert_complete(tmp_path)  # a good set is left alone


def test_files_of_torchvision_in_a_linked_folder_are_kept(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "Small" / "raw").mkdir(parents=True)
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "Small").symlink_to(tmp_path / "elsewhere" / "Small")
    for path, data in zip(SMALL.paths, IDX_BYTES, strict=True):
        (data_dir / "Small" / path).write_bytes(data)
    download_dataset(SMALL, data_dir)  # SMALL has no mirror at all
    assert download_dataset(SMALL, data_dir) == []
    assert sorted(path.name for path in data_dir.iterdir()) == ["Small", "small.npz"]


def test_a_file_in_the_way_is_named_and_a_mirror_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the mirror 'http:/host' is neither a folder"):
        download_dataset(SMALL, tmp_path / "data", "http:/host")
    (tmp_path / "Small").touch()
    for data_dir in (tmp_path / "Small", tmp_path):
        with pytest.raises(UserError, match=rf"'{tmp_path / 'Small'}.*'"):
            download_dataset(SMALL, data_dir)


@pytest.mark.slow
def test_the_sample_needs_no_network_and_is_said_to_be_complete(tmp_path: Path) -> None:
    for state in ("complete and verified", "already complete", "fixed (MNISTSample/raw/t10k-labels-idx1-ubyte)"):
        done = run_download("--dataset", "mnist-sample", "--data-dir", tmp_path)
        first, second = done.out.splitlines()
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
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("MNIST_MIRROR", "/no/such/folder")
    done = run_download("--dataset", "all", "--mirror", tmp_path / "mirror", "--data-dir", tmp_path / "data")
    assert done.status == 1
    assert "mnist-sample: 4,000 training" in done.out
    failed = re.findall("^error: (.*) was not downloaded", done.err, re.MULTILINE)
    assert failed == ["mnist", "fashion-mnist", "kmnist"]
    assert "connection refused" in done.err


def test_a_call_that_ends_early_is_continued_by_the_next(tmp_path: Path) -> None:
    """tests/test_files.py kills the writing of one file at each step."""
    mirror = str(write_mirror(tmp_path / "mirror"))
    for count in range(6):  # four files, the .npz, the checksums
        written: list[Path] = []

        def write(path: Path, data: bytes, count: int = count, written: list[Path] = written) -> None:
            if len(written) == count:
                raise KeyboardInterrupt
            written.append(path)
            write_whole(path, data)

        with mock.patch.object(download, "write_whole", write), pytest.raises(KeyboardInterrupt):
            download_dataset(SMALL, tmp_path / str(count), mirror)
        with pytest.raises(UserError, match=r"small is not in '.*' yet: run"):
            read_dataset(SMALL, tmp_path / str(count))
        before = [path.stat().st_mtime_ns for path in written[:4]]
        download_dataset(SMALL, tmp_path / str(count), mirror)
        assert [path.stat().st_mtime_ns for path in written[:4]] == before
        assert_complete(tmp_path / str(count))
