"""All that imports TensorFlow, besides its script. `diff -r mnist_twice/pytorch mnist_twice/tensorflow` shows both."""

from mnist_twice.training.keras_import import ignore_keras_settings

ignore_keras_settings()

from mnist_twice.tensorflow.networks import build_model, config_of  # noqa: E402
