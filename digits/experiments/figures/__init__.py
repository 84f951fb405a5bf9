"""The figures of an experiment: one module a figure."""
