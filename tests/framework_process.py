"""Scripts in processes of their own: nothing may import both frameworks, pytest's process neither.

Imported by tests, this module starts such processes. Started as `python tests/framework_process.py pytorch` (or
tensorflow, or figures), it is a server: it imports the training script with its framework (or visualize_results.py with
what plots), the other framework (or both) blocked as if it were not installed, and forks for each request. So the
seconds of the import are spent once, and yet no request sees what another has left behind.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from paths import ROOT

PACKAGES = {"pytorch": ("torch", "torchvision"), "tensorflow": ("tensorflow", "keras")}
OTHER = {"pytorch": "tensorflow", "tensorflow": "pytorch"}
SCRIPTS = {"pytorch": "mnist_pytorch", "tensorflow": "mnist_tensorflow", "figures": "visualize_results"}
"""What the servers run, by their names."""
# What the scripts import only later, such as the frameworks when they first make an optimizer or export a model.
PRELOADED = {
    "pytorch": ("torch._dynamo", "torch.export", "onnxscript"),
    "tensorflow": ("tf2onnx.convert",),
    "figures": ("digits.figures", "scipy.stats", "seaborn"),
}
# A training on the sample is no faster with two threads; two trainings with a thread each are.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")

# Runs a script as `python SCRIPT ...` would, but finds the packages named first not installed.
_RUN_WITHOUT = """
import runpy, sys
from framework_process import block
block(sys.argv[1].split())
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class _Without:
    """A finder of sys.meta_path that does not find these packages. (None in sys.modules would look like a package.)"""

    def __init__(self, finder: Any, packages: Sequence[str]) -> None:
        self.finder, self.packages = finder, packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in self.packages else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


def block(packages: Sequence[str]) -> None:
    """Have this process find the packages not installed."""
    sys.meta_path[:] = [_Without(finder, packages) for finder in sys.meta_path]


def script_command(framework: str, *options: str, blocked: Sequence[str] | None = None) -> list[str]:
    """Return the command that runs the framework's script, by default with the other framework blocked."""
    blocked = PACKAGES[OTHER[framework]] if blocked is None else blocked
    return [sys.executable, "-c", _RUN_WITHOUT, " ".join(blocked), str(ROOT / f"mnist_{framework}.py"), *options]


def environment() -> dict[str, str]:
    """Return the environment of the processes: they find the project from any folder, no GPU, and use one thread.

    PyTorch's threads wait for each other without spinning: on a busy machine that would stall them to a twentieth.
    """
    path = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", "OMP_WAIT_POLICY": "passive"}


def run_training(framework: str, *options: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the framework's script in the folder `cwd` to its end."""
    command = script_command(framework, *options, **more)
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)


def run_forked(
    server: str, *options: object, cwd: Path, kill_when: Callable[[str], bool] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the server's script in the folder `cwd` to its end, with all that it imports there already, and one thread.

    kill_when: is given what was printed so far, every few milliseconds; the process is killed once it says so.
    """
    return _request(server, cwd, None, list(map(str, options)), kill_when)[0]


def ask(framework: str, question: str, *arguments: Any) -> Any:
    """Return what the function `question` of tests/probes/, as in 'trainings.train_runs', returns in a forked process.

    It is given the framework's script, a module, and the arguments, which travel as JSON, as the answer does.
    """
    done, answer = _request(framework, ROOT, question, arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(answer)


def ask_both(question: str, *arguments: Any) -> dict[str, Any]:
    """Ask both frameworks at the same time; return the answers by framework."""
    with ThreadPoolExecutor(len(PACKAGES)) as pool:
        answers = {framework: pool.submit(ask, framework, question, *arguments) for framework in PACKAGES}
    return {framework: answer.result() for framework, answer in answers.items()}


def _request(
    name: str,
    cwd: Path,
    question: str | None,
    arguments: Sequence[Any],
    kill_when: Callable[[str], bool] | None = None,
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Have the server run its script (question None) or answer; return how that ended and the answer."""
    server, lock = _server(name)
    with lock, tempfile.TemporaryDirectory() as folder:
        for file in ("answer", "stdout", "stderr"):
            Path(folder, file).touch()
        server.stdin.write(json.dumps([str(cwd), folder, question, arguments]).encode() + b"\n")
        process = server.stdout.readline()
        while kill_when and not select.select([server.stdout], [], [], 0.005)[0]:
            if kill_when(Path(folder, "stdout").read_text(encoding="utf-8")):
                os.kill(int(process), signal.SIGKILL)
                break
        status = server.stdout.readline()
        assert status, f"the server of {name} has ended"
        answer, out, err = (Path(folder, file).read_text(encoding="utf-8") for file in ("answer", "stdout", "stderr"))
    return subprocess.CompletedProcess(arguments, int(status), out, err), answer


@functools.cache
def _server(name: str) -> tuple[subprocess.Popen[bytes], threading.Lock]:
    """Start the server, to be ended with this process, and give the lock for talking to it."""
    command, pipe = [sys.executable, __file__, name], subprocess.PIPE
    server = subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe, bufsize=0)
    atexit.register(server.communicate)  # closes its stdin, and waits
    return server, threading.Lock()


def serve(name: str) -> None:
    """Fork for each line of stdin, a request as JSON; print the process's id, and its exit status when it has ended."""
    block([package for framework in PACKAGES if framework != name for package in PACKAGES[framework]])
    script = import_module(SCRIPTS[name])
    for later in PRELOADED[name]:
        import_module(later)
    if name == "figures":
        warnings.simplefilter("error")
    gc.freeze()  # or each forked process would soon write to, and so copy, all that was imported
    for line in sys.stdin:
        if forked := os.fork():
            print(forked, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]), flush=True)
        else:
            os._exit(answer(script, *json.loads(line)))  # at once: deleting what was imported takes a second


def answer(script: ModuleType, cwd: str, folder: str, question: str | None, arguments: list[Any]) -> int:
    """Run the script or answer the question, with what is printed and answered in files in the folder; return the
    exit status."""
    signal.alarm(300)
    os.chdir(cwd)
    for descriptor, file in enumerate((os.devnull, *(f"{folder}/{name}" for name in ("stdout", "stderr")))):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), descriptor)
    status = 0
    try:
        with open(f"{folder}/answer", "w", encoding="utf-8") as file:
            if question is None:
                sys.argv = [script.__file__, *arguments]
                runpy.run_path(script.__file__, run_name="__main__")
            else:
                probe, function = question.split(".")
                json.dump(getattr(import_module(f"probes.{probe}"), function)(script, *arguments), file)
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(*sys.argv[1:])
