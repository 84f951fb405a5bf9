"""The networks, written twice: models/pytorch and models/tensorflow hold the same architectures, file for file."""
