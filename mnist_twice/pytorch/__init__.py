"""All that imports PyTorch, besides its script. `diff -r mnist_twice/pytorch mnist_twice/tensorflow` shows both."""

from mnist_twice.pytorch.networks import build_model, config_of
