"""The parts of a training in PyTorch. mnist_twice/tensorflow/training.py is the twin, in the same order."""

import copy
import io
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mnist_twice.pytorch.files import freeze_features, get_weights, set_weights
from mnist_twice.pytorch.layers import keep_biased_variances
from mnist_twice.pytorch.networks import config_of
from mnist_twice.recipes import Options, Recipe
from mnist_twice.training import Checkpoint, Progress
from mnist_twice.training.weights import starting_weights


def set_starting_weights(model: nn.Module, options: Options) -> None:
    """Give the network the weights that the options start it from, and freeze what --freeze-features freezes."""
    set_weights(model, starting_weights(options, config_of(model), get_weights(model)))
    if options.recipe.parity:
        keep_biased_variances(model)
    if options.freeze_features:
        freeze_features(model)


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer for the weights that are not frozen."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if recipe.optimizer == "sgd":
        momentum = recipe.betas[0]
        return torch.optim.SGD(weights, recipe.learning_rate, momentum, nesterov=momentum > 0, fused=True)
    return torch.optim.AdamW(
        weights,
        recipe.learning_rate,
        recipe.betas,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def losses_and_accuracy(logits: Tensor, labels: Tensor, recipe: Recipe) -> tuple[Tensor, float]:
    """Return the loss of each image, (N,), and the fraction of right answers, for logits (N, classes) and labels (N,).

    Keras measures both by itself (`metrics=["accuracy"]`).
    """
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=recipe.label_smoothing)
    return losses, (logits.argmax(dim=1) == labels).float().mean().item()


class TrainState:
    """All that a training changes as it goes, which is all that a checkpoint has to keep."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, ema: float) -> None:
        self.model, self.optimizer = model, optimizer
        # Exponential moving average of the weights, where the recipe asks for one.
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema else None
        self.best: dict[str, Tensor] | None = None  # weights of the best epoch so far

    def restore(self, checkpoint: Checkpoint | None) -> Progress:
        """Go back to where the checkpoint left the training; return the progress until there."""
        return checkpoint.restore(self.load) if checkpoint else Progress([], [])

    def save(self) -> bytes:
        """Return everything as bytes."""
        generators = [torch.get_rng_state()]  # dropout draws from them
        if torch.cuda.is_initialized():
            generators += torch.cuda.get_rng_state_all()
        parts: dict[str, Any] = {"generators": generators, "best": self.best}
        parts |= {name: part.state_dict() for name, part in self._parts().items()}
        buffer = io.BytesIO()
        torch.save(parts, buffer)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Go back to what `save` returned."""
        parts = torch.load(io.BytesIO(saved), weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(parts[name])
        self.best = parts["best"]
        cpu, *gpus = parts["generators"]
        torch.set_rng_state(cpu)
        for i, state in enumerate(gpus):
            torch.cuda.set_rng_state(state, i)

    def update_average(self) -> None:
        """Move the average of the weights, where there is one, towards the weights after a step."""
        if self.average:
            self.average.update_parameters(self.model)

    def evaluated(self) -> nn.Module:
        """Return the network that is evaluated and kept: the average of the weights where there is one."""
        return self.average.module if self.average else self.model

    def keep_best(self) -> None:
        """Remember the weights that were just evaluated."""
        self.best = copy.deepcopy(self.evaluated().state_dict())

    def load_kept(self) -> None:
        """Leave in the network the weights that are kept: the best, the average, or those it has."""
        self.model.load_state_dict(self.best or self.evaluated().state_dict())

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer, **({"average": self.average} if self.average else {})}
