"""Trainings by several workers, which are forked and find each other on this machine; some of them come to harm."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

IMAGES = 95
"""85 of them are trained on. Neither 2 nor 3 divides that, nor the batches of 25 and the last one of 10."""


def train_on(script: ModuleType, folder: str, count: int, commands: list[list[str]]) -> list[str]:
    """Run the script's main in so many workers, once for each list of options; return the runs' folders."""
    from digits.training.options import parse_options
    from digits.training.saving import run_path

    ends = run_workers(script, folder, [{"commands": commands}] * count)
    assert all(end["status"] == 0 for end in ends), ends
    framework = script.__name__.removeprefix("mnist_")
    return [str(run_path(parse_options(script.__doc__, words), framework)) for words in commands]


def run_workers(script: ModuleType, folder: str, workers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run such workers in the folder; return for each its exit status, what it printed, and when it ended, in seconds.

    Each has `commands`, options of trainings that it runs one after the other on the sample's first images, and may
    have `delay`, seconds that it starts later; `variables` of its environment; and `killed`, 'epoch 2' (after that
    checkpoint) or 'writing' (the run).
    """
    os.chdir(folder)
    framework = script.__name__.removeprefix("mnist_")
    ports, began = free_ports(len(workers)), time.time()
    started = {}
    for rank, worker in enumerate(workers):
        variables = {**environment(framework, rank, ports), **worker.get("variables", {})}
        started[fork(script, rank, worker, variables)] = rank
    ends: list[dict[str, Any]] = [{} for _ in workers]
    while started:
        process, status = os.wait()
        rank = started.pop(process)
        out, err = (Path(f"{name}{rank}").read_text() for name in ("out", "err"))
        ends[rank] = {"status": os.waitstatus_to_exitcode(status), "out": out, "err": err, "at": time.time() - began}
    return ends


def fork(script: ModuleType, rank: int, worker: dict[str, Any], variables: dict[str, str]) -> int:
    """Start the worker in a new process; return its id."""
    if process := os.fork():
        return process
    status = 1
    try:
        for descriptor, name in ((1, f"out{rank}"), (2, f"err{rank}")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), descriptor)
        os.environ.update(variables)
        time.sleep(worker.get("delay", 0))
        status = work(script, worker)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def work(script: ModuleType, worker: dict[str, Any]) -> int:
    """Do what the worker is to do; return its exit status."""
    from digits.errors import run_script
    from digits.training.options import parse_options

    load = script.load_dataset

    def few(name: str, data_dir: Path) -> object:
        sample = load(name, data_dir)
        return replace(sample, train_images=sample.train_images[:IMAGES], train_labels=sample.train_labels[:IMAGES])

    script.load_dataset = few
    script.export_onnx = lambda *_: None  # takes longer than these trainings
    expect_death(script, worker.get("killed", ""))
    for words in worker["commands"]:
        options = parse_options(script.__doc__, words)
        if status := run_script(lambda options=options: script.main(options)):  # type: ignore[misc]
            return status
    return 0


def expect_death(script: ModuleType, when: str) -> None:
    """Have this process killed at a moment: after the checkpoint of an epoch, or while it writes the run."""
    from digits.training.checkpoint import Checkpoint, Progress

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    write = Checkpoint.write

    def write_and_die(self: Checkpoint, progress: Progress, state: bytes) -> None:
        write(self, progress, state)
        if when == f"epoch {len(progress.history)}":
            kill()

    Checkpoint.write = write_and_die  # type: ignore[method-assign]
    if when == "writing":
        script.export_onnx = kill


def environment(framework: str, rank: int, ports: list[int]) -> dict[str, str]:
    """Return what torchrun would set, or TF_CONFIG, for one of several workers on this machine; nothing for one."""
    if len(ports) == 1:
        return {}
    if framework == "tensorflow":
        addresses = [f"127.0.0.1:{port}" for port in ports]
        return {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}})}
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": len(ports), "LOCAL_WORLD_SIZE": len(ports)}
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": ports[0]}
    return {name: str(value) for name, value in {**place, **address}.items()}


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
