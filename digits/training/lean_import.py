"""Import a large package without its start-up messages and the optional packages it would import."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


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
