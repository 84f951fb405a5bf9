"""What TensorFlow/Keras says of the device that trains. models/pytorch/device.py is the twin, in the same order."""

import tensorflow as tf

from digits import machine, training
from digits.training import Options


def settle_precision(options: Options, device: str) -> Options:
    """Return the options with the precision that 'auto' is on the device."""
    return training.settle_precision(options, _has_bfloat16(device))


def device_name(device: str) -> str:
    """Return what run.json calls the device: the name of the GPU, or 'cpu'."""
    if device == "cpu":
        return device
    gpu = tf.config.list_physical_devices("GPU")[0]
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))


def _has_bfloat16(device: str) -> bool:
    """Return whether the device multiplies bfloat16 faster than float32."""
    if device == "cuda":  # NVIDIA's have it from Ampere on
        gpu = tf.config.list_physical_devices("GPU")[0]
        return bool(tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) >= (8, 0))
    return machine.has_bfloat16()
