"""The networks, twice: pytorch.py and tensorflow.py hold the same architectures, line against line."""
