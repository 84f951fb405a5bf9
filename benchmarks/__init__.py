"""What the README's numbers were measured with: `python benchmarks/training_speed.py` and its like, after `make setup`.

Frameworks are only in what runs in a process of its own.
"""
