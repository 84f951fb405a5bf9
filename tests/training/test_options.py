"""The command line of the training scripts: made from the Recipe, and made back into it."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path

import pytest
from framework_process import PACKAGES, run_forked, run_training
from hypothesis import example, given
from hypothesis import strategies as st
from make_runs import make_run
from paths import ROOT
from recipes import RECIPES_OF_ANY_KIND

from digits.command_line import flat_fields, option
from digits.data import CATALOGUE
from digits.runs import STANDARD, name_problem
from digits.training.naming import differences, run_path
from digits.training.options import GROUPS, Options, command_line, parse_options, settle_precision
from digits.training.recipe import RECIPES, Augmentation, Recipe, find_problem

BLOCKED = [package for packages in PACKAGES.values() for package in packages]
# What file names can hold, a leading dash and quotes included.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
PATHS = st.one_of(NAMES, NAMES.map(lambda name: f"-{name}")).map(Path)
OPTIONS = st.builds(
    Options,
    recipe=RECIPES_OF_ANY_KIND,
    dataset=st.sampled_from(list(CATALOGUE)),
    device=st.sampled_from(["auto", "cpu", "cuda"]),
    data_dir=PATHS,
    output_dir=PATHS,
    log_dir=st.none() | PATHS,
    name=st.none() | NAMES.filter(lambda name: name_problem(name) is None),
    evaluate_on=st.sampled_from(["test", "validation"]),
)


def parse(words: str) -> Options:
    return parse_options("A test.", shlex.split(words))


def test_no_options_mean_the_specification() -> None:
    assert parse("") == Options(Recipe())
    assert Recipe() == RECIPES["cnn"]
    recipe = Recipe()
    assert (recipe.filters, recipe.dense, recipe.dropout) == ((16, 32), (128,), 0.25)
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer, recipe.learning_rate) == (3, 64, "adam", 1e-3)
    options = Options(recipe)
    assert (options.dataset, options.data_dir, options.output_dir) == ("mnist", Path("mnist_data"), Path("outputs"))


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.precision != "auto"])
def test_a_model_brings_its_recipe(name: str) -> None:
    assert parse(f"--model {name}") == parse(f"--model={name}") == Options(RECIPES[name])


def test_every_option_is_taken() -> None:
    options = parse(
        "--dataset kmnist --model deep-cnn --filters 8 16 32 --dense 64 32 --dropout 0.1 --epochs 7 --batch-size 32 "
        "--optimizer sgd --learning-rate 3e-4 --betas 0.5 0.6 --label-smoothing 0.1 --ema 0.9 --early-stopping 2 "
        "--reduce-on-plateau 4 --no-keep-best --augment --rotation 5 --flip 0.5 --seed 4 --validation-fraction 0.2 "
        "--precision bfloat16 --parity --init-from 'a run' --new-head --freeze-features --resume --device cpu "
        "--data-dir 'my data' --output-dir /runs --log-dir logs"
    )
    recipe = Recipe(
        "deep-cnn",
        filters=(8, 16, 32),
        dense=(64, 32),
        dropout=0.1,
        epochs=7,
        batch_size=32,
        optimizer="sgd",
        learning_rate=3e-4,
        betas=(0.5, 0.6),
        label_smoothing=0.1,
        ema=0.9,
        early_stopping=2,
        reduce_on_plateau=4,
        augment=True,
        augmentation=Augmentation(rotation=5, flip=0.5),
        seed=4,
        validation_fraction=0.2,
        precision="bfloat16",
        parity=True,
    )
    assert options == Options(
        recipe,
        dataset="kmnist",
        init_from=Path("a run"),
        new_head=True,
        freeze_features=True,
        resume=True,
        device="cpu",
        data_dir=Path("my data"),
        output_dir=Path("/runs"),
        log_dir=Path("logs"),
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--epochs -1", "--epochs -1 must"),
        ("--epochs 1.5", "--epochs 1.5 must"),
        ("--epochs 10000000000000000000", "--epochs 10000000000000000000 must"),
        (f"--epochs {'9' * 5000}", f"--epochs {'9' * 60} must"),
        ("--batch-size 100000000000000000000", "--batch-size 100000000000000000000 must"),
        ("--filters 100000 100000", "--filters 100000 100000 must"),
        ("--dense 1000000000", "--dense 1000000000 must"),
        ("--model deep-cnn --filters 1 2 x", "--filters 1 2 x must"),
        ("--batch-size -1", "--batch-size -1 must"),
        ("--learning-rate 0", "--learning-rate 0 must"),
        ("--learning-rate nan", "--learning-rate nan must"),
        ("--learning-rate inf", "--learning-rate inf must be a finite number."),
        ("--betas 0.9 nan", "--betas 0.9 nan must be a finite number."),
        ("--learning-rate 1e39", "--learning-rate 1e39 must be at most 1e+38."),
        ("--learning-rate fast", "--learning-rate fast must"),
        ("--validation-fraction 1", "--validation-fraction 1 must"),
        ("--validation-fraction -0.1", "--validation-fraction -0.1 must"),
        ("--validation-fraction nan", "--validation-fraction nan must"),
        ("--seed -1", "--seed -1 must"),
        ("--seed 4294967296", "--seed 4294967296 must"),
        ("--filters 0 32", "--filters 0 32 must"),
        ("--filters 16", "--filters of cnn must"),
        ("--model mlp --dense 64", "--dense of mlp must"),
        ("--model vit --dense 30 60", "--dense 30 of vit must"),
        ("--dropout 1", "--dropout 1 must"),
        ("--ema 1", "--ema 1 must"),
        ("--weight-decay -1", "--weight-decay -1 must"),
        ("--augment --rotation -1", "--rotation -1 must"),
        *((f"--augment --{name} 1e308", f"--{name} 1e308 must") for name in vars(Augmentation())),
        *((f"--{name} 1", f"--{name} must") for name in vars(Augmentation())),
        ("--model deep-cnn --augment --no-augment --rotation 5", "--rotation must"),
        ("--smoothness 0", "--smoothness 0 must"),
        ("--new-head", "--new-head must"),
        ("--evaluate-on validation --validation-fraction 0", "--evaluate-on validation must"),
        ("--evaluate-on validation --model fast", "--evaluate-on validation must"),
        ("--evaluate-on train", "--evaluate-on train must"),
        ("--name a/b", "--name a/b becomes"),
        ("--name ..", "--name .. becomes"),
        ("--name ''", "--name  becomes"),
        (f"--name {'x' * 101}", f"--name {'x' * 101} becomes"),
        ("--freeze-features", "--freeze-features must"),
        ("--reduce-on-plateau 1 --schedule cosine", "--reduce-on-plateau must"),
        ("--keep-best --validation-fraction 0", "--keep-best must"),
        ("--optimizer sgd --weight-decay 0.1", "--weight-decay must"),
        ("--model transformer", "--model transformer must"),
        ("--precision float16", "--precision float16 must"),
        ("--device tpu", "--device tpu must"),
        ("--device mps --precision float64", "--device mps does not compute in float64"),
        ("--epochs", "--epochs: expected one argument"),
        ("--betas 0.9", "--betas: expected 2 arguments"),
        ("--nothing-like-it 0.9", "there is no option --nothing-like-it; --help lists all."),
        ("extra", "'extra' is not expected"),
    ],
)
def test_bad_options_exit_2_and_are_named(words: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(words)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert named in err
    assert err.startswith(f"error: {named}")
    assert err.endswith(".\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--lr 0.1", "--learning-rate"),
        ("--lr=0.1", "--learning-rate"),
        ("--bs 3", "--batch-size"),
        ("--learning_rate 0.1", "--learning-rate"),
        ("--epoch 3", "--epochs"),
        ("--keep-bset", "--keep-best"),
        ("--outputs x", "--output-dir"),
        ("--no-augmented", "--augment"),
    ],
)
def test_a_near_miss_gets_a_suggestion(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(typed)
    assert exit_.value.code == 2
    word = typed.split()[0].partition("=")[0]
    assert capsys.readouterr().err == f"error: there is no option {word}; did you mean {meant}?\n"


@given(RECIPES_OF_ANY_KIND)
def test_no_problem_with_a_recipe_in_range(recipe: Recipe) -> None:
    assert find_problem(recipe) is None


@pytest.mark.parametrize(
    "changes",
    [{"epochs": -1}, {"batch_size": 0}, {"learning_rate": float("nan")}, {"validation_fraction": 1}, {"seed": -1}],
)
def test_no_recipe_is_out_of_range(changes: dict[str, float]) -> None:
    (name,) = changes
    with pytest.raises(ValueError, match=f"Recipe\n{name}\n"):
        dataclasses.replace(Recipe(), **changes)


def test_every_option_is_in_one_group_of_the_help() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted([*grouped, "list_models"]) == sorted(name for name, _, _ in flat_fields(Options(Recipe())))


@example(Options(Recipe(), output_dir=Path("--"), data_dir=Path("-")))
@given(OPTIONS)
def test_recorded_command_gives_the_options_back(options: Options) -> None:
    python, script, *words = shlex.split(command_line("mnist_pytorch.py", options))
    assert (python, script) == ("python", "mnist_pytorch.py")
    assert parse_options("A test.", words) == options


def test_recorded_command_leaves_defaults_out() -> None:
    options = Options(dataclasses.replace(Recipe(), seed=3), "fashion-mnist")
    command = "python mnist_tensorflow.py --dataset fashion-mnist --model cnn --seed 3"
    assert command_line("mnist_tensorflow.py", options) == command


def folder_of(words: str) -> str:
    return str(run_path(parse(words), "pytorch"))


def test_default_recipes_have_plain_names_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for bfloat16 in (False, True):  # which is what `fast` trains in where the processor has it
        monkeypatch.setattr("digits.training.recipe.has_bfloat16", lambda answer=bfloat16: answer)
        for name in RECIPES:
            assert folder_of(f"--model {name} --seed 2 --device cpu") == f"outputs/mnist-{name}-pytorch-s2"
        assert folder_of("--model fast --precision bfloat16").endswith("fast-pytorch") == bfloat16
        assert folder_of("--model fast --precision float32").endswith("fast-pytorch") != bfloat16


@pytest.mark.parametrize("bfloat16", [False, True])
def test_auto_precision_is_that_of_the_device_and_not_of_the_processor(
    bfloat16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digits.training.recipe.has_bfloat16", lambda: not bfloat16)
    monkeypatch.setattr("digits.training.recipe._device_has_bfloat16", None)
    options = settle_precision(parse("--model fast --device cuda"), bfloat16)
    assert options.recipe.precision == ("bfloat16" if bfloat16 else "float32")
    assert run_path(options, "pytorch").name == "mnist-fast-pytorch"


def test_names_of_other_trainings() -> None:
    words = "--model mlp --dataset kmnist --seed 1 --parity --dense 32 64 --output-dir here"
    assert folder_of(words) == "here/kmnist-mlp-pytorch-s1-parity+dense=32x64"
    assert folder_of("--epochs 1 --augment --rotation 5") == "outputs/mnist-cnn-pytorch+epochs=1+augment+rotation=5"
    assert folder_of("--epochs 3 --learning-rate 1e-3 --augment --no-augment") == "outputs/mnist-cnn-pytorch"
    for start in ("some/run", "some/run/weights.safetensors"):
        options = parse(f"--init-from {start} --new-head --freeze-features --evaluate-on validation")
        assert differences(options) == {
            "init_from": "run",
            "new_head": True,
            "freeze_features": True,
            "evaluate_on": "validation",
        }
    assert folder_of("--name mine --epochs 1 --output-dir here") == "here/mine"


def test_a_network_with_other_layers_has_another_name(tmp_path: Path) -> None:
    options = parse(f"--epochs 2 --output-dir {tmp_path}")
    usual, other = ({"fingerprint": "x", "default_fingerprint": one, "layers": {}} for one in (STANDARD["cnn"], "abc"))
    plain = tmp_path / "mnist-cnn-pytorch+epochs=2"
    assert run_path(options, "pytorch", usual) == run_path(options, "pytorch") == plain
    assert run_path(options, "pytorch", other).name == "mnist-cnn-pytorch+epochs=2+layers=abc"
    assert run_path(dataclasses.replace(options, name="mine"), "pytorch", other).name == "mine"
    # In the place of the project's network lies another: nothing there is replaced.
    path = make_run(tmp_path, folder=plain.name)
    assert run_path(options, "pytorch", usual) == path
    info = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**info, "architecture": other}))
    assert run_path(options, "pytorch", usual).name == f"{path.name}+layers={STANDARD['cnn'][:8]}"


def test_help_needs_no_framework(framework: str, tmp_path: Path) -> None:
    done = run_training(framework, "--help", cwd=tmp_path, blocked=BLOCKED)
    assert (done.returncode, done.stderr) == (0, "")
    for name, _, _ in flat_fields(Options(Recipe())):
        assert f"\n  {option(name)}" in done.stdout
    for title in GROUPS:
        assert f"\n{title}:\n" in done.stdout


def test_mistyped_option_needs_no_framework(framework: str, tmp_path: Path) -> None:
    done = run_training(framework, "--epochs", "-1", cwd=tmp_path, blocked=BLOCKED)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --epochs -1 must be at least 0.\n"


@pytest.mark.training
def test_list_of_models_counts_the_parameters(framework: str, tmp_path: Path) -> None:
    done = run_forked(framework, "--list-models", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    listed = re.findall(r"^(\S+) +([\d,]+)(?: \+ ([\d,]+))? ", done.stdout, re.MULTILINE)
    numbers = {name: sum(int(part.replace(",", "")) for part in parts if part) for name, *parts in listed}
    assert list(numbers) == list(STANDARD)
    for name, number in numbers.items():
        assert f"| `{name}` | {number:,} |" in page
