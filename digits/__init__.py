"""All that is independent of the framework: files, data, training, runs, evaluation, figures, photos, inference, web.

No module in here imports PyTorch or TensorFlow. Each package says what it is for and what it may import; `errors`,
`machine` and `metrics` may be used by all of them.
"""
