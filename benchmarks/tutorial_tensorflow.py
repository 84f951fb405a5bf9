"""The default network, `cnn`, trained the way Keras tutorials write it: float arrays into `fit`.

Only benchmarks/training_speed.py runs this. Prints one JSON line: seconds of each epoch, peak memory in bytes.
"""

import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ |= {"KERAS_HOME": os.path.join(os.devnull, "keras"), "KERAS_BACKEND": "tensorflow"}  # no settings of a user
import keras
import numpy as np
from keras import layers


class Clock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def main(data_dir: str, epochs: int) -> None:
    with np.load(f"{data_dir}/mnist.npz") as arrays:
        x_train, y_train = arrays["x_train"], arrays["y_train"]
    x_train = x_train[..., np.newaxis].astype("float32") / 255.0
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(32, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    clock = Clock()
    model.fit(x_train, y_train, batch_size=64, epochs=epochs, callbacks=[clock], verbose=0)
    from mnist_twice.training.saving import peak_memory  # only now, since what it imports would count

    print(json.dumps({"seconds": clock.seconds, "peak_memory": peak_memory()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
