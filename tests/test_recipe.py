"""The command line of the training scripts: made from the Recipe, and made back into it."""

from __future__ import annotations

import dataclasses
import math
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wing_probe import PACKAGES, run_story

from digits.datasets import DATASETS
from digits.recipe import RECIPES, Options, Recipe, command_line, find_problem, parse_options

BLOCKED = [package for packages in PACKAGES.values() for package in packages]
RECIPES_OF_ANY_KIND = st.builds(
    Recipe,
    model=st.sampled_from(sorted(RECIPES)),
    epochs=st.integers(1, 10**6),
    batch_size=st.integers(1, 10**6),
    learning_rate=st.floats(0, exclude_min=True, allow_infinity=False),
    validation_fraction=st.floats(0, 1, exclude_max=True),
    seed=st.integers(0, 2**32 - 1),
    precision=st.sampled_from(["float32", "bfloat16"]),
)
# What file names can hold, a leading dash and quotes included.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
PATHS = st.one_of(NAMES, NAMES.map(lambda name: f"-{name}")).map(Path)
OPTIONS = st.builds(
    Options,
    recipe=RECIPES_OF_ANY_KIND,
    dataset=st.sampled_from(DATASETS),
    device=st.sampled_from(["auto", "cpu", "cuda"]),
    data_dir=PATHS,
    output_dir=PATHS,
)


def parse(words: str) -> Options:
    return parse_options("A test.", shlex.split(words))


def test_no_options_mean_r0() -> None:
    assert parse("") == Options(Recipe())
    assert Recipe() == RECIPES["cnn"] == Recipe("cnn", 3, 64, 1e-3, 0.1, 0, "float32")
    assert Options(Recipe()) == Options(Recipe(), "mnist", "auto", Path("mnist_data"), Path("outputs"))


def test_every_option_is_taken() -> None:
    options = parse(
        "--dataset kmnist --model cnn --epochs 7 --batch-size 32 --learning-rate 3e-4 --seed 4 --validation-fraction 0 "
        "--device cpu --precision bfloat16 --data-dir 'my data' --output-dir /runs"
    )
    recipe = Recipe("cnn", 7, 32, 3e-4, 0.0, 4, "bfloat16")
    assert options == Options(recipe, "kmnist", "cpu", Path("my data"), Path("/runs"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--epochs 0", "--epochs 0 must"),
        ("--epochs 1.5", "--epochs"),
        ("--batch-size -1", "--batch-size -1 must"),
        ("--learning-rate 0", "--learning-rate 0.0 must"),
        ("--learning-rate nan", "--learning-rate nan must"),
        ("--learning-rate inf", "--learning-rate inf must"),
        ("--learning-rate fast", "--learning-rate"),
        ("--validation-fraction 1", "--validation-fraction 1.0 must"),
        ("--validation-fraction -0.1", "--validation-fraction -0.1 must"),
        ("--validation-fraction nan", "--validation-fraction nan must"),
        ("--seed -1", "--seed -1 must"),
        ("--seed 4294967296", "--seed 4294967296 must"),
        ("--model vit", "--model"),
        ("--precision float16", "--precision"),
        ("--device tpu", "--device"),
        ("--epochs", "--epochs"),
        ("--momentum 0.9", "--momentum"),
        ("extra", "extra"),
    ],
)
def test_bad_options_exit_2_and_are_named(words: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(words)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    if named.endswith("must"):  # one of our own sentences, the others are tyro's
        assert err.startswith(f"error: {named} be ")
        assert err.endswith(".\n")
        assert err.count("\n") == 1


@given(RECIPES_OF_ANY_KIND)
def test_no_problem_with_a_recipe_in_range(recipe: Recipe) -> None:
    assert find_problem(recipe) is None


@pytest.mark.parametrize(
    "changes", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": math.nan}, {"validation_fraction": 1}, {"seed": -1}]
)
def test_each_problem_names_its_option(changes: dict[str, float]) -> None:
    (name,) = changes
    problem = find_problem(dataclasses.replace(Recipe(), **changes))
    assert problem is not None
    assert problem.startswith(f"--{name.replace('_', '-')} ")


@given(OPTIONS)
def test_recorded_command_gives_the_options_back(options: Options) -> None:
    python, script, *words = shlex.split(command_line("mnist_pytorch.py", options))
    assert (python, script) == ("python", "mnist_pytorch.py")
    assert parse_options("A test.", words) == options


def test_recorded_command_leaves_defaults_out() -> None:
    options = Options(dataclasses.replace(Recipe(), seed=3), "fashion-mnist")
    command = "python mnist_tensorflow.py --dataset fashion-mnist --model cnn --seed 3"
    assert command_line("mnist_tensorflow.py", options) == command


def test_help_needs_no_framework(framework: str, tmp_path: Path) -> None:
    done = run_story(framework, "--help", cwd=tmp_path, blocked=BLOCKED)
    assert (done.returncode, done.stderr) == (0, "")
    for field in (*dataclasses.fields(Recipe), *dataclasses.fields(Options)):
        assert field.name == "recipe" or f"--{field.name.replace('_', '-')}" in done.stdout


def test_mistyped_option_needs_no_framework(framework: str, tmp_path: Path) -> None:
    done = run_story(framework, "--epochs", "0", cwd=tmp_path, blocked=BLOCKED)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --epochs 0 must be at least 1.\n"
