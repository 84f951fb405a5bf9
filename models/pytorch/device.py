"""What PyTorch says of the device that trains. models/tensorflow/device.py is the twin, in the same order."""

import torch

from digits import machine, training
from digits.training import Options


def settle_precision(options: Options, device: torch.device) -> Options:
    """Return the options with the precision that 'auto' is on the device."""
    return training.settle_precision(options, _has_bfloat16(device))


def device_name(device: torch.device) -> str:
    """Return what run.json calls the device: the name of the GPU, 'mps' or 'cpu'."""
    return torch.cuda.get_device_name() if device.type == "cuda" else device.type


def _has_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and machine.has_bfloat16()
