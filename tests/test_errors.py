"""How a script ends: digits.errors in a process of its own, as a shell sees it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from paths import ROOT


def start(main: str) -> subprocess.Popen[bytes]:
    """Start a script whose main function is this lambda."""
    code = f"import sys; from digits.errors import UserError, run_script; sys.exit(run_script({main}))"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_output_that_nobody_reads_on_is_no_error_to_tell_of() -> None:
    # As in `python visualize_results.py | head -1`: it ended in "error: Broken pipe; free the space ...".
    process = start("lambda: print('line\\n' * 1_000_000)")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 1


def test_help_that_nobody_reads_to_its_end(framework: str) -> None:
    # As in `python mnist_pytorch.py --help | head -1`; unbuffered, so that it fits in no pipe.
    words = [sys.executable, "-u", f"mnist_{framework}.py", "--help"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 1


def test_disk_errors_are_told_with_the_file() -> None:
    process = start("lambda: open('/dev/full', 'w').write('x' * 1_000_000)")
    _, error = process.communicate(timeout=30)
    assert process.returncode == 1
    assert error.startswith(b"error: No space left on device")
    assert error.count(b"\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        "MemoryError()",
        "RuntimeError('DefaultCPUAllocator: can\\'t allocate memory: you tried to allocate 400 bytes')",
        "RuntimeError('CUDA out of memory. Tried to allocate 8.00 GiB.')",
        "ArithmeticError('{{function_node}} OOM when allocating tensor with shape[10]')",
    ],
)
def test_too_little_memory_is_one_sentence(error: str) -> None:
    process = start(f"lambda: (_ for _ in ()).throw({error})")
    _, words = process.communicate(timeout=30)
    assert process.returncode == 1
    assert words.startswith(b"error: there is not enough memory; ")
    assert words.count(b"\n") == 1


@pytest.mark.parametrize(
    "reason",
    [
        "[gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:7080: Connection reset by peer. This is typically",
        "[gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:53407.",
    ],
)
def test_a_lost_worker_is_one_sentence(reason: str) -> None:
    process = start(f"lambda: (_ for _ in ()).throw(RuntimeError({reason!r}))")
    _, words = process.communicate(timeout=30)
    assert process.returncode == 1
    said = f"error: another worker of this training has ended or cannot be reached ({reason}); see what it says"
    assert words.decode().startswith(said)
    assert words.count(b"\n") == 1


def test_a_bug_keeps_its_traceback() -> None:
    process = start("lambda: 1 / 0")
    _, words = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"Traceback" in words
