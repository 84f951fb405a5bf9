"""Everything that knows no framework: data, recipes, runs, metrics, pictures. Needs NumPy, imports neither PyTorch nor TensorFlow."""
