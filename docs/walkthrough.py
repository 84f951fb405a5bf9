# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Handwritten digits, twice: a walkthrough
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/OWNER/REPOSITORY/blob/main/docs/walkthrough.ipynb)
#
# Download, train in PyTorch and in TensorFlow, read the runs, look at figures, read a photo, change the network: in a
# few minutes, without a GPU. The 5,000 digits of the dataset used here ship inside a package.
#
# **On Colab**, put the address of your copy of this project in place of OWNER/REPOSITORY in the badge, and run this in
# a cell of its own first. Then choose *Runtime > Restart session*, since Colab has loaded other versions already.
#
#     !git clone https://github.com/OWNER/REPOSITORY mnist-twice
#     %cd mnist-twice
#     !pip install --quiet --constraint constraints.txt --editable ".[pytorch,tensorflow]"
#
# After the restart, run `%cd mnist-twice` again. **Elsewhere**, `make setup` and
# `.venv/bin/pip install jupyterlab`, then open this notebook in the folder of the project or in its docs/.

# %%
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

if Path.cwd().name == "docs":
    os.chdir("..")  # the scripts stand in the folder above
assert Path("mnist_pytorch.py").exists(), "start this notebook in the folder of the project"


def run(*words: str) -> str:
    """Run a script of the project to its end, and return what it prints.

    In a process of its own: one Python process, such as this notebook's, cannot hold both frameworks.
    """
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


# %% [markdown]
# ## Data

# %%
print(run("download_mnist.py", "--dataset", "mnist-sample"))

# %% [markdown]
# The file holds four arrays. Images are 28 x 28 pixels of 0 (background) to 255 (ink).

# %%
with np.load("mnist_data/mnist-sample.npz") as dataset:
    images, labels = dataset["x_test"], dataset["y_test"]
print(images.shape, images.dtype, labels[:10])
Image.fromarray(255 - np.hstack(images[:10])).resize((1120, 112), Image.Resampling.NEAREST)

# %% [markdown]
# ## Training
#
# Both scripts take the same options and train on the same images in the same order. `--help` lists the options, and
# `--list-models` the networks.

# %%
print(run("mnist_pytorch.py", "--dataset", "mnist-sample"))

# %%
print(run("mnist_tensorflow.py", "--dataset", "mnist-sample"))

# %% [markdown]
# ## Runs
#
# Each training has written a folder: predictions and probabilities as NumPy arrays, the history of the training, the
# weights, the network for onnxruntime, and run.json, which says how it was made. The reader checks every file.

# %%
from mnist_twice.runs import read_run

runs = [read_run(Path(f"outputs/mnist-sample-cnn-{framework}")) for framework in ("pytorch", "tensorflow")]
for one in runs:
    print(
        f"{one.name}: {one.accuracy:.2%} of {len(one.labels):,} test images, {one.training_seconds:.1f} s of training"
    )
    for row in one.history:
        print(
            f"    epoch {row['epoch']:.0f}: loss {row['train_loss']:.3f}, validation {row['validation_accuracy']:.2%}"
        )

# %% [markdown]
# Where do the two differ? They saw the same images, so their predictions can be compared one by one.

# %%
first, second = (one.predictions for one in runs)
differing = np.flatnonzero(first != second)
print(f"{len(differing)} of {len(first):,} test images are classified differently, the first of them as:")
for index in differing[:5]:
    print(f"    image {index}: {first[index]} and {second[index]}; it is a {labels[index]}")

# %% [markdown]
# ## Figures
#
# `visualize_results.py` evaluates all runs, says whether the difference is significant, and writes figures, tables and
# outputs/report.html, a page with all of it.

# %%
print(run("visualize_results.py"))

# %%
Image.open("outputs/mnist-sample/agreement-cnn.png")

# %%
Image.open("outputs/mnist-sample-cnn-pytorch/incorrect_predictions.png")

# %% [markdown]
# ## An image of your own
#
# Put a photo of handwritten digits in place of `docs/photo.jpg`. The digits are found, brought into the form of
# MNIST's, and read by both networks.

# %%
answer = run("predict_digit.py", "docs/photo.jpg", "--multiple", "--json", "--run", *(str(one.path) for one in runs))
found = json.loads(answer)
print(json.dumps(found, indent=2)[:600])

# %% [markdown]
# ## Another network
#
# The default network has 16 and 32 filters. With half of them it is four times smaller. What does that cost? `--name`
# names the run, and `--compare` tests the two on the same images.
#
# The layers themselves stand in mnist_twice/pytorch/networks.py and mnist_twice/tensorflow/networks.py: change them
# there, or add a network of your own.

# %%
print(run("mnist_pytorch.py", "--dataset", "mnist-sample", "--filters", "8", "16", "--name", "narrow"))

# %%
print(run("visualize_results.py", "--compare", "mnist-sample-cnn-pytorch", "narrow", "--only", "agreement"))

# %% [markdown]
# From here: [the README](../README.md) shows every script, [use in your code](use_in_your_code.md) how to load a
# trained network in PyTorch, in Keras and in onnxruntime, and [evaluation](evaluation.md) what the numbers mean.
