"""The networks in TensorFlow/Keras. `diff -r models/pytorch models/tensorflow` shows how the two frameworks differ.

May import: tensorflow and keras, and digits.data, digits.runs, digits.recipes and digits.training; never PyTorch.
"""

from digits.training.keras_import import ignore_keras_settings

ignore_keras_settings()

from models.tensorflow.networks import build_model, config_of  # noqa: E402
