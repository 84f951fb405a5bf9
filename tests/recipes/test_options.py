"""The command line of the training scripts: made from the Recipe, and made back into it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT
from recipe_strategies import RECIPES_OF_ANY_KIND

from mnist_twice.command_line import flat_fields, option
from mnist_twice.names import command_text
from mnist_twice.recipes import (
    RECIPES,
    Augmentation,
    Options,
    Recipe,
    command_words,
    differences,
    name_problem,
    parse_options,
    run_name,
    run_path,
    settle_precision,
)
from mnist_twice.recipes.model_table import SOURCES
from mnist_twice.recipes.options import GROUPS

FRAMEWORKS = ("pytorch", "tensorflow")
# What file names can hold, a leading dash and quotes included.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
PATHS = st.one_of(NAMES, NAMES.map(lambda name: f"-{name}")).map(Path).filter(lambda path: str(path) != "--")
OPTIONS = st.builds(
    Options,
    recipe=RECIPES_OF_ANY_KIND,
    dataset=st.sampled_from(["mnist", "kmnist"]),
    device=st.sampled_from(["auto", "cpu", "cuda"]),
    data_dir=PATHS,
    log_dir=st.none() | PATHS,
    name=st.none() | NAMES.filter(lambda name: name_problem(name) is None),
    evaluate_on=st.sampled_from(["test", "validation"]),
)


def parse(words: str) -> Options:
    return parse_options("A test.", shlex.split(words))


def test_no_options_mean_the_specification() -> None:
    recipe = Recipe()
    assert parse("") == Options(recipe)
    assert (recipe.filters, recipe.dense, recipe.dropout) == ((16, 32), (128,), 0.25)
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer, recipe.learning_rate) == (3, 64, "adam", 1e-3)
    options = Options(recipe)
    assert (options.dataset, options.data_dir, options.output_dir) == ("mnist", Path("mnist_data"), Path("outputs"))


def test_options_are_taken() -> None:
    assert parse("--model deep-cnn") == parse("--model=deep-cnn") == Options(RECIPES["deep-cnn"])
    words = "--filters 8 16 --no-keep-best --augment --rotation 5 --init-from 'a run' --new-head --freeze-features"
    recipe = Recipe(filters=(8, 16), augment=True, augmentation=Augmentation(rotation=5))
    start = Options(recipe, init_from=Path("a run"), new_head=True, freeze_features=True)
    assert parse(words) == start
    assert parse(f"{words} --resume") == replace(start, resume=True)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (f"--epochs {'9' * 5000}", f"--epochs {'9' * 60} must"),
        ("--filters 16", "--filters of cnn must"),
        ("--model vit --dense 30 60", "--dense 30 of vit must"),
        ("--betas 0.9 nan", "--betas 0.9 nan must be numbers, not nan or inf."),
        ("--augment --rotation 1e308", "--rotation 1e308 must"),
        ("--rotation 5", "--rotation needs"),
        ("--new-head", "--new-head needs"),
        ("--evaluate-on validation --model fast", "--evaluate-on validation needs"),
        ("--name a/b", "--name a/b becomes"),
        ("--reduce-on-plateau 1 --schedule cosine", "--reduce-on-plateau needs"),
        ("--keep-best --validation-fraction 0", "--keep-best needs"),
        ("--optimizer sgd --weight-decay 0.1", "--weight-decay needs"),
        ("--device mps --precision float64", "--device mps does not compute in float64"),
        ("--lr=0.1", "there is no option --lr; did you mean --learning-rate?"),
    ],
)
def test_bad_options_exit_2_and_are_named(words: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(words)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"error: {named}")


@given(OPTIONS)
def test_recorded_command_gives_the_options_back(options: Options) -> None:
    python, script, *words = shlex.split(command_text(command_words("mnist_pytorch.py", options)))
    assert (python, script) == ("python", "mnist_pytorch.py")
    assert parse_options("A test.", words) == options


def folder_of(words: str) -> str:
    return str(run_path(parse(words), "pytorch"))


def test_default_recipes_have_plain_names_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for bfloat16 in (False, True):  # `fast` trains in it where the processor has it
        monkeypatch.setattr("mnist_twice.recipes.recipe.has_bfloat16", lambda answer=bfloat16: answer)
        for name in RECIPES:
            assert folder_of(f"--model {name} --seed 2 --device cpu") == f"outputs/mnist-{name}-pytorch-s2"
        assert folder_of("--model fast --precision bfloat16").endswith("fast-pytorch") == bfloat16
        assert folder_of("--model fast --precision float32").endswith("fast-pytorch") != bfloat16


@pytest.mark.parametrize("bfloat16", [False, True])
def test_auto_precision_is_that_of_the_device_and_not_of_the_processor(
    bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_twice.recipes.recipe.has_bfloat16", lambda: not bfloat16)
    monkeypatch.setattr("mnist_twice.recipes.recipe._bfloat16", None)
    recipe = settle_precision(RECIPES["fast"], bfloat16)
    assert recipe.precision == ("bfloat16" if bfloat16 else "float32")
    assert run_path(Options(recipe), "pytorch").name == "mnist-fast-pytorch"


def test_names_of_other_trainings() -> None:
    words = "--model mlp --dataset kmnist --seed 1 --parity --dense 32 64 --output-dir here"
    assert folder_of(words) == "here/kmnist-mlp-pytorch-s1-parity+dense=32x64"
    assert folder_of("--epochs 1 --augment --rotation 5") == "outputs/mnist-cnn-pytorch+epochs=1+augment+rotation=5"
    assert folder_of("--epochs 3 --learning-rate 1e-3 --augment --no-augment") == "outputs/mnist-cnn-pytorch"
    for start in ("some/run", "some/run/weights.safetensors"):
        options = parse(f"--init-from {start} --freeze-features --evaluate-on validation")
        assert differences(options) == {"init_from": "run", "freeze_features": True, "evaluate_on": "validation"}
    assert folder_of("--name mine --epochs 1 --output-dir here") == "here/mine"


@pytest.mark.parametrize(
    ("differences", "appended"),
    [
        ({"filters": [8, 16], "learning_rate": 0.003}, "+filters=8x16+learning_rate=0.003"),
        ({"augment": True, "rotation": 5.0}, "+augment+rotation=5"),
        ({"keep_best": False}, "+no_keep_best"),
        ({"betas": [0.0, 0.999], "learning_rate": 1e38}, "+betas=0x0.999+learning_rate=1e38"),
        ({"learning_rate": 1e-05}, "+learning_rate=1e-05"),
        ({"init_from": "mnist-cnn-tensorflow"}, "+init_from=mnist-cnn-tensorflow"),
        # Longer than 40 letters; ambiguous; not a name on Windows: the SHA-256 of the JSON below, by sha256sum.
        ({"epochs": 12, "schedule": "one-cycle", "label_smoothing": 0.1}, "+3-options-7521228f"),
        ({"init_from": "a+augment"}, "+1-options-58a9bca6"),
        ({"init_from": "a run?"}, "+1-options-73fd2561"),
        ({"init_from": "ends."}, "+1-options-d2086e04"),
    ],
)
def test_a_name_says_what_differs_from_the_default(differences: dict[str, object], appended: str) -> None:
    assert run_name("mnist", "cnn", "pytorch", 1, differences=differences) == f"mnist-cnn-pytorch-s1{appended}"


FORBIDDEN = ["--", "", ".", "..", ".hidden", "a/b", "/", "a\\b", "a\0b", "é" * 51, "a:b", "CON", "nul.x", "a.", "a "]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_a_user_cannot_call_a_run(name: str) -> None:
    assert name_problem(name)


HELP_AND_A_MISTAKE = """
import runpy, sys
sys.modules.update(dict.fromkeys(("torch", "torchvision", "tensorflow", "keras")))  # to import one of them fails
for script in sys.argv[1:]:
    for words in (["--help"], ["--epochs", "-1"]):
        sys.argv = [script, *words]
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as ended:
            print("status", ended.code)
"""


@pytest.mark.slow
def test_help_and_a_mistyped_option_need_no_framework() -> None:
    scripts = [str(ROOT / f"mnist_{name}.py") for name in FRAMEWORKS]
    command = [sys.executable, "-c", HELP_AND_A_MISTAKE, *scripts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert re.findall("^status .*", done.stdout, re.MULTILINE) == ["status 0", "status 2"] * 2
    assert done.stderr == "error: --epochs -1 must be at least 0.\n" * 2
    for name, _, _ in flat_fields(Options(Recipe())):
        assert done.stdout.count(f"\n  {option(name)}\n") + done.stdout.count(f"\n  {option(name)} ") == 2
    for title in GROUPS:
        assert done.stdout.count(f"\n{title}:\n") == 2


@pytest.mark.parametrize("framework", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in FRAMEWORKS])
def test_list_of_models_counts_the_parameters(framework: str, capsys: pytest.CaptureFixture[str]) -> None:
    import_module(f"mnist_twice.{framework}.files").list_models()
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    table = capsys.readouterr().out
    assert max(map(len, table.splitlines())) <= 120
    listed = re.findall(r"^(\S+) +([\d,]+)(?: \+ ([\d,]+))? ", table, re.MULTILINE)
    numbers = {name: sum(int(part.replace(",", "")) for part in parts if part) for name, *parts in listed}
    assert list(numbers) == list(SOURCES)
    for name, number in numbers.items():
        assert f"| `{name}` | {number:,} |" in page
