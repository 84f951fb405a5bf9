"""Handwritten-digit classification in PyTorch and in TensorFlow/Keras: everything but the scripts.

Only the packages `pytorch` and `tensorflow` import their framework. docs/architecture.md says what each package is for,
and which others it may import.
"""

import os
import sys

from mnist_twice.errors import PROJECT, expect_interruptions

__version__ = "0.1.0"

# onnxruntime otherwise reports its use to mobile.events.data.microsoft.com and writes an id of the machine to ~/.cache.
# It reads this once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# From here on Ctrl-C and a missing package print a sentence in our scripts, not a traceback.
if os.path.dirname(os.path.realpath(sys.argv[0])) == str(PROJECT):
    expect_interruptions()
