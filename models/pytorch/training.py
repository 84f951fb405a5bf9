"""What a training in PyTorch is wired from. models/tensorflow/training.py is the twin, in the same order."""

import copy
import io
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from digits.errors import UserError
from digits.training import RECIPES, Checkpoint, Options, Progress, Recipe, model_config
from digits.training.checkpoint import check_form
from digits.training.model_table import models_table
from digits.training.parity import EPSILON, parity_weights
from models.pytorch.files import count_parameters, freeze_features, get_weights, set_weights, start_from
from models.pytorch.layers import keep_biased_variances
from models.pytorch.networks import PIXEL_RANGE, build_model, config_of


def list_models() -> None:
    """Print the table of networks, with the parameters that they have here with their default recipes."""
    counts: dict[str, tuple[int, int] | None] = dict.fromkeys(RECIPES)
    for name, recipe in RECIPES.items():
        with suppress(UserError), torch.device("meta"):  # it may be in the other framework alone
            counts[name] = count_parameters(build_model(model_config(recipe, 10, PIXEL_RANGE)))
    print(models_table(counts, "pytorch"))


def make_model(options: Options, num_classes: int) -> nn.Module:
    """Return the network that the options ask for, with the weights that training starts from."""
    recipe = options.recipe
    config = model_config(recipe, num_classes, PIXEL_RANGE)
    if options.init_from:
        model = start_from(options.init_from, config, options.new_head)
    else:
        model = build_model(config)
        if recipe.parity:
            set_weights(model, parity_weights(get_weights(model), recipe.seed))
    if recipe.parity:
        keep_biased_variances(model)
    if options.freeze_features:
        freeze_features(model)
    return model


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
        eps=EPSILON if recipe.parity else 1e-8,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def in_float32(model: nn.Module) -> nn.Module:
    """Return the network with its weights rounded to float32, for evaluation and the files."""
    device = next(model.parameters()).device
    torch.set_default_dtype(torch.float32)
    rounded = build_model(config_of(model))
    set_weights(rounded, get_weights(model))
    return rounded.to(device)


class TrainingState:
    """All that a training changes as it goes, which is all that a checkpoint has to keep."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, ema: float) -> None:
        self.model, self.optimizer = model, optimizer
        # Exponential moving average of the weights, where the recipe asks for one.
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema else None
        self.best: dict[str, Tensor] | None = None  # weights of the best epoch so far

    def resume(self, checkpoint: Checkpoint | None) -> Progress:
        """Go back to where the checkpoint left the training; return the progress until there."""
        return (checkpoint and checkpoint.restore(self.load)) or Progress([], [])

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
        """Go back to what `save` returned; some exception where this training cannot have saved it."""
        parts = torch.load(io.BytesIO(saved), weights_only=True)
        cpu, *gpus = parts.pop("generators")
        for weight in self.model.parameters():
            weight.grad = torch.zeros_like(weight)
        self.optimizer.step()  # since an optimizer's state has its form only after a step
        expected = {name: part.state_dict() for name, part in self._parts().items()}
        check_form(parts, {**expected, "best": parts["best"] and self.evaluated().state_dict()})
        for name, part in self._parts().items():
            part.load_state_dict(parts[name])
        self.best = parts["best"]
        torch.set_rng_state(cpu.cpu())
        for i, state in enumerate(gpus):
            torch.cuda.set_rng_state(state.cpu(), i)

    def evaluated(self) -> nn.Module:
        """Return the network that is evaluated and kept: the average of the weights where there is one."""
        return self.average.module if self.average else self.model

    def keep_best(self) -> None:
        """Remember the weights that were just evaluated."""
        self.best = copy.deepcopy(self.evaluated().state_dict())

    def finish(self) -> None:
        """Leave in the network the weights that are kept: the best, the average, or those it has."""
        self.model.load_state_dict(self.best or self.evaluated().state_dict())

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimizer": self.optimizer, **({"average": self.average} if self.average else {})}


class Scores:
    """Loss and accuracy of an epoch's batches, measured when asked for: that waits for the device, as steps must not.

    Keras has its own (`metrics=["accuracy"]`).
    """

    def __init__(self, labels: Tensor, num_classes: int, recipe: Recipe) -> None:
        """`labels` are the epoch's, int64 (N,), in the order of its batches."""
        self.recipe, self.labels = recipe, labels
        self.logits = torch.empty(len(labels), num_classes, device=labels.device)
        self.count = 0

    def add(self, logits: Tensor) -> None:
        """Keep the logits of the next batch."""
        self.logits[self.count : self.count + len(logits)] = logits.detach()
        self.count += len(logits)

    def mean(self) -> tuple[float, float]:
        """Return the mean loss, and the share of right answers, of all batches so far."""
        right = self.logits[: self.count].argmax(dim=1) == self.labels[: self.count]
        return self._losses().mean().item(), right.float().mean().item()

    def of_epoch(self) -> tuple[tuple[float, float], list[float]]:
        """Return the mean of all batches, and the loss of each batch."""
        return self.mean(), [batch.mean().item() for batch in self._losses().split(self.recipe.batch_size)]

    def _losses(self) -> Tensor:
        logits, labels = self.logits[: self.count], self.labels[: self.count]
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=self.recipe.label_smoothing)
