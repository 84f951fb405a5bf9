"""The device that trains, in TensorFlow/Keras. mnist_twice/pytorch/device.py is the twin, in the same order."""

import os
from dataclasses import replace

import keras
import tensorflow as tf

from mnist_twice import machine, recipes
from mnist_twice.errors import UserError
from mnist_twice.recipes import Options


def set_up(device: str, seed: int, precision: str = "float32") -> str:
    """Seed every generator and return the device that 'auto', 'cpu' or 'cuda' means.

    Raises UserError if 'cuda' is asked for and TensorFlow sees no GPU, and for 'mps', which is PyTorch's.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise UserError("--device cuda: TensorFlow sees no CUDA GPU here; use --device cpu, or install its CUDA build.")
    if device == "mps":
        raise UserError("--device mps is for mnist_pytorch.py; TensorFlow has no such device: use --device cpu.")
    keras.utils.set_random_seed(seed)
    keras.config.set_floatx("float64" if precision == "float64" else "float32")
    keras.config.set_dtype_policy(keras.config.floatx())

    if device == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        # One operation at a time, each on all cores: so small a network loses time when operations change threads.
        tf.config.threading.set_inter_op_parallelism_threads(1)
        return "cpu"  # its kernels are deterministic as they are
    tf.config.experimental.enable_op_determinism()
    return "cuda"


def settle_precision(options: Options, device: str) -> Options:
    """Return the options with the precision that 'auto' is: bfloat16 where the device multiplies it faster."""
    if device == "cuda":  # NVIDIA's have it from Ampere on
        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        bfloat16 = details.get("compute_capability", (0, 0)) >= (8, 0)
    else:
        bfloat16 = machine.has_bfloat16()
    return replace(options, recipe=recipes.settle_precision(options.recipe, bfloat16))


def describe(device: str) -> dict[str, str | int]:
    """Return what run.json says of the device: its name, and how many threads compute on the processor."""
    details = {"device_name": "cpu"}
    if device == "cuda":
        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    # TensorFlow says 0 where it takes their number from the environment, or has one for each core.
    threads = tf.config.threading.get_intra_op_parallelism_threads() or int(os.getenv("TF_NUM_INTRAOP_THREADS") or 0)
    return {"device": details.get("device_name", "GPU"), "threads": threads or machine.cores()}
