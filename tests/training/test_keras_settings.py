"""A user's settings for Keras, made for other programs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

CODE = """
import mnist_twice.tensorflow
import keras
from mnist_twice.recipes import RECIPES
from mnist_twice.training import model_config
print(keras.config.backend(), keras.config.floatx(), keras.config.epsilon())
keras.config.set_image_data_format("channels_first")  # as a program may that uses our networks
print(mnist_twice.tensorflow.build_model(model_config(RECIPES["cnn"], 10, "tensorflow")).output_shape)
"""


@pytest.mark.tensorflow
def test_settings_for_other_programs_change_nothing(tmp_path: Path) -> None:
    settings = {"backend": "jax", "image_data_format": "channels_first", "floatx": "float16", "epsilon": 0.1}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    theirs = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env={**os.environ, **theirs}, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["tensorflow float32 1e-07", "(None, 10)"], done.stderr
