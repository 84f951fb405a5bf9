"""Import a large package without its start-up messages and the optional packages it would import."""

import os
import sys
import tempfile
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
def lean_import(*unneeded: str) -> Iterator[None]:
    """Within the block, imports print nothing to stderr and find the `unneeded` packages not installed.

    TensorFlow 2.21 writes start-up notes at C++ level whatever TF_CPP_MIN_LOG_LEVEL says, so the file descriptor itself
    is redirected; what was written is shown after all where the block fails. Keras imports scikit-learn and Matplotlib,
    where installed, for features that we do not use: 0.6 of the 2.9 seconds that its import took here.
    Packages that are imported already stay as they are.
    """
    hidden = [package for package in unneeded if package not in sys.modules]
    for package in hidden:
        sys.modules[package] = None  # type: ignore[assignment]  # Python's own mark for 'not to be found'
    sys.stderr.flush()
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except Exception:  # not Ctrl-C, which has nothing to do with the notes
            said.seek(0)
            os.write(stderr, said.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            for package in hidden:
                del sys.modules[package]
