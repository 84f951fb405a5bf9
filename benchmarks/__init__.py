"""What the README's numbers were measured with: `python benchmarks/training_speed.py` and its like, after `make setup`.

May import: every package of digits/. Frameworks are only in what runs in a process of its own.
"""
