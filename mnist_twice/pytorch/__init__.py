"""The networks in PyTorch. `diff -r models/pytorch models/tensorflow` shows how the two frameworks differ.

May import: torch, and digits.data, digits.runs, digits.recipes and digits.training; never TensorFlow.
"""

from models.pytorch.networks import build_model, config_of
