"""Everything that knows no framework: data, recipes, runs, metrics, pictures.

Needs NumPy and imports neither PyTorch nor TensorFlow (tests/test_house.py holds it to that).
"""

import os

# onnxruntime otherwise reports its use to mobile.events.data.microsoft.com and writes an id of the machine to ~/.cache.
# It reads this once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
