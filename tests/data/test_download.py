"""Downloads: from any mirror that has the right files, past every kind that has not, and with the reasons told."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
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

from digits.data.datasets import read_dataset
from digits.data.download import download_dataset, list_sources, verify
from digits.data.fetch import TimeLimits
from digits.data.folder import find_damage
from digits.data.idx import idx_bytes
from digits.errors import UserError

IMPATIENT = TimeLimits(connect=1, read=0.4, file=1)
ENDLESS = 10_000  # pieces of 64 kB: more than any limit here


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")  # the servers here are on this machine


def assert_complete(data_dir: Path) -> None:
    dataset = read_dataset(SMALL, data_dir)
    found = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    for array, expected in zip(found, ARRAYS, strict=True):
        assert np.array_equal(array, expected)
    assert find_damage(SMALL, data_dir) == []
    assert sorted(path.name for path in data_dir.iterdir()) == ["Small", "small.npz"]


# -- mirrors that are right ------------------------------------------------------------------------------------------


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


def test_a_mirror_folder_may_have_a_folder_for_each_dataset_or_the_files(tmp_path: Path) -> None:
    write_mirror(tmp_path / "mirror" / "small")
    for mirror in (tmp_path / "mirror", tmp_path / "mirror" / "small"):
        data_dir = tmp_path / f"from-{mirror.name}"
        download_dataset(SMALL, data_dir, str(mirror))
        assert_complete(data_dir)


def test_a_mirror_folder_may_hold_unpacked_files(tmp_path: Path) -> None:
    for file, data in zip(SMALL.files, IDX_BYTES, strict=True):
        (tmp_path / file.name).write_bytes(data)
    download_dataset(SMALL, tmp_path / "data", str(tmp_path))
    assert_complete(tmp_path / "data")


def test_an_address_may_have_a_folder_for_each_dataset_or_the_files(tmp_path: Path) -> None:
    def only_small(handler: BaseHTTPRequestHandler) -> None:
        send_file(handler) if handler.path.startswith("/small/") else send(handler, b"", 404)

    with serving(only_small) as mirror:
        download_dataset(SMALL, tmp_path / "one", mirror)
        download_dataset(SMALL, tmp_path / "two", f"{mirror}small")
    assert_complete(tmp_path / "one")
    assert_complete(tmp_path / "two")


def test_the_given_mirror_comes_before_the_catalogue(tmp_path: Path) -> None:
    entry = with_mirrors("http://catalogue.invalid/")
    assert list_sources(entry, "https://a.example/x/") == [
        *("https://a.example/x/small/", "https://a.example/x/", "http://catalogue.invalid/")
    ]
    assert list_sources(entry, str(tmp_path)) == [str(tmp_path), "http://catalogue.invalid/"]
    assert list_sources(entry, "") == ["http://catalogue.invalid/"]
    # An incomplete folder is helped out by the next mirror.
    write_mirror(tmp_path / "mirror")
    (tmp_path / "mirror" / "t10k-labels-idx1-ubyte.gz").unlink()
    with serving(send_file) as mirror:
        download_dataset(with_mirrors(mirror), tmp_path / "data", str(tmp_path / "mirror"))
    assert_complete(tmp_path / "data")


def test_redirections_are_followed(tmp_path: Path) -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/real/"):
            send_file(handler)
        else:
            send(handler, b"moved", 302, Location=f"/real{handler.path}")

    with serving(respond) as mirror:
        download_dataset(with_mirrors(mirror), tmp_path / "data")
    assert_complete(tmp_path / "data")


def test_a_server_that_unpacks_on_the_way_is_understood(tmp_path: Path) -> None:
    unpacked = {f"/{file.name}.gz": data for file, data in zip(SMALL.files, IDX_BYTES, strict=True)}
    with serving(lambda handler: send(handler, unpacked[handler.path])) as mirror:
        download_dataset(with_mirrors(mirror), tmp_path / "data")
    assert_complete(tmp_path / "data")


def test_files_packed_anew_are_the_same_files(tmp_path: Path) -> None:
    with serving(
        lambda handler: send(handler, gzip.compress(gzip.decompress(GZ_BYTES[handler.path[1:]]), 1))
    ) as mirror:
        download_dataset(with_mirrors(mirror), tmp_path / "data")
    assert_complete(tmp_path / "data")


# -- mirrors that are not --------------------------------------------------------------------------------------------


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


def packed(change: Callable[[bytes], bytes]) -> Respond:
    """Return a server whose .gz files are not what they were."""
    return lambda handler: send(handler, change(GZ_BYTES[handler.path[1:]]))


HTML = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"
HEAD = b"HTTP/1.1 200 OK\r\n"

BAD_SERVERS: dict[str, tuple[Respond, str]] = {
    "forbidden": (lambda handler: send(handler, b"no", 403), "HTTP status 403 Forbidden"),
    "missing": (lambda handler: send(handler, b"no", 404), "HTTP status 404 Not Found"),
    "overloaded": (lambda handler: send(handler, b"no", 503), "HTTP status 503 Service Unavailable"),
    "empty": (lambda handler: send(handler, b""), "0 bytes are too few"),
    "html": (lambda handler: send(handler, HTML, Content_Type="text/html"), "an HTML page instead of the file"),
    "hangs up": (lambda handler: raw(handler), "the connection broke off"),
    "speaks no http": (lambda handler: raw(handler, b"220 mail.example ESMTP\r\n\r\n"), "the connection broke off"),
    "never answers": (lambda handler: time.sleep(3), "nothing came for 0.4 s, after 0 bytes"),
    "stops": (
        lambda handler: raw(handler, HEAD + b"Content-Length: 99\r\n\r\nabc", b"", pause=2),
        "nothing came for 0.4 s",
    ),
    "drips": (
        lambda handler: raw(handler, HEAD + b"Content-Length: 99\r\n\r\n", *[b"x"] * 60, pause=0.1),
        "not complete after 1 s",
    ),
    "drips headers": (lambda handler: raw(handler, HEAD, *[b"X"] * 60, pause=0.1), "not complete after 1 s"),
    "cut off": (lambda handler: raw(handler, HEAD + b"Content-Length: 99\r\n\r\nabc"), "cut off after 3 bytes"),
    "cut off in chunks": (
        lambda handler: raw(handler, HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
        "cut off after 3 bytes",
    ),
    "too long by its header": (lambda handler: send(handler, b"", Content_Length="9999999"), "9,999,999 bytes offered"),
    "endless": (lambda handler: raw(handler, HEAD + b"\r\n", *[bytes(65_536)] * ENDLESS), "more than the"),
    "redirects in a circle": (lambda handler: send(handler, b"", 302, Location="/again"), "more than 5 redirections"),
    "redirects to a file": (
        lambda handler: send(handler, b"", 302, Location=f"file://{__file__}"),
        "No connection adapters were found",
    ),
    "redirects with an endless body": (
        lambda handler: raw(
            handler, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", *[bytes(65_536)] * ENDLESS
        ),
        "refused",
    ),
    "not a gz": (lambda handler: send(handler, b"\x1f\x8b but not really"), "damaged gzip data"),
    "gz cut off": (packed(lambda data: data[:-10]), "its gzip data are cut off"),
    "gz flipped": (packed(lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:]), "damaged gzip data"),
    "gz and more": (packed(lambda data: data + b"more"), "4 bytes follow its gzip data"),
    "two gz members": (packed(lambda data: data + gzip.compress(b"")), "bytes follow its gzip data"),
    "bomb": (content(lambda data: bytes(50_000_000)), "it unpacks to more than"),
    "bomb in a bomb": (content(lambda data: gzip.compress(bytes(10_000_000))), "not an IDX file"),
    "nothing in the gz": (content(lambda data: b""), "0 bytes are too few"),
    "wrong magic": (content(lambda data: b"\x01" + data[1:]), "not an IDX file"),
    "wrong type": (content(lambda data: data[:2] + b"\x0d" + data[3:]), "its values are float32"),
    "values missing": (content(lambda data: data[:-1]), "its header says"),
    "fewer images": (content(lambda data: idx_bytes(ARRAYS[0][:-1])), r"its shape is \(59, 28, 28\), where small has"),
    "wrong contents": (content(lambda data: data[:-1] + bytes([data[-1] ^ 1])), "wrong contents; SHA-256"),
}


@pytest.mark.parametrize("kind", BAD_SERVERS)
def test_a_bad_mirror_is_passed_over_and_its_reason_told(kind: str, tmp_path: Path) -> None:
    respond, reason = BAD_SERVERS[kind]
    with serving(respond) as bad, serving(send_file) as good:
        with pytest.raises(UserError) as error:
            download_dataset(with_mirrors(bad), tmp_path / "bad", limits=IMPATIENT)
        assert re.search(f"^  {re.escape(bad)}: .*{reason}", str(error.value), re.MULTILINE)
        assert list((tmp_path / "bad").iterdir()) == []

        download_dataset(with_mirrors(bad, good), tmp_path / "good", limits=IMPATIENT)
    assert_complete(tmp_path / "good")


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


def test_a_mirror_that_failed_is_asked_last_for_the_next_file(tmp_path: Path) -> None:
    asked = []

    def fail(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send(handler, b"", 503)

    with serving(fail) as bad, serving(send_file) as good:
        download_dataset(with_mirrors(bad, good), tmp_path / "data")
    assert len(asked) == 1


def test_labels_that_are_no_class_are_refused() -> None:
    labels = ARRAYS[1].copy()
    labels[7] = 10
    with pytest.raises(UserError, match="it has the label 10, where small has 0 to 9"):
        verify(gzip.compress(idx_bytes(labels)), SMALL.files[1], SMALL)


def test_a_file_known_by_the_checksum_of_its_gz_is_verified_by_that() -> None:
    data = GZ_BYTES["t10k-labels-idx1-ubyte.gz"]
    file = replace(SMALL.files[3], sha256="", gz_sha256=hashlib.sha256(data).hexdigest())
    assert verify(data, file, SMALL) == IDX_BYTES[3]
    with pytest.raises(UserError, match="wrong contents"):
        verify(gzip.compress(IDX_BYTES[3], 1, mtime=1), file, SMALL)
    with pytest.raises(UserError, match="unpacked it cannot be verified"):
        verify(IDX_BYTES[3], file, SMALL)


def test_a_bomb_costs_no_memory() -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    tracemalloc.start()
    with pytest.raises(UserError, match="it unpacks to more than"):
        verify(bomb, SMALL.files[0], SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_the_name_in_a_gz_header_goes_nowhere(tmp_path: Path) -> None:
    for name, data in GZ_BYTES.items():
        with gzip.GzipFile("../../outside", "wb", fileobj=(tmp_path / name).open("wb")) as file:
            file.write(gzip.decompress(data))
    download_dataset(SMALL, tmp_path / "a" / "b" / "data", str(tmp_path))
    assert_complete(tmp_path / "a" / "b" / "data")
    assert not list(tmp_path.rglob("outside"))


# -- what is there already -------------------------------------------------------------------------------------------


def test_a_download_that_fails_leaves_a_good_set_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    download_dataset(SMALL, data_dir, str(write_mirror(tmp_path / "mirror")))
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}
    for kind in ("missing", "wrong contents"):
        with serving(BAD_SERVERS[kind][0]) as bad, pytest.raises(UserError, match="no mirror has"):
            download_dataset(with_mirrors(bad), data_dir, force=True)
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")} == before
    assert_complete(data_dir)


def test_force_fetches_all_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send_file(handler)

    with serving(respond) as mirror:
        download_dataset(with_mirrors(mirror), tmp_path)
        download_dataset(with_mirrors(mirror), tmp_path, force=True)
    assert len(asked) == 8
    assert_complete(tmp_path)


@pytest.mark.parametrize(
    ("name", "fetched"),
    [
        ("Small/raw/train-images-idx3-ubyte", ["/train-images-idx3-ubyte.gz"]),
        ("Small/raw/t10k-labels-idx1-ubyte", ["/t10k-labels-idx1-ubyte.gz"]),
        ("Small/small.npz", []),
        ("Small/SHA256SUMS", []),
        ("small.npz", []),
    ],
)
@pytest.mark.parametrize("damage", ["delete", "cut", "flip"])
def test_only_what_is_damaged_is_fetched_again(name: str, fetched: list[str], damage: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send_file(handler)

    with serving(respond) as mirror:
        entry = with_mirrors(mirror)
        download_dataset(entry, tmp_path)
        asked.clear()
        path = tmp_path / name
        data = bytearray(path.read_bytes())
        path.unlink()
        if damage == "cut":
            path.write_bytes(data[: len(data) // 2])
        elif damage == "flip":
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        assert name in download_dataset(entry, tmp_path)
    assert asked == fetched
    assert_complete(tmp_path)


def test_files_that_torchvision_downloaded_are_taken_over(tmp_path: Path) -> None:
    (tmp_path / "Small" / "raw").mkdir(parents=True)
    for file, data in zip(SMALL.files, IDX_BYTES, strict=True):
        (tmp_path / "Small" / "raw" / file.name).write_bytes(data)
    assert download_dataset(SMALL, tmp_path) != []  # SMALL has no mirror at all
    assert_complete(tmp_path)


def test_without_symbolic_links_the_npz_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError("a required privilege is not held by the client")  # as Windows does

    monkeypatch.setattr(os, "symlink", refuse)
    mirror = str(write_mirror(tmp_path / "mirror"))
    download_dataset(SMALL, tmp_path / "data", mirror)
    assert not (tmp_path / "data" / "small.npz").is_symlink()
    assert_complete(tmp_path / "data")
    assert download_dataset(SMALL, tmp_path / "data", mirror) == []
    (tmp_path / "data" / "small.npz").write_bytes(b"damaged")
    assert download_dataset(SMALL, tmp_path / "data", mirror) == ["small.npz"]
    assert_complete(tmp_path / "data")


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "Small").touch()
    for data_dir, culprit in [
        (tmp_path / "file", tmp_path / "file"),
        (tmp_path / "file" / "below", tmp_path / "file" / "below"),
        (tmp_path / "data", tmp_path / "data" / "Small"),
    ]:
        with pytest.raises(UserError, match=rf"'{culprit}' (is not a folder|\((File exists|Not a directory)\))"):
            download_dataset(SMALL, data_dir)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(PermissionError):
        download_dataset(SMALL, tmp_path)


@pytest.mark.parametrize("mirror", ["no/such/folder", "ftp://host/folder", "http:/host"])
def test_a_mirror_that_is_neither_folder_nor_address_is_an_error(mirror: str, tmp_path: Path) -> None:
    with serving(send_file) as good, pytest.raises(UserError, match=f"the mirror '{mirror}' is neither a folder"):
        download_dataset(with_mirrors(good), tmp_path, mirror)


def test_progress_is_shown_on_a_terminal_and_nowhere_else(tmp_path: Path) -> None:
    import pty
    import termios

    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (25, 100))
    with serving(send_file) as mirror:
        for name, stderr in (("seen", its_end), ("unseen", subprocess.PIPE)):
            done = subprocess.run(
                [sys.executable, str(ROOT / "tests" / "small_dataset.py"), mirror, str(tmp_path / name)],
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                check=True,
            )
    assert done.stderr == b""
    seen = os.read(terminal, 65_536).decode()
    assert "train-images-idx3-ubyte.gz" in seen
    assert "B/s" in seen


# -- the script ------------------------------------------------------------------------------------------------------


def run_script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Should it try a public mirror after all, it finds a proxy that refuses.
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    return subprocess.run(
        [sys.executable, str(ROOT / "download_mnist.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MNIST_MIRROR": "", **nowhere, **environment},
    )


@pytest.mark.slow
def test_the_sample_needs_no_network_and_is_said_to_be_complete(tmp_path: Path) -> None:
    for state in ("complete and verified", "already complete"):
        done = run_script("--dataset", "mnist-sample", "--data-dir", str(tmp_path))
        assert (done.returncode, done.stderr) == (0, "")
        first = f"mnist-sample: 4,000 training and 1,000 test images in '{tmp_path / 'MNISTSample'}', {state}."
        assert done.stdout.splitlines()[0] == first
        assert "Licence: CC BY-SA 3.0" in done.stdout
    (tmp_path / "MNISTSample" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    done = run_script("--dataset", "mnist-sample", "--data-dir", str(tmp_path))
    assert "fixed (MNISTSample/raw/t10k-labels-idx1-ubyte)." in done.stdout


def test_all_goes_on_after_one_that_fails(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    done = run_script("--dataset", "all", "--mirror", str(tmp_path / "mirror"), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "mnist-sample: 4,000 training" in done.stdout
    assert re.findall("^error: (.*) was not downloaded", done.stderr, re.MULTILINE) == [
        "mnist",
        "fashion-mnist",
        "kmnist",
    ]
    assert "connection refused" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["MNISTSample", "mnist-sample.npz"]


def test_the_option_wins_over_the_environment(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")
    done = run_script("--data-dir", data_dir, MNIST_MIRROR="/no/a")
    assert done.returncode == 1
    assert "'/no/a'" in done.stderr
    done = run_script("--data-dir", data_dir, "--mirror", "/no/b", MNIST_MIRROR="/no/a")
    assert "'/no/b'" in done.stderr


@pytest.mark.parametrize("arguments", [["--dataset", "cifar"], ["--no-such-option"], ["positional"]])
def test_a_usage_error_has_exit_status_2(arguments: list[str]) -> None:
    done = run_script(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_reads_the_manifest(tmp_path: Path) -> None:
    download_dataset(SMALL, tmp_path / "data", str(write_mirror(tmp_path / "mirror")))
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path / "data" / "Small", capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.count(": OK") == 5
