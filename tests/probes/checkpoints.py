"""How trainings go on from checkpoints, sound and forged."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from executed import Executed


def resumed(script: ModuleType, folder: str) -> dict[str, str]:
    """Return how a training goes on after its first epoch from a sound checkpoint, and from each of the forged ones."""
    from digits.data.datasets import Dataset
    from digits.errors import UserError
    from digits.training.checkpoint import Checkpoint
    from digits.training.options import Options
    from digits.training.recipe import Recipe

    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (100, 28, 28), np.uint8), np.arange(100, dtype=np.uint8) % 10
    dataset = Dataset("noise", images, labels, images[:0], labels[:0], tuple("0123456789"), "")
    options = Options(Recipe(epochs=2, batch_size=50, ema=0.9, keep_best=True), resume=True)
    device = script.set_up("cpu", 0)

    def go_on(checkpoint: Any) -> str:
        try:
            script.train(script.make_model(options, 10), dataset, options.recipe, device, checkpoint)
            return "it trained"
        except UserError as error:
            return str(error)

    checkpoint = Checkpoint(Path(folder) / "run", options, dataset, {})
    write, written = checkpoint.write, []
    checkpoint.write = lambda *contents: written.append(contents) or write(*contents)  # type: ignore[method-assign]
    found = {"sound": go_on(checkpoint)}
    progress, state = written[0]
    progress.history, progress.losses = progress.history[:1], progress.losses[: len(progress.losses) // 2]
    write(progress, state)
    found["sound"] += ", " + go_on(checkpoint)
    forged = _pytorch_states if script.__name__ == "mnist_pytorch" else _tensorflow_states
    for name, forged_state in forged(state, Executed(Path(folder) / "executed")).items():
        write(progress, forged_state)
        found[name] = go_on(checkpoint)
    return found


def _pytorch_states(state: bytes, executed: Executed) -> dict[str, bytes]:
    import torch

    def forged(*keys: Any, change: Any = lambda parent, key: parent.pop(key)) -> bytes:
        parts = torch.load(io.BytesIO(state), weights_only=True)
        parent = parts
        for key in keys[:-1]:
            parent = parent[key]
        change(parent, keys[-1])
        buffer = io.BytesIO()
        torch.save(parts, buffer)
        return buffer.getvalue()

    def to(value: Any) -> Any:
        return lambda parent, key: parent.__setitem__(key, value)

    def nan(parent: Any, key: str) -> None:
        parent[key][0] = torch.nan

    bias = ("model", "head.bias")
    moment = ("optimizer", "state", 0, "exp_avg")
    return {
        "nothing": b"",
        "half": state[: len(state) // 2],
        "pickle": pickle.dumps(executed),
        **{f"no {name}": forged(name) for name in ("model", "optimizer", "average", "best", "generators")},
        "more": forged("more", change=to(1)),
        "no weight": forged(*bias),
        "odd weight": forged(*bias, change=to("text")),
        "weight's shape": forged(*bias, change=to(torch.zeros(1))),
        "weight's dtype": forged(*bias, change=to(torch.zeros(10, dtype=torch.float64))),
        "weight's NaN": forged(*bias, change=nan),
        "average's NaN": forged("average", "module.head.bias", change=nan),
        "no steps": forged("optimizer", "state", change=to({})),
        "no moment": forged(*moment),
        "moment's shape": forged(*moment, change=to(torch.zeros(1))),
        "moment's infinity": forged(*moment, change=to(torch.full((16, 1, 3, 3), torch.inf))),
        "no groups": forged("optimizer", "param_groups", change=to([])),
        "odd group": forged("optimizer", "param_groups", 0, "betas", change=to(None)),
        "odd best": forged("best", change=to([1])),
        "best's shape": forged("best", "head.bias", change=to(torch.zeros(1))),
        "no generator": forged("generators", change=to([])),
        "generator's size": forged("generators", 0, change=to(torch.zeros(3, dtype=torch.uint8))),
        "generator's state": forged("generators", 0, change=to(torch.full((5056,), 255, dtype=torch.uint8))),
        "odd generator": forged("generators", 0, change=to("text")),
    }


def _tensorflow_states(state: bytes, executed: Executed) -> dict[str, bytes]:
    def forged(**changes: Any) -> bytes:
        arrays = {**np.load(io.BytesIO(state)), **changes}
        buffer = io.BytesIO()
        np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
        return buffer.getvalue()

    array = np.load(io.BytesIO(state))["arr_0"]
    buffer = io.BytesIO()
    np.save(buffer, array)
    return {
        "nothing": b"",
        "half": state[: len(state) // 2],
        "array": buffer.getvalue(),
        "pickle": pickle.dumps(executed),
        "pickle within": forged(arr_0=np.array([executed], object)),
        "no variable": forged(arr_0=None),
        "more": forged(arr_1000=array),
        "shape": forged(arr_0=array[:1]),
        "dtype": forged(arr_0=array.astype(np.float64)),
        "NaN": forged(arr_0=array * np.nan),
        "text": forged(arr_0=np.full(array.shape, "a")),
        "no best0": forged(best0=None),
        "no best1": forged(best1=None),
        "best's shape": forged(best1=array[:1, :1]),
    }
