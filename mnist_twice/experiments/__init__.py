"""Experiments: many trainings as one named study, shared by all processes and machines that work on it."""
