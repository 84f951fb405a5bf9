"""The device that trains, in PyTorch. mnist_twice/tensorflow/device.py is the twin, in the same order."""

import ctypes
import os
import sys
from dataclasses import replace

import torch

from mnist_twice import machine, recipes
from mnist_twice.errors import UserError
from mnist_twice.recipes import Options


def set_up(device: str, seed: int, precision: str = "float32") -> torch.device:
    """Seed every generator and return the device that 'auto', 'cpu', 'cuda' or 'mps' (an Apple GPU; untested) means.

    Raises UserError if PyTorch sees no such GPU.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise UserError(f"--device {device}: PyTorch finds no such GPU; use --device cpu, or check its driver.")
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64 if precision == "float64" else torch.float32)

    if device == "cpu" or not (device == "mps" or available["cuda"]):
        _keep_freed_memory()
        return torch.device("cpu")  # its kernels are deterministic as they are
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    torch.use_deterministic_algorithms(True, warn_only=True)  # but do not write NaN into each fresh buffer:
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device("mps" if device == "mps" else "cuda")


def settle_precision(options: Options, device: torch.device) -> Options:
    """Return the options with the precision that 'auto' is: bfloat16 where the device multiplies it faster."""
    if device.type == "cuda":
        bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        bfloat16 = device.type == "cpu" and machine.has_bfloat16()
    return replace(options, recipe=recipes.settle_precision(options.recipe, bfloat16))


def describe(device: torch.device) -> dict[str, str | int]:
    """Return what run.json says of the device: its name, and how many threads compute on the processor."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else device.type
    return {"device": name, "threads": torch.get_num_threads()}


def _keep_freed_memory() -> None:
    """Have malloc keep large freed buffers for the next step instead of giving them back to the system.

    A training step allocates and frees the same few megabyte buffers thousands of times. By default glibc maps each of
    them anew, and the system fills every page with zeros first: up to a third of a step on a CPU. Costs no more than
    the largest step's memory, held until the process ends. Does nothing where the C library is not glibc.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD of <malloc.h>: the largest that glibc accepts
        mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
