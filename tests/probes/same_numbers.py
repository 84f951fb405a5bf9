"""Whether what we do for speed gives the numbers of the framework's usual way."""

from __future__ import annotations

from types import ModuleType

import numpy as np


def pooling_before_relu(script: ModuleType) -> dict[str, float]:
    """Return the largest differences, relative to the largest number, that ReLU before pooling makes in PyTorch."""
    import torch

    from digits.training import ModelConfig
    from models.pytorch.networks import PIXEL_RANGE, build_model, config_of

    torch.manual_seed(0)
    ours = build_model(ModelConfig("cnn", 10, PIXEL_RANGE, (16, 32), (128,), 0.0))
    assert config_of(ours).model == "cnn"
    layers = dict(ours.named_children())
    names = list(layers)
    for pool, relu in (("pool1", "relu1"), ("pool2", "relu2")):
        at = names.index(pool)
        assert names[at + 1] == relu
        names[at : at + 2] = [relu, pool]
    theirs = torch.nn.Sequential(*(layers[name] for name in names))

    images = torch.randint(0, 256, (64, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (64,))
    losses, gradients = [], []
    for model in (ours, theirs):
        ours.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        losses.append(loss.item())
        gradients.append({name: value.grad.clone() for name, value in ours.named_parameters()})
    differences = {"loss": abs(losses[0] - losses[1]) / losses[1]}
    for name, expected in gradients[1].items():
        differences[name] = ((gradients[0][name] - expected).abs().max() / expected.abs().max()).item()
    return differences


def fused_adam(script: ModuleType) -> dict[str, float]:
    """Return the largest relative difference to keras.optimizers.Adam after 20 steps, of each thing it keeps."""
    import keras

    from models.tensorflow.fit import FusedAdam

    rng = np.random.default_rng(0)
    shapes = [(3, 3, 1, 16), (16,), (50, 10), (1,)]
    # Gradients over many orders of magnitude: small ones show a misplaced epsilon, the first steps a wrong correction.
    gradients = [[rng.normal(size=shape) * 10.0 ** rng.integers(-8, 3) for shape in shapes] for _ in range(20)]
    starts = [rng.normal(size=shape) for shape in shapes]
    differences: dict[str, float] = {}
    kept = []
    for optimizer in (FusedAdam(1e-3), keras.optimizers.Adam(1e-3)):
        variables = [keras.Variable(start, dtype="float32") for start in starts]
        for step in gradients:
            optimizer.apply([keras.ops.cast(gradient, "float32") for gradient in step], variables)
        moved = [variable.numpy() - start.astype(np.float32) for variable, start in zip(variables, starts, strict=True)]
        assert int(optimizer.iterations) == 20
        kept.append(
            {
                "weights": [variable.numpy() for variable in variables],
                "moved": moved,
                "momentums": [variable.numpy() for variable in optimizer._momentums],
                "velocities": [variable.numpy() for variable in optimizer._velocities],
            }
        )
    for name in kept[0]:
        pairs = zip(kept[0][name], kept[1][name], strict=True)
        differences[name] = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    return differences
