"""The two runs that are shown side by side: twins where there are any, and what is unequal where there are none."""

from dataclasses import replace
from pathlib import Path

from linear_run import make_linear_run

from digits.prediction import differences, load_pair
from digits.recipes.recipe import RECIPES
from digits.runs import find_runs, read_runs


def pair(outputs: Path) -> list[str]:
    return [run.name for run in load_pair(read_runs(find_runs(outputs))[0], outputs)]


def test_twins_come_before_better_runs(tmp_path: Path) -> None:
    cnn, longer = RECIPES["cnn"], replace(RECIPES["cnn"], epochs=9)
    make_linear_run(tmp_path, error_rate=0.0, model="vgg")
    assert pair(tmp_path) == ["mnist-vgg-pytorch"]
    make_linear_run(tmp_path, dataset="mnist-sample", framework="tensorflow", error_rate=0.1)
    unequal = load_pair(read_runs(find_runs(tmp_path))[0], tmp_path)
    assert differences(*unequal)[:2] == ["dataset mnist against mnist-sample", "model vgg against cnn"]
    make_linear_run(tmp_path, dataset="mnist-sample", recipe=longer, error_rate=0.3, folder="longer")
    assert pair(tmp_path) == ["longer", "mnist-sample-cnn-tensorflow"]
    make_linear_run(tmp_path, dataset="mnist-sample", recipe=cnn, seed=1, error_rate=0.5)
    assert pair(tmp_path) == ["mnist-sample-cnn-pytorch-s1", "mnist-sample-cnn-tensorflow"]


def test_twins_of_which_one_cannot_be_used_are_passed_over(tmp_path: Path) -> None:
    for framework in ("pytorch", "tensorflow"):
        make_linear_run(tmp_path, framework=framework, error_rate=0.0)
        make_linear_run(tmp_path, framework=framework, model="mlp", error_rate=0.3)
    (tmp_path / "mnist-cnn-tensorflow" / "model.onnx").write_bytes(b"")
    assert pair(tmp_path) == ["mnist-mlp-pytorch", "mnist-mlp-tensorflow"]
