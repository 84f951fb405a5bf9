"""Handwritten-digit classification in PyTorch and in TensorFlow/Keras: everything but the scripts.

Only the packages `pytorch` and `tensorflow` import their framework. docs/architecture.md says what each package is for,
and which others it may import.
"""

import os

__version__ = "0.1.0"

# onnxruntime otherwise reports its use to mobile.events.data.microsoft.com and writes an id of the machine to ~/.cache.
# It reads this once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
