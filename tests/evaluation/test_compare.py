"""Several runs: grouped by what they were tested on, compared image by image, and summed up over seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_runs import make_run

from mnist_twice.errors import UserError
from mnist_twice.evaluation.compare import compare_pair, compare_runs, holm, paired_test, why_not_compared
from mnist_twice.evaluation.tables import recipes_as_csv
from mnist_twice.runs.run import Run, read_run

LABELS = np.arange(200) % 10


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Run]:
    """Give a function that makes a run and reads it; `info` changes what run.json records."""

    def make_one(dataset: str = "mnist", framework: str = "pytorch", *, info: Any = None, **options: Any) -> Run:
        options = {"labels": LABELS, "error_rate": 0.1, **options}
        run = read_run(make_run(tmp_path, dataset, framework, **options))
        return dataclasses.replace(run, info={**run.info, **(info or {})})

    return make_one


def run_with(predictions: list[int], labels: list[int], name: str, **info: Any) -> Run:
    """Return a run of three classes that exists in memory alone; its confidence falls from image to image."""
    info = {"dataset": "toy", "model": "cnn", "framework": "pytorch", "seed": 0, "class_names": ["a", "b", "c"], **info}
    sure = np.linspace(0.9, 0.6, len(labels))
    probabilities = np.repeat((1 - sure[:, None]) / 2, 3, axis=1)
    probabilities[np.arange(len(labels)), predictions] = sure
    probabilities = probabilities.astype(np.float32)
    return Run(Path(name), info, np.array(predictions), probabilities, np.array(labels), [])


def test_a_pair_by_hand() -> None:
    labels = [0, 0, 0, 1, 1, 1, 2]
    a = run_with([0, 0, 1, 1, 2, 0, 0], labels, "a")
    b = run_with([0, 1, 2, 1, 1, 2, 0], labels, "b")
    # right by a: images 0 1 3; right by b: images 0 3 4; both wrong: 2 (1 against 2), 5 (0 against 2), 6 (both 0)
    pair = compare_pair(a, b)
    assert (pair.n, pair.both_right, pair.only_a_right, pair.only_b_right, pair.both_wrong) == (7, 2, 1, 1, 3)
    assert pair.disagreements.tolist() == [1, 2, 4, 5]
    assert pair.both_wrong_images.tolist() == [2, 5, 6]
    assert (pair.p_value, pair.significant) == (1, False)
    sentence = "'a' and 'b' are equally accurate: each is correct on 1 of 7 images on which the other is wrong."
    assert pair.verdict == sentence


def test_a_difference_that_means_nothing_is_called_so() -> None:
    labels = [0] * 100
    a, b = run_with([0] * 94 + [1] * 6, labels, "a"), run_with([1] * 10 + [0] * 90, labels, "b")
    pair = compare_pair(a, b)
    assert (pair.only_a_right, pair.only_b_right) == (10, 6)
    assert not pair.significant
    assert "'a' classifies 4 more of 100 images correctly than 'b'" in pair.verdict
    assert "45 %" in pair.verdict  # 2 * P(at most 6 of 16) = 0.4545
    assert "the difference is not significant." in pair.verdict
    # The standard error of 10 times 1 and 6 times -1 in 100, and one differing image more.
    reach = 1.959964 * np.hypot(np.sqrt(0.16 - 0.04**2) / 10, 0.01)
    assert pair.interval == pytest.approx((0.04 - reach, 0.04 + reach))
    assert "4.00 percentage points, 95 % interval -4.04 to 12.04" in pair.verdict
    assert "4.00 percentage points, 95 % interval -4.04 to 12.04" in compare_pair(b, a).verdict


def test_a_tiny_probability_is_not_written_in_digits() -> None:
    good, bad = run_with([0] * 100, [0] * 100, "good"), run_with([1] * 100, [0] * 100, "bad")
    assert (
        "with a probability below 0.01 % (exact McNemar test): the difference is significant."
        in compare_pair(good, bad).verdict
    )


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1, 1]


@given(st.lists(st.integers(-5, 5), max_size=9))
def test_the_paired_test_tries_all_signs(differences: list[int]) -> None:
    sums = [abs(sum(signed)) for signed in product(*((one, -one) for one in differences))]
    observed = abs(sum(differences))
    assert paired_test(np.array(differences, np.int64)) == pytest.approx(np.mean([one >= observed for one in sums]))


def test_one_writer_who_is_misread_again_and_again_is_no_evidence() -> None:
    labels = [0] * 40
    good, bad = run_with([0] * 40, labels, "good"), run_with([0] * 30 + [1] * 10, labels, "bad")
    assert compare_pair(good, bad).significant
    everybody = np.stack([np.arange(40) // 10, np.zeros(40)], axis=1).astype(np.int32)
    good, bad = (dataclasses.replace(run, writers=everybody) for run in (good, bad))
    pair = compare_pair(good, bad)
    assert (pair.writers, pair.p_value, pair.significant) == (4, 1, False)
    assert "with a probability of 100 % (paired test over 4 writers)" in pair.verdict
    assert pair.interval[0] < 0 < pair.interval[1]
    # Where each image has a writer of its own, both tests are one.
    alone = np.stack([np.arange(40), np.zeros(40)], axis=1).astype(np.int32)
    pair = compare_pair(*(dataclasses.replace(run, writers=alone) for run in (good, bad)))
    assert pair.p_value == pytest.approx(2 * 0.5**10)


def test_without_the_same_writers_in_both_runs_mcnemar_decides() -> None:
    labels, writers = [0] * 40, np.zeros((40, 2), np.int32)
    good, bad = run_with([0] * 40, labels, "good"), run_with([0] * 30 + [1] * 10, labels, "bad")
    for pair in (
        compare_pair(dataclasses.replace(good, writers=writers), bad),
        compare_pair(dataclasses.replace(good, writers=writers), dataclasses.replace(bad, writers=writers + 1)),
    ):
        assert (pair.writers, pair.p_value) == (None, pytest.approx(2 * 0.5**10))
        assert "(exact McNemar test): the difference is significant." in pair.verdict


def test_runs_are_grouped_by_what_they_were_tested_on(make: Callable[..., Run]) -> None:
    runs = [make(), make("fashion-mnist"), make(framework="tensorflow"), make("fashion-mnist", "tensorflow")]
    digits, fashion = comparisons = compare_runs(runs)
    assert [run.name for run in digits.runs] == ["mnist-cnn-pytorch", "mnist-cnn-tensorflow"]
    assert [run.dataset for run in fashion.runs] == ["fashion-mnist"] * 2
    [pair] = digits.pairs
    assert (pair.a.framework, pair.b.framework) == ("pytorch", "tensorflow")
    assert why_not_compared(comparisons) == [
        f"'mnist-cnn-pytorch' (and 1 more) on 200 test images of mnist (fingerprint {digits.fingerprint[:8]})",
        f"'fashion-mnist-cnn-pytorch' (and 1 more) on 200 test images of fashion-mnist (fingerprint "
        f"{fashion.fingerprint[:8]})",
    ]
    assert why_not_compared([digits]) == []


@pytest.mark.parametrize(
    ("info", "fact"),
    [
        ({"dataset_fingerprint": "f" * 64}, "test images of mnist (fingerprint ffffffff)"),
        ({"dataset_fingerprint": ""}, "(fingerprint not recorded, so train again)"),
        ({"class_names": list("abcdefghij")}, "'mnist-cnn-tensorflow' on 200 test images of mnist"),
    ],
)
def test_other_images_are_told(make: Callable[..., Run], info: dict[str, Any], fact: str) -> None:
    comparisons = compare_runs([make(), make(framework="tensorflow", info=info)])
    assert [(len(group.runs), group.pairs) for group in comparisons] == [(1, []), (1, [])]
    assert fact in why_not_compared(comparisons)[1]


def test_validation_runs_are_compared_on_the_same_images_alone(make: Callable[..., Run]) -> None:
    """The labels are equal throughout: of a dataset sorted by class, every split gives the same ones."""

    def evaluated(fraction: float, seed: int, framework: str = "pytorch") -> Run:
        held_out = {"validation_fraction": fraction, "split": "random", "seed": seed}
        return make(framework=framework, seed=seed, folder=f"{framework}-{seed}-{fraction}", held_out=held_out)

    runs = [make(), evaluated(0.1, 0), evaluated(0.1, 0, "tensorflow"), evaluated(0.1, 1), evaluated(0.2, 0)]
    comparisons = compare_runs(runs)
    assert [len(group.runs) for group in comparisons] == [1, 2, 1, 1]
    assert [len(group.pairs) for group in comparisons] == [0, 1, 0, 0]
    test, *others = why_not_compared(comparisons)
    assert "on 200 test images" in test
    held_out = (("0-0.1' (and 1 more)", 0.1, 0), ("1-0.1'", 0.1, 1), ("0-0.2'", 0.2, 0))
    for text, (name, fraction, seed) in zip(others, held_out, strict=True):
        images = f"200 validation images of mnist (validation fraction {fraction}, split random, seed {seed}, "
        assert text.startswith(f"'pytorch-{name} on {images}fingerprint ")


def test_frameworks_are_compared_on_one_model_seed_and_recipe(make: Callable[..., Run]) -> None:
    runs = [make(framework=one, model=model) for one in ("tensorflow", "pytorch") for model in ("cnn", "mlp")]
    runs += [make(seed=1), make(framework="tensorflow", seed=2)]
    longer = {"recipe": {**make().recipe, "epochs": 9}}
    runs += [make(folder="long", info=longer), make(framework="tensorflow", folder="long-tf", info=longer)]
    [group] = compare_runs(runs)
    assert sorted((pair.a.name, pair.b.name) for pair in group.pairs) == [
        ("long", "long-tf"),
        *((f"mnist-{name}-pytorch", f"mnist-{name}-tensorflow") for name in ("cnn", "mlp")),
    ]
    assert all(pair.recipe_differences == [] for pair in group.pairs)
    assert all("other seeds" in pair.verdict for pair in group.pairs if pair.only_a_right != pair.only_b_right)


def test_what_a_recipe_consists_of_is_compared_part_by_part(make: Callable[..., Run]) -> None:
    recipe = make().recipe
    more = {**recipe, "augmentation": {**recipe["augmentation"], "rotation": 5.0}, "filters": [8, 16]}
    [group] = compare_runs([make(), make(framework="tensorflow", info={"recipe": more})])
    assert group.pairs[0].recipe_differences == [
        "filters 16 32 against 8 16",
        "augmentation rotation 10.0 against 5.0",
    ]
    [group] = compare_runs([make(), make(framework="tensorflow", info={"init_from": "fashion-mnist-cnn-pytorch"})])
    assert group.pairs[0].recipe_differences == ["init from none against fashion-mnist-cnn-pytorch"]


def test_runs_of_another_network_code_are_told_apart(make: Callable[..., Run]) -> None:
    def edited(seed: int, framework: str = "pytorch", code: str = "c0ffee00") -> Run:
        return make(framework=framework, seed=seed, info={"network_code": code})

    [group] = compare_runs([make(seed=0), make(seed=1), edited(0), edited(1), edited(0, "tensorflow", "ab")])
    found = {one.differences: one.seeds for one in group.recipes if one.framework == "pytorch"}
    assert found == {"network code not recorded": [0, 1], "network code c0ffee00": [0, 1]}
    assert [one.differences for one in group.recipes if one.framework == "tensorflow"] == [""]
    assert compare_pair(edited(0), edited(0, code="d0")).recipe_differences == ["the code of the network"]
    assert compare_pair(edited(0), edited(0, "tensorflow", "ab")).recipe_differences == []


def test_a_pair_that_is_asked_for_replaces_the_frameworks(make: Callable[..., Run]) -> None:
    runs = [make(), make(framework="tensorflow"), make(seed=1), make("fashion-mnist")]
    digits, clothes = compare_runs(runs, (runs[2], runs[0]))
    assert [(pair.a, pair.b) for pair in digits.pairs] == [(runs[2], runs[0])]
    assert (digits.chosen, clothes.chosen, clothes.pairs) == (True, False, [])
    with pytest.raises(UserError, match=r"same images.*'mnist-cnn-pytorch' on 200 test images .*; 'fashion-mnist"):
        compare_runs(runs, (runs[0], runs[3]))


def test_seeds_of_one_recipe_are_summed_up(make: Callable[..., Run]) -> None:
    runs = [make(seed=seed) for seed in (2, 0, 1)] + [make(framework="tensorflow")]
    [group] = compare_runs(runs)
    summary, alone = sorted(group.recipes, key=lambda one: one.framework)
    accuracies = [run.accuracy for run in runs[:3]]
    assert (summary.differences, summary.seeds) == ("", [0, 1, 2])
    assert summary.mean == pytest.approx(np.mean(accuracies))
    assert summary.standard_deviation == pytest.approx(np.std(accuracies, ddof=1))
    assert group.recipes[0].mean == max(summary.mean, alone.mean)
    _, *lines = recipes_as_csv(group.recipes).splitlines()
    numbers = f"{summary.mean},{summary.standard_deviation},{min(accuracies)},{max(accuracies)}"
    assert sorted(lines) == [
        f"cnn,pytorch,,3,0 1 2,{numbers}",
        f"cnn,tensorflow,,1,0,{runs[3].accuracy},,{runs[3].accuracy},{runs[3].accuracy}",
    ]


def test_another_recipe_is_no_further_seed_and_a_copy_is_no_further_evidence(make: Callable[..., Run]) -> None:
    first = make()
    slower = make(seed=1)
    slower = dataclasses.replace(slower, info={**slower.info, "recipe": {**slower.recipe, "learning_rate": 1e-4}})
    copy = make(folder="kept")
    [group] = compare_runs([first, slower, copy])
    assert {one.differences: one.seeds for one in group.recipes} == {
        "learning rate 0.001": [0],
        "learning rate 0.0001": [1],
    }
    [group] = compare_runs([first, copy, make(seed=5)])
    assert [[run.name for run in one.runs] for one in group.recipes] == [["mnist-cnn-pytorch", "mnist-cnn-pytorch-s5"]]
