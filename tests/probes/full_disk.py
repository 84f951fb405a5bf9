"""Each writer of a trained network on a disk that is too small for its file."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from probes.networks import CHECKPOINT, network_named


def errors_of_writers(script: ModuleType, folder: str) -> tuple[list[Any], str]:
    """Return the error number and file of each writer's OSError, with a byte too few and with none, and what the
    process wrote to stderr.

    `folder` is an empty file system of 1 MB.
    """
    framework, disk = script.__name__.removeprefix("mnist_"), Path(folder)
    files, networks = (import_module(f"models.{framework}.{module}") for module in ("files", "networks"))
    model = networks.build_model(network_named("mlp"))
    writers = {
        CHECKPOINT[framework]: files.save_checkpoint,
        "weights.safetensors": files.save_weights,
        "model.onnx": lambda model, path: files.export_onnx(model, path, tuple("0123456789")),
    }
    found: list[Any] = []
    for name, write in writers.items():
        write(model, disk / name)  # 300 kB at most
        size = (disk / name).stat().st_size
        for missing in (1, size):
            (disk / name).unlink(missing_ok=True)
            (disk / "filler").write_bytes(bytes((1024 - (size - missing) // 4096 * 4) * 1024))
            try:
                write(model, disk / name)
                found.append(f"{name} on a disk that has {missing} bytes too few")
            except OSError as error:
                found.append((error.errno, error.filename))
            (disk / "filler").unlink()
        (disk / name).unlink(missing_ok=True)
    sys.stderr.flush()
    return found, os.pread(2, 1 << 20, 0).decode()
