"""What a search varies unless --space says otherwise: for each model, ranges that its authors and others have used.

Nothing here makes a training longer than the default recipe's: epochs and widths stay as they are, and batches do not
become smaller. Label smoothing is left out, because it raises the loss that a search minimises, also where it makes
networks more accurate.
"""

from __future__ import annotations

from digits.experiments.values import Alternatives, Range, parse_space
from digits.recipes import RECIPES

_STEPS = ("learning_rate=3e-4..1e-2:log", "ema=0,0.99,0.999")
_SCHEDULE, _DROPOUT, _DECAY = "schedule=constant,cosine,one-cycle", "dropout=0..0.6", "weight_decay=0..0.2"
_SPACES = {
    "cnn": (*_STEPS, _SCHEDULE, _DROPOUT),
    "cnn-wide": (*_STEPS, _SCHEDULE, _DROPOUT),
    "mlp": (*_STEPS, _SCHEDULE, _DROPOUT, _DECAY),
    "lenet5": (*_STEPS, _SCHEDULE),
    "fashion-cnn": (*_STEPS, _SCHEDULE, _DROPOUT, _DECAY),
    "deep-cnn": (*_STEPS, _DROPOUT),  # its learning rate falls where the validation loss does not
    "vgg": (*_STEPS, _SCHEDULE, _DROPOUT, _DECAY),
    "resnet": (*_STEPS, _SCHEDULE, _DECAY),
    "vit": (*_STEPS, _SCHEDULE, _DROPOUT, _DECAY),
    "fast": ("learning_rate=1e-3..3e-2:log", "ema=0,0.99,0.999", _SCHEDULE, _DROPOUT),  # one epoch has to do
}


def default_space(model: str) -> dict[str, Range | Alternatives]:
    """Return what a search varies of the model's recipe."""
    batches = ",".join(str(factor * RECIPES[model].batch_size) for factor in (1, 2, 4))
    return parse_space((f"batch_size={batches}", *_SPACES.get(model, (*_STEPS, _DROPOUT))), "the default space")
