"""All that is independent of the framework: files, data, training, runs, evaluation, figures, photos, prediction, web.

No module in here imports PyTorch or TensorFlow. Each package says what it is for and what it may import; `errors`,
`machine`, `metrics` and `names` may be used by all of them.
"""

import os

# onnxruntime otherwise reports its use to mobile.events.data.microsoft.com and writes an id of the machine to ~/.cache.
# It reads this once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
