"""Import Keras as it is without a user's settings, and without what TensorFlow prints to the terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def ignore_keras_settings() -> None:
    """Have Keras, which is imported next, take none of the settings that a user has for other programs.

    They are in keras.json, below ~/.keras or KERAS_HOME (backend, image_data_format, epsilon, floatx), and in variables
    such as KERAS_BACKEND and KERAS_MAX_EPOCHS. Where Keras is imported already, they stay.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or TensorFlow's notes fill the terminal
    if "keras" in sys.modules:
        return
    for name in [name for name in os.environ if name.startswith("KERAS_") or name == "TF_USE_LEGACY_KERAS"]:
        del os.environ[name]
    os.environ["KERAS_HOME"] = os.path.join(os.devnull, "keras")  # where no file can be, nor be written


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what the block writes to stderr off the terminal, C++ code included; an exception is shown as ever.

    TensorFlow 2.21 writes notes when it is imported, whatever TF_CPP_MIN_LOG_LEVEL says.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
