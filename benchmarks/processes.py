"""What the benchmarks compare and time runs in processes of its own, so that nothing is warm and nothing is shared."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mnist_twice.errors import UserError
from mnist_twice.machine import hardware
from mnist_twice.runs import Run, find_runs, read_run

ROOT = Path(__file__).resolve().parents[1]


def run_python(words: Sequence[str | Path]) -> str:
    """Run Python with these words in the project's folder; return what it prints. Raises UserError if it fails."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        why = " ".join(done.stderr.strip().splitlines()[-1:])
        raise UserError(f"'python {shlex.join(command[1:])}' failed ({why}); fix that and run again.")
    return done.stdout


def run_of(framework: str, options: Sequence[str], data_dir: Path) -> Run:
    """Return the run of a training on the CPU by the framework's script; nothing of it stays on disk."""
    with tempfile.TemporaryDirectory() as outputs:
        folders = ["--data-dir", str(data_dir.resolve()), "--output-dir", outputs]
        run_python([f"mnist_{framework}.py", *options, "--device", "cpu", *folders])
        (path,) = find_runs(Path(outputs))
        return read_run(path)


def machine_line() -> str:
    """Return 'AMD EPYC 7763, 2 cores, 8.3 GiB'."""
    machine = hardware()
    return f"{machine['processor']}, {machine['cores']} cores, {machine.get('memory_gib', '?')} GiB"
