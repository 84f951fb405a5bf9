"""The default recipe of each network, as far as it is not that of `cnn`: what Recipe has as its own defaults.

An entry here, and one in NETWORKS of mnist_twice/*/networks.py, are all that a network needs (docs/networks.md).
"""

from typing import Any

ONE_CYCLE: dict[str, Any] = {"batch_size": 128, "schedule": "one-cycle", "learning_rate": 0.003}

DEFAULTS: dict[str, dict[str, Any]] = {
    "cnn": {},
    "cnn-wide": {**ONE_CYCLE, "filters": (32, 64), "epochs": 12},
    "mlp": {**ONE_CYCLE, "filters": (), "dense": (64, 64), "dropout": 0.5, "epochs": 30},
    "lenet5": {**ONE_CYCLE, "filters": (6, 16), "dense": (120, 84), "dropout": 0.0, "epochs": 20},
    "fashion-cnn": {**ONE_CYCLE, "filters": (32, 64), "dropout": 0.0, "epochs": 12, "learning_rate": 0.002},
    # A Keras project's own settings, whichever data it is trained on.
    "deep-cnn": {
        **{"filters": (32, 64, 128), "dense": (256, 128), "dropout": 0.5, "epochs": 30, "batch_size": 128},
        **{"early_stopping": 5, "reduce_on_plateau": 3, "keep_best": True},
    },
    "vgg": {
        **ONE_CYCLE,
        **{"filters": (32, 64, 128), "dense": (256,), "dropout": 0.5, "epochs": 12, "learning_rate": 0.001},
    },
    "resnet": {
        **ONE_CYCLE,
        **{"filters": (32, 64, 128), "dense": (), "dropout": 0.0, "epochs": 15, "weight_decay": 0.05},
    },
    "vit": {**ONE_CYCLE, "filters": (), "dense": (64, 128), "dropout": 0.1, "epochs": 20, "weight_decay": 0.05},
    "fast": {
        **ONE_CYCLE,
        **{"dense": (256,), "dropout": 0.0, "epochs": 1, "batch_size": 256, "learning_rate": 0.015},
        **{"betas": (0.7, 0.9), "label_smoothing": 0.05, "validation_fraction": 0.0, "precision": "auto"},
    },
}
"""The fields of a Recipe by the network's name, in the order in which networks are listed."""
