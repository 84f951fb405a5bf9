"""The learning rates that the frameworks' own schedules set."""

from __future__ import annotations

from types import ModuleType


def scheduled_rates(script: ModuleType, cases: list[tuple[str, int]]) -> list[list[float]]:
    """Return the learning rates of PyTorch's own schedulers, peak 0.01, in each step of the cases: (name, steps)."""
    import torch

    found = []
    for name, steps in cases:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
        scheduler = (
            torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
            if name == "one-cycle"
            else torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        )
        rates = []
        for step in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step < steps - 1:
                scheduler.step()
        found.append(rates)
    return found


def plateau_rates(script: ModuleType, cases: list[tuple[int, list[float]]]) -> list[list[float]]:
    """Return the learning rate, at first 1, that keras.callbacks.ReduceLROnPlateau sets after each epoch."""
    import keras

    found = []
    for patience, losses in cases:
        callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=patience, min_delta=0)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1.0))
        callback.set_model(model)
        callback.on_train_begin()
        rates = []
        for epoch, loss in enumerate(losses):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            rates.append(float(model.optimizer.learning_rate))
        found.append(rates)
    return found
