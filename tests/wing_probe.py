"""The training scripts in processes of their own: nothing may import both frameworks, pytest's process neither.

Imported by tests, this module starts such processes. Started as `python tests/wing_probe.py FRAMEWORK QUESTION
ARGUMENTS`, with the arguments and the answer as JSON, it is one: there a function below named like the question looks
into the framework's story, with the other framework blocked as if it were not installed.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from paths import ROOT

PACKAGES = {"pytorch": ("torch", "torchvision"), "tensorflow": ("tensorflow", "keras")}
OTHER = {"pytorch": "tensorflow", "tensorflow": "pytorch"}

# Runs a script as `python SCRIPT ...` would, but finds the packages named first not installed.
_RUN_WITHOUT = """
import runpy, sys
from wing_probe import block
block(sys.argv[1].split())
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class _Without:
    """A finder of sys.meta_path that does not find these packages. (None in sys.modules would look like a package.)"""

    def __init__(self, finder: Any, packages: Sequence[str]) -> None:
        self.finder, self.packages = finder, packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in self.packages else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


def block(packages: Sequence[str]) -> None:
    """Have this process find the packages not installed."""
    sys.meta_path[:] = [_Without(finder, packages) for finder in sys.meta_path]


def story_command(framework: str, *options: str, blocked: Sequence[str] | None = None) -> list[str]:
    """Return the command that runs the framework's script, by default with the other framework blocked."""
    blocked = PACKAGES[OTHER[framework]] if blocked is None else blocked
    return [sys.executable, "-c", _RUN_WITHOUT, " ".join(blocked), str(ROOT / f"mnist_{framework}.py"), *options]


def environment() -> dict[str, str]:
    """Return the environment of the processes: they find the project from any folder, and no GPU.

    PyTorch's threads wait for each other without spinning: on a busy machine that would stall them to a twentieth.
    """
    path = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    return {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", "OMP_WAIT_POLICY": "passive"}


def run_story(framework: str, *options: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the framework's script in the folder `cwd` to its end."""
    command = story_command(framework, *options, **more)
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300)


def start_story(framework: str, *options: str, cwd: Path, **more: Any) -> subprocess.Popen[str]:
    """Start the framework's script as the leader of a process group of its own, its outputs in pipes."""
    return subprocess.Popen(
        story_command(framework, *options),
        cwd=cwd,
        env=environment(),
        start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more},
    )


def ask(framework: str, question: str, *arguments: Any, probe: str = __file__) -> Any:
    """Return the answer of the function of this file, or of `probe`, named by the question, from a process of its own.

    Such a file ends in `answer_as_process(globals())`.
    """
    done = subprocess.run(
        [sys.executable, probe, framework, question, json.dumps(arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def answer_as_process(questions: Mapping[str, Any]) -> None:
    """Print the answer to what `ask` passed to this process, with the other framework blocked."""
    framework, question, arguments = sys.argv[1:]
    block(PACKAGES[OTHER[framework]])
    print(json.dumps(questions[question](import_module(f"mnist_{framework}"), *json.loads(arguments))))


# --- questions, answered with the framework imported ---


def train_runs(story: ModuleType, folder: str, commands: list[list[str]]) -> list[str]:
    """Run the script's main in the folder with these options, once for each list of them; return the runs' folders."""
    from digits.training.options import parse_options
    from digits.training.saving import run_path

    os.chdir(folder)
    framework = story.__name__.removeprefix("mnist_")
    paths = []
    for words in commands:
        options = parse_options(story.__doc__, words)
        story.main(options)
        paths.append(str(run_path(options, framework)))
    return paths


def odd_datasets(story: ModuleType, folder: str) -> list[Any]:
    """Return what comes of trainings on the sample without a class, with one image alone, and with none to watch."""
    from dataclasses import replace

    from digits.errors import UserError
    from digits.training.options import Options
    from digits.training.recipe import RECIPES

    os.chdir(folder)
    sample = story.load_dataset("mnist-sample", Path("mnist_data"))

    def trained(recipe: Any, rows: Any) -> tuple[np.ndarray, list[dict[str, float]]]:
        dataset = replace(sample, train_images=sample.train_images[rows], train_labels=sample.train_labels[rows])
        device = story.set_up("cpu", 0)
        model = story.make_model(Options(recipe), 10)
        history = story.train(model, dataset, recipe, device).history
        return story.predict(model, sample.test_images), history

    cnn, deep = RECIPES["cnn"], RECIPES["deep-cnn"]
    probabilities, _ = trained(cnn, sample.train_labels != 3)
    predictions = probabilities.argmax(axis=1)
    missing = {
        "classes": probabilities.shape[1],
        "predicted_3": int(np.sum(predictions == 3)),
        "accuracy": float(np.mean(predictions == sample.test_labels)),
    }
    unwatched = replace(deep, early_stopping=0, reduce_on_plateau=0, keep_best=False, validation_fraction=0.0)
    # 129 images in batches of 128: normalising the last one by itself would fail.
    probabilities, history = trained(replace(unwatched, epochs=1), np.arange(129))
    alone = {"finite": bool(np.isfinite(probabilities).all() and np.isfinite(history[0]["train_loss"]))}
    try:
        trained(replace(deep, epochs=2, validation_fraction=0.01), np.flatnonzero(sample.train_labels == 3)[:1])
        return [missing, alone, "it trained"]
    except UserError as error:
        return [missing, alone, str(error)]


def probabilities(story: ModuleType, images: str, models: list[str]) -> list[list[list[float]]]:
    """Return what each saved model, weights.safetensors or checkpoint, makes of the images in a .npy file."""
    files = import_module(f"models.{story.__name__.removeprefix('mnist_')}_files")
    pixels = np.load(images)
    load = {name: files.load_weights if name.endswith(".safetensors") else files.load_checkpoint for name in models}
    answers = [story.predict(load[name](Path(name)), pixels) for name in models]
    assert all(answer.dtype == np.float32 for answer in answers)
    return [answer.tolist() for answer in answers]


def refusals(story: ModuleType, paths: list[str], edited: bool = False) -> list[str]:
    """Return the sentences with which load_weights, or load_checkpoint, refuses the files.

    edited: as if the code of `cnn` had been changed since they were written, to eight filters more in its second layer.
    """
    from dataclasses import replace

    from digits.errors import UserError

    framework = story.__name__.removeprefix("mnist_")
    files, zoo = import_module(f"models.{framework}_files"), import_module(f"models.{framework}")
    cnn = zoo.cnn
    if edited:
        zoo.MODELS["cnn"] = lambda config: cnn(replace(config, filters=(16, 40)))
    sentences = []
    for path in paths:
        load = files.load_checkpoint if path.endswith((".pt", ".keras")) else files.load_weights
        try:
            load(Path(path))
            sentences.append(f"'{path}' was accepted.")
        except UserError as error:
            sentences.append(str(error))
    return sentences


def write_model_files(story: ModuleType, folder: str) -> None:
    """Write an untrained cnn into the folder: weights.safetensors, and model.pt or model.keras; and forged ones.

    For Keras: lambda.keras, whose function makes the folder `executed`.
    """
    from digits.training.recipe import RECIPES
    from digits.training.weights import config_to_json

    os.chdir(folder)
    framework = story.__name__.removeprefix("mnist_")
    files, zoo = import_module(f"models.{framework}_files"), import_module(f"models.{framework}")
    recipe = RECIPES["cnn"]
    config = story.ModelConfig("cnn", 10, zoo.PIXEL_RANGE, recipe.filters, recipe.dense, 0.0)
    model = zoo.build_model(config)
    files.save_weights(model, Path("weights.safetensors"))
    if framework == "pytorch":
        files.save_checkpoint(model, Path("model.pt"))
        _forge_pytorch(model.state_dict(), vars(config))
    else:
        files.save_checkpoint(model, Path("model.keras"))
        _forge_keras()
        with zipfile.ZipFile("lambda.keras", "a") as archive:
            archive.writestr("network.json", config_to_json(config))


def _forge_pytorch(state: dict[str, Any], config: dict[str, Any]) -> None:
    import torch

    sound = {"network": config, "state_dict": state}
    forged = [
        None,
        [sound],
        state,
        {"network": config},
        {**sound, "network": None},
        {**sound, "network": {**config, "filters": state}},
        {**sound, "network": {**config, "filters": (10**5, 10**5), "dense": (10**6,)}},
        {**sound, "network": {**config, "dropout": float("inf")}},
        {**sound, "state_dict": None},
        {**sound, "state_dict": dict.fromkeys(state, 1.0)},
        {**sound, "state_dict": {name: tensor.to_sparse() for name, tensor in state.items()}},
        {**sound, "state_dict": {name: tensor[:1] for name, tensor in state.items()}},
    ]
    for number, content in enumerate(forged):
        torch.save(content, f"forged{number}.pt")


def _forge_keras() -> None:
    import keras

    function = keras.layers.Lambda(lambda x: __import__("os").makedirs("executed", exist_ok=True) or x)
    keras.Sequential([keras.Input((28, 28)), function]).save("lambda.keras")


class Executed:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def resumed(story: ModuleType, folder: str) -> dict[str, str]:
    """Return how a training goes on after its first epoch from a sound checkpoint, and from each of the forged ones."""
    from digits.data.datasets import Dataset
    from digits.errors import UserError
    from digits.training.checkpoint import Checkpoint
    from digits.training.options import Options
    from digits.training.recipe import Recipe

    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (100, 28, 28), np.uint8), np.arange(100, dtype=np.uint8) % 10
    dataset = Dataset("noise", images, labels, images[:0], labels[:0], tuple("0123456789"), "")
    options = Options(Recipe(epochs=2, batch_size=50, ema=0.9, keep_best=True), resume=True)
    device = story.set_up("cpu", 0)

    def go_on(checkpoint: Any) -> str:
        try:
            story.train(story.make_model(options, 10), dataset, options.recipe, device, checkpoint)
            return "it trained"
        except UserError as error:
            return str(error)

    checkpoint = Checkpoint(Path(folder) / "run", options, dataset, {})
    write, written = checkpoint.write, []
    checkpoint.write = lambda *contents: written.append(contents) or write(*contents)  # type: ignore[method-assign]
    found = {"sound": go_on(checkpoint)}
    progress, state = written[0]
    progress.history, progress.losses = progress.history[:1], progress.losses[: len(progress.losses) // 2]
    write(progress, state)
    found["sound"] += ", " + go_on(checkpoint)
    forged = _pytorch_states if story.__name__ == "mnist_pytorch" else _tensorflow_states
    for name, forged_state in forged(state, Executed(Path(folder) / "executed")).items():
        write(progress, forged_state)
        found[name] = go_on(checkpoint)
    return found


def _pytorch_states(state: bytes, executed: Executed) -> dict[str, bytes]:
    import torch

    def forged(*keys: Any, change: Any = lambda parent, key: parent.pop(key)) -> bytes:
        parts = torch.load(io.BytesIO(state), weights_only=True)
        parent = parts
        for key in keys[:-1]:
            parent = parent[key]
        change(parent, keys[-1])
        buffer = io.BytesIO()
        torch.save(parts, buffer)
        return buffer.getvalue()

    def to(value: Any) -> Any:
        return lambda parent, key: parent.__setitem__(key, value)

    def nan(parent: Any, key: str) -> None:
        parent[key][0] = torch.nan

    bias = ("model", "head.bias")
    moment = ("optimizer", "state", 0, "exp_avg")
    return {
        "nothing": b"",
        "half": state[: len(state) // 2],
        "pickle": pickle.dumps(executed),
        **{f"no {name}": forged(name) for name in ("model", "optimizer", "average", "best", "generators")},
        "more": forged("more", change=to(1)),
        "no weight": forged(*bias),
        "odd weight": forged(*bias, change=to("text")),
        "weight's shape": forged(*bias, change=to(torch.zeros(1))),
        "weight's dtype": forged(*bias, change=to(torch.zeros(10, dtype=torch.float64))),
        "weight's NaN": forged(*bias, change=nan),
        "average's NaN": forged("average", "module.head.bias", change=nan),
        "no steps": forged("optimizer", "state", change=to({})),
        "no moment": forged(*moment),
        "moment's shape": forged(*moment, change=to(torch.zeros(1))),
        "moment's infinity": forged(*moment, change=to(torch.full((16, 1, 3, 3), torch.inf))),
        "no groups": forged("optimizer", "param_groups", change=to([])),
        "odd group": forged("optimizer", "param_groups", 0, "betas", change=to(None)),
        "odd best": forged("best", change=to([1])),
        "best's shape": forged("best", "head.bias", change=to(torch.zeros(1))),
        "no generator": forged("generators", change=to([])),
        "generator's size": forged("generators", 0, change=to(torch.zeros(3, dtype=torch.uint8))),
        "generator's state": forged("generators", 0, change=to(torch.full((5056,), 255, dtype=torch.uint8))),
        "odd generator": forged("generators", 0, change=to("text")),
    }


def _tensorflow_states(state: bytes, executed: Executed) -> dict[str, bytes]:
    def forged(**changes: Any) -> bytes:
        arrays = {**np.load(io.BytesIO(state)), **changes}
        buffer = io.BytesIO()
        np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
        return buffer.getvalue()

    array = np.load(io.BytesIO(state))["arr_0"]
    buffer = io.BytesIO()
    np.save(buffer, array)
    return {
        "nothing": b"",
        "half": state[: len(state) // 2],
        "array": buffer.getvalue(),
        "pickle": pickle.dumps(executed),
        "pickle within": forged(arr_0=np.array([executed], object)),
        "no variable": forged(arr_0=None),
        "more": forged(arr_1000=array),
        "shape": forged(arr_0=array[:1]),
        "dtype": forged(arr_0=array.astype(np.float64)),
        "NaN": forged(arr_0=array * np.nan),
        "text": forged(arr_0=np.full(array.shape, "a")),
        "no best0": forged(best0=None),
        "no best1": forged(best1=None),
        "best's shape": forged(best1=array[:1, :1]),
    }


def peak_of_full_size_run(story: ModuleType, folder: str) -> int:
    """Train on 60,000 images, few steps and a long validation, write the run; return the peak memory in bytes."""
    from dataclasses import replace

    from digits.training.memory import peak_memory
    from digits.training.options import parse_options

    os.chdir(folder)
    options = parse_options(
        story.__doc__, ["--dataset", "mnist-sample", "--epochs", "1", "--validation-fraction", "0.8"]
    )
    sample = story.load_dataset(options.dataset, options.data_dir)
    full = replace(
        sample,
        train_images=np.tile(sample.train_images, (15, 1, 1)),
        train_labels=np.tile(sample.train_labels, 15),
        test_images=np.tile(sample.test_images, (10, 1, 1)),
        test_labels=np.tile(sample.test_labels, 10),
    )
    assert len(full.train_images) == 60_000
    story.load_dataset = lambda name, data_dir: full
    story.main(options)
    return peak_memory()


def pooling_before_relu(story: ModuleType) -> dict[str, float]:
    """Return the largest differences, relative to the largest number, that ReLU before pooling makes in PyTorch."""
    import torch

    from models.pytorch.networks import PIXEL_RANGE, build_model, config_of

    torch.manual_seed(0)
    ours = build_model(story.ModelConfig("cnn", 10, PIXEL_RANGE, (16, 32), (128,), 0.0))
    assert config_of(ours).model == "cnn"
    layers = dict(ours.named_children())
    names = list(layers)
    for pool, relu in (("pool1", "relu1"), ("pool2", "relu2")):
        at = names.index(pool)
        assert names[at + 1] == relu
        names[at : at + 2] = [relu, pool]
    theirs = torch.nn.Sequential(*(layers[name] for name in names))

    images = torch.randint(0, 256, (64, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (64,))
    losses, gradients = [], []
    for model in (ours, theirs):
        ours.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        losses.append(loss.item())
        gradients.append({name: value.grad.clone() for name, value in ours.named_parameters()})
    differences = {"loss": abs(losses[0] - losses[1]) / losses[1]}
    for name, expected in gradients[1].items():
        differences[name] = ((gradients[0][name] - expected).abs().max() / expected.abs().max()).item()
    return differences


def fused_adam(story: ModuleType) -> dict[str, float]:
    """Return the largest relative difference to keras.optimizers.Adam after 20 steps, of each thing it keeps."""
    import keras

    from models.tensorflow.training import FusedAdam

    rng = np.random.default_rng(0)
    shapes = [(3, 3, 1, 16), (16,), (50, 10), (1,)]
    # Gradients over many orders of magnitude: small ones show a misplaced epsilon, the first steps a wrong correction.
    gradients = [[rng.normal(size=shape) * 10.0 ** rng.integers(-8, 3) for shape in shapes] for _ in range(20)]
    starts = [rng.normal(size=shape) for shape in shapes]
    differences: dict[str, float] = {}
    kept = []
    for optimizer in (FusedAdam(1e-3), keras.optimizers.Adam(1e-3)):
        variables = [keras.Variable(start, dtype="float32") for start in starts]
        for step in gradients:
            optimizer.apply([keras.ops.cast(gradient, "float32") for gradient in step], variables)
        moved = [variable.numpy() - start.astype(np.float32) for variable, start in zip(variables, starts, strict=True)]
        assert int(optimizer.iterations) == 20
        kept.append(
            {
                "weights": [variable.numpy() for variable in variables],
                "moved": moved,
                "momentums": [variable.numpy() for variable in optimizer._momentums],
                "velocities": [variable.numpy() for variable in optimizer._velocities],
            }
        )
    for name in kept[0]:
        pairs = zip(kept[0][name], kept[1][name], strict=True)
        differences[name] = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    return differences


def batches(story: ModuleType, num_rows: int, batch_size: int, epochs: int) -> list[list[list[list[int]]]]:
    """Return for each pass over TensorFlow's input its batches: row numbers and labels."""
    from digits.training.recipe import Recipe
    from models.tensorflow.training import index_batches

    rows = np.arange(num_rows, dtype=np.int64) * 2  # as if every second row were held out
    labels = (np.arange(2 * num_rows) % 7).astype(np.uint8)
    source = index_batches(rows, labels, Recipe(epochs=epochs, batch_size=batch_size, seed=5), 0)
    return [[[part.numpy().tolist() for part in batch] for batch in source] for _ in range(epochs)]


def scheduled_rates(story: ModuleType, cases: list[tuple[str, int]]) -> list[list[float]]:
    """Return the learning rates of PyTorch's own schedulers, peak 0.01, in each step of the cases: (name, steps)."""
    import torch

    found = []
    for name, steps in cases:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
        scheduler = (
            torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
            if name == "one-cycle"
            else torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        )
        rates = []
        for step in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step < steps - 1:
                scheduler.step()
        found.append(rates)
    return found


def plateau_rates(story: ModuleType, cases: list[tuple[int, list[float]]]) -> list[list[float]]:
    """Return the learning rate, at first 1, that keras.callbacks.ReduceLROnPlateau sets after each epoch."""
    import keras

    found = []
    for patience, losses in cases:
        callback = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=patience, min_delta=0)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1.0))
        callback.set_model(model)
        callback.on_train_begin()
        rates = []
        for epoch, loss in enumerate(losses):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            rates.append(float(model.optimizer.learning_rate))
        found.append(rates)
    return found


def orders_asked_for(story: ModuleType) -> list[int]:
    """Return the epochs whose order of the rows a training of three asks for, from 360 rows in 45 steps each."""
    from digits.data.datasets import Dataset
    from digits.training.options import Options
    from digits.training.recipe import Recipe

    asked: list[int] = []

    def recording(rows: np.ndarray, seed: int, epoch: int, batch_size: int) -> np.ndarray:
        asked.append(epoch)
        return true_order(rows, seed, epoch, batch_size)

    asking = story if story.__name__ == "mnist_pytorch" else import_module("models.tensorflow.training")
    true_order, asking.epoch_order = asking.epoch_order, recording
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (400, 28, 28), np.uint8), np.arange(400, dtype=np.uint8) % 10
    dataset = Dataset("noise", images, labels, images[:0], labels[:0], tuple("0123456789"), "")
    device = story.set_up("cpu", 0)
    recipe = Recipe(batch_size=8)
    story.train(story.make_model(Options(recipe), 10), dataset, recipe, device)
    return asked


if __name__ == "__main__":
    answer_as_process(globals())
