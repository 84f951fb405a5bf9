"""What trainings compute, in this checkout and in an earlier one: which predictions, histories and losses differ?

    python tests/record.py                                 # all rows, both frameworks: about half an hour on two cores
    python tests/record.py cnn fast --framework pytorch    # the rows whose names begin so

Each row is a training on mnist-sample with one thread, run by the scripts of both checkouts on this machine. Printed
are the rows in which probabilities.npy, history.csv without its times, or the losses of all steps are not equal byte
for byte; the exit status is 1 if there is one. The earlier checkout is a git worktree that is made and removed here.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASE = "1c1e1d3d498c"
"""The last commit before the tests and scripts were rewritten, which every later one has to equal."""
NETWORKS = ("cnn", "cnn-wide", "mlp", "lenet5", "fashion-cnn", "deep-cnn", "vgg", "resnet", "vit", "fast")
PLATEAU = "--model deep-cnn --reduce-on-plateau 1 --early-stopping 3"
TRAININGS = {name: f"--model {name} --epochs 2" for name in NETWORKS} | {
    "cnn, augmented": "--epochs 2 --augment",
    "cnn, smoothed": "--epochs 2 --label-smoothing 0.1",
    "cnn, smoothed, no validation": "--epochs 2 --label-smoothing 0.1 --validation-fraction 0",
    "cnn, moving average and best weights": "--epochs 3 --ema 0.9 --keep-best",
    "cnn, float64 parity": "--epochs 2 --precision float64 --parity",
    "cnn, SGD and one-cycle": "--epochs 2 --optimizer sgd --schedule one-cycle",
    "deep-cnn, plateau": f"{PLATEAU} --filters 8 8 8 --dense 16 16 --epochs 5 --learning-rate 0.02",
    "fast, float32": "--model fast --epochs 1 --precision float32",
    "fast, bfloat16": "--model fast --epochs 1 --precision bfloat16",
    "lenet5, pens": "--model lenet5 --epochs 2 --pens 0.3",
    "resnet, decay": "--model resnet --epochs 1 --weight-decay 0.01",
    "vit, parity": "--model vit --epochs 1 --parity",
    "cnn, killed and resumed": "--epochs 4 --ema 0.9 --keep-best",
    "lenet5, two workers": "--model lenet5 --epochs 2",
}
"""The options of each row."""
ENVIRONMENT = os.environ | {
    **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1"),
    "CUDA_VISIBLE_DEVICES": "-1",
}


def train(checkout: Path, framework: str, name: str, folder: Path) -> dict[str, str]:
    """Run the row's training with the checkout's script in the folder; return the SHA-256 of what it computed."""
    words = ["--dataset", "mnist-sample", "--data-dir", str(ROOT / "mnist_data"), "--output-dir", str(folder)]
    script = [str(checkout / f"mnist_{framework}.py"), *words, "--name", "run", *TRAININGS[name].split()]
    command = [sys.executable, *script]
    with open(folder / "log", "wb") as log:

        def start(command: list[str], **more: str) -> subprocess.Popen[bytes]:
            environment = ENVIRONMENT | {"PYTHONPATH": str(checkout)} | more
            return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

        if "two workers" not in name:
            if "killed" in name:
                process = start(command)
                while not (folder / ".run.checkpoint").exists() and process.poll() is None:
                    time.sleep(0.01)
                process.send_signal(signal.SIGKILL)
                process.wait()
                command.append("--resume")
            processes = [start(command)]
        elif framework == "pytorch":
            launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
            processes = [start([sys.executable, *launcher, *script])]
        else:
            sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
            workers = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in sockets]
            for listener in sockets:
                listener.close()
            tasks = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": n}} for n in range(2)]
            processes = [start(command, TF_CONFIG=json.dumps(task)) for task in tasks]
        if sum(abs(process.wait()) for process in processes):
            return {"training": f"failed:\n{(folder / 'log').read_text()[-2000:]}"}
    return fingerprints(folder / "run")


def fingerprints(run: Path) -> dict[str, str]:
    """Return the SHA-256 of a run's probabilities, of its history without times, and of the losses of its steps."""
    with open(run / "history.csv", newline="") as file:
        rows = [{key: text for key, text in row.items() if "second" not in key} for row in csv.DictReader(file)]
    contents = {
        "probabilities": (run / "probabilities.npy").read_bytes(),
        "history": json.dumps(rows).encode(),
        "losses": (run / "losses.npy").read_bytes(),
    }
    return {what: hashlib.sha256(content).hexdigest()[:12] for what, content in contents.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="beginnings of the rows' names (default: all rows)")
    parser.add_argument("--framework", nargs="+", default=["pytorch", "tensorflow"])
    parser.add_argument("--base", default=BASE, help="the commit to compare with (default: %(default)s)")
    arguments = parser.parse_args()
    chosen = [name for name in TRAININGS if not arguments.rows or name.startswith(tuple(arguments.rows))]
    sample = ["download_mnist.py", "--dataset", "mnist-sample"]
    subprocess.run([sys.executable, *sample], cwd=ROOT, check=True, capture_output=True)

    different = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        base = Path(folder, "base")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(base), arguments.base], check=True)
        try:
            for framework in arguments.framework:
                for name in chosen:
                    folders = [Path(folder, framework, name, which) for which in ("now", "then")]
                    for each in folders:
                        each.mkdir(parents=True)
                    now, then = pool.map(train, (ROOT, base), [framework] * 2, [name] * 2, folders)
                    unequal = [what for what in then | now if now.get(what) != then.get(what)]
                    failed = [found["training"] for found in (now, then) if "training" in found]
                    different += bool(unequal or failed)
                    says = "DIFFERENT: " + ", ".join(unequal) if unequal else "equal"
                    print(f"{framework:10}  {name:36}  {' '.join([says, *failed])}", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(base)], check=True)
    print(f"{len(chosen) * len(arguments.framework)} rows, {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
