"""Give a run that was trained without it its model.onnx, from its weights.

python -m mnist_twice.experiments.export outputs/experiments/better/runs/mnist-cnn-pytorch
"""

import shutil
import sys
from importlib import import_module
from pathlib import Path

from mnist_twice.errors import run_script
from mnist_twice.runs import read_run, writing_run


def main() -> None:
    path = Path(sys.argv[1])
    run = read_run(path)
    files = import_module(f"mnist_twice.{run.framework}.files")
    with writing_run(path) as folder:  # which lists its files anew
        shutil.copytree(path, folder, dirs_exist_ok=True)
        network = files.load_weights(folder / "weights.safetensors")
        files.export_onnx(network, folder / "model.onnx", tuple(run.class_names), run.preprocessing)


if __name__ == "__main__":
    sys.exit(run_script(main))
