"""Everything that knows no framework: data, recipes, runs, metrics, pictures.

Needs NumPy and imports neither PyTorch nor TensorFlow (tests/test_house.py holds it to that).
"""
