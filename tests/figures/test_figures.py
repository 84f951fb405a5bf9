"""The figures: what they say, that it can be read, and that their layout stays as it was looked at and approved."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figure_checks import all_texts, assert_readable, panels, words
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from make_runs import FASHION, make_run
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.testing.compare import compare_images

from digits.data.datasets import Dataset
from digits.evaluation.compare import PairComparison, compare_pair
from digits.evaluation.evaluate import evaluate_run
from digits.evaluation.label_errors import MNIST_TEST_LABEL_ERRORS
from digits.figures import fonts, style, text
from digits.figures.agreement import plot_agreement, plot_both_wrong, plot_disagreements
from digits.figures.classes import plot_calibration, plot_per_class_accuracy
from digits.figures.comparison import plot_comparison
from digits.figures.confusion import plot_confusion
from digits.figures.dataset import plot_augmentation, plot_class_distribution, plot_sample_images
from digits.figures.page import save_figure
from digits.figures.parity import can_show_parity, plot_parity, relative_differences
from digits.figures.predictions import chance, plot_correct_predictions, plot_incorrect_predictions
from digits.figures.style import FONT
from digits.figures.training import plot_training_curves
from digits.figures.writers import plot_writers
from digits.runs.run import Run, read_run
from digits.training.recipe import RECIPES, Recipe
from digits.training.schedule import is_best

pytestmark = pytest.mark.slow

BASELINES = Path(__file__).parent / "baselines"
LABELS = np.arange(1000) % 10
# Blobs in the place of images, so that nothing here needs a dataset; ten kinds.
GRID = np.mgrid[0:28, 0:28]
IMAGES = np.stack([255 * (np.hypot(GRID[0] - 8 - i, GRID[1] - 18 + i) < 4 + 0.5 * i) for i in range(10)] * 100).astype(
    np.uint8
)
LONG_NAMES = [f"class with a very long name, number {i}, $x_1$" for i in range(10)]


def make(tmp_path: Path, framework: str = "pytorch", **options: object) -> Run:
    options = {"labels": LABELS, "error_rate": 0.1, **options}
    return read_run(make_run(tmp_path, framework=framework, **options))  # type: ignore[arg-type]


def with_history(run: Run, rows: list[dict[str, float]]) -> Run:
    return replace(run, history=rows)


def epochs(number: int) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "train_loss": 0.5 / epoch,
            "train_accuracy": 1 - 0.2 / epoch,
            "validation_loss": 0.3 / epoch + 0.02 * epoch,
            "validation_accuracy": 0.97 - 0.01 * abs(epoch - 3),
        }
        for epoch in range(1, number + 1)
    ]


LOSSES = 2.3 * np.exp(-np.arange(120) / 30) + 0.1
DIFFERENCES = 1 + 1e-15 * np.where(np.arange(120) % 5, np.arange(120) ** 2, 0)


def parity_pair(tmp_path: Path, *losses: np.ndarray, recipe: Recipe | None = None) -> PairComparison:
    recipe = recipe or Recipe(parity=True, precision="float64", optimizer="sgd")
    frameworks = ("pytorch", "tensorflow")
    return compare_pair(
        *(make(tmp_path, name, recipe=recipe, losses=one) for name, one in zip(frameworks, losses, strict=True))
    )


def dataset_of(names: list[str]) -> Dataset:
    labels = LABELS.astype(np.uint8)
    return Dataset("fashion-mnist", IMAGES, labels, IMAGES[:500], labels[:500], tuple(names), "0" * 64)


WRITERS = np.stack([np.arange(1000) % 60, np.arange(1000) % 60 % 2 * 4], axis=1).astype(np.int32)


def all_figures(tmp_path: Path, class_names: list[str]) -> dict[str, Figure]:
    """Plot every kind of figure (the confusion matrices have tests of their own)."""
    a, b = (
        make(tmp_path, framework, dataset="fashion-mnist", class_names=class_names)
        for framework in ("pytorch", "tensorflow")
    )
    evaluation, pair, dataset = evaluate_run(a), compare_pair(a, b), dataset_of(class_names)
    return {
        "training_curves": plot_training_curves(with_history(a, epochs(5))),
        "per_class_accuracy": plot_per_class_accuracy(evaluation),
        "calibration": plot_calibration(evaluation),
        "incorrect_predictions": plot_incorrect_predictions(evaluation, IMAGES),
        "correct_predictions": plot_correct_predictions(evaluation, IMAGES),
        "comparison": plot_comparison([evaluation, evaluate_run(b)]),
        "parity": plot_parity(parity_pair(tmp_path, LOSSES, LOSSES * DIFFERENCES)),
        "agreement": plot_agreement(pair),
        "disagreements": plot_disagreements(pair, IMAGES),
        "both_wrong": plot_both_wrong(pair, IMAGES),
        "class_distribution": plot_class_distribution(dataset),
        "sample_images": plot_sample_images(dataset),
        "augmentation": plot_augmentation(dataset),
        "writers": plot_writers(evaluate_run(replace(a, writers=WRITERS)), IMAGES),
    }


# --- that they can be read ---


@pytest.mark.parametrize("class_names", [list("0123456789"), FASHION, LONG_NAMES], ids=["digits", "fashion", "long"])
def test_every_figure_can_be_read(tmp_path: Path, class_names: list[str]) -> None:
    for name, figure in all_figures(tmp_path, class_names).items():
        assert_readable(figure)
        assert min(text.get_fontsize() for text in all_texts(figure)) >= 9, name
        assert any(character.isdigit() for character in figure.texts[0].get_text()), name  # the title holds the number
        assert figure.get_label().startswith(figure.texts[0].get_text()[:10]), name  # and so do the words for the blind


@pytest.mark.parametrize("number", [2, 20])
def test_comparisons_of_few_and_many(tmp_path: Path, number: int) -> None:
    runs = [make(tmp_path, ["pytorch", "tensorflow"][i % 2], seed=i, error_rate=0.02 * (i + 1)) for i in range(number)]
    evaluations = [evaluate_run(run) for run in runs]
    figure = plot_comparison(evaluations)
    assert_readable(figure)
    best = max(run.accuracy for run in runs)
    assert f"{100 * best:.2f} %" in figure.texts[0].get_text()


@pytest.mark.parametrize("num_classes", [1, 2, 26, 47])
def test_other_numbers_of_classes(tmp_path: Path, num_classes: int) -> None:
    labels = np.arange(1000) % num_classes
    names = [f"class {i}" for i in range(num_classes)]
    evaluation = evaluate_run(make(tmp_path, labels=labels, class_names=names))
    for figure in (
        plot_per_class_accuracy(evaluation),
        plot_calibration(evaluation),
        plot_incorrect_predictions(evaluation, IMAGES),
        plot_correct_predictions(evaluation, IMAGES),
    ):
        assert_readable(figure)


def test_of_many_classes_the_matrix_is_an_image_and_the_worst_are_shown(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(700), 4)
    run = make(tmp_path, labels=labels, class_names=[f"class {i}" for i in range(700)], error_rate=0)
    predictions = run.predictions.copy()
    predictions[[0, 1, 4]] = 699  # two images of class 0, one of class 1
    run = replace(run, predictions=predictions)
    evaluation = evaluate_run(run)
    assert [(pair.true, pair.count) for pair in evaluation.top_confusions] == [("class 0", 2), ("class 1", 1)]
    assert evaluation.as_json()["confusions"] == [[0, 699, 2], [1, 699, 1]]
    figure = plot_confusion(run)
    for axes in panels(figure):
        assert not axes.texts
        (image,) = axes.images
        assert image.get_array()[0, -1, :3].mean() < 0.9  # as the diagonal, it is not white
        assert image.get_array()[-1, 0].tolist() == [1, 1, 1, 1]
    shown = plot_per_class_accuracy(evaluation)
    assert [label.get_text() for label in shown.axes[0].get_yticklabels()][:3] == ["class 0", "class 1", "class 2"]
    assert len(shown.axes[0].get_yticklabels()) == 50
    for one in (figure, shown):
        assert_readable(one)
    few = dataset_of([f"class {i}" for i in range(120)])
    assert "Shown: the 25 most frequent classes in training and the 25 rarest." in words(plot_class_distribution(few))


# --- what they say ---


def test_training_curves_mark_the_best_epoch(tmp_path: Path) -> None:
    figure = plot_training_curves(with_history(make(tmp_path), epochs(5)))
    assert "Best validation accuracy 97.00 %, in epoch 3 of 5" in words(figure)
    loss, accuracy = figure.axes
    lines = {line.get_label(): line for line in loss.lines}
    assert list(lines["training"].get_ydata()) == [row["train_loss"] for row in epochs(5)]
    assert list(lines["best epoch"].get_xdata()) == [3, 3]
    assert [line.get_label() for line in accuracy.lines] == ["training", "validation", "best epoch"]


@pytest.mark.parametrize(
    "rows",
    [
        epochs(1),
        epochs(200),
        [{"epoch": 1, "train_loss": 0.1, "train_accuracy": 0.9}],
    ],
    ids=["one", "many", "no validation"],
)
def test_training_curves_of_any_history(tmp_path: Path, rows: list[dict[str, float]]) -> None:
    assert_readable(plot_training_curves(with_history(make(tmp_path), rows)))


def test_the_best_epoch_is_the_one_that_is_kept(tmp_path: Path) -> None:
    rows = [
        {**row, "validation_accuracy": accuracy, "validation_loss": loss}
        for row, (accuracy, loss) in zip(
            epochs(5), [(0.9, 0.1), (0.95, 0.4), (0.95, 0.2), (0.95, 0.2), (0.9, 0.01)], strict=True
        )
    ]
    kept = with_history(make(tmp_path, recipe=replace(RECIPES["cnn"], keep_best=True)), rows)
    figure = plot_training_curves(kept)
    assert "accuracy 95.00 %, in epoch 3 of 5" in words(figure)
    assert "The weights of the best epoch are kept." in words(figure)
    assert [end for end in range(1, 6) if is_best(rows[:end])][-1] == 3  # as the trainings decide
    assert "The weights of the last epoch are kept." in words(plot_training_curves(with_history(make(tmp_path), rows)))


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-300, 1e308, -1e308])
def test_extreme_numbers_are_plotted(tmp_path: Path, value: float) -> None:
    rows = [
        {**row, **dict.fromkeys(("train_loss", "validation_accuracy", "learning_rate"), value)} for row in epochs(2)
    ]
    for history in (rows, [epochs(1)[0], rows[1]]):
        figure = plot_training_curves(with_history(make(tmp_path), history))
        assert_readable(figure)
        assert ("Values beyond 1e+30 are plotted as 1e+30." in words(figure)) == (abs(value) > 1e30)
    extremes = np.abs([value, 1.0, value, 5e-324])
    assert_readable(plot_parity(parity_pair(tmp_path, extremes, extremes[::-1])))


@pytest.mark.parametrize(("model", "panels"), [("cnn", 2), ("resnet", 3), ("fast", 2)])
def test_a_learning_rate_that_changes_is_shown(tmp_path: Path, model: str, panels: int) -> None:
    run = make(tmp_path, model=model)
    figure = plot_training_curves(run)
    assert_readable(figure)
    assert len(figure.axes) == panels
    if panels == 3:
        line = figure.axes[2].lines[0]
        assert list(line.get_ydata()) == [row["learning_rate"] for row in run.history]
        assert max(line.get_ydata()) > 10 * min(line.get_ydata())


def test_the_parity_of_two_trainings(tmp_path: Path) -> None:
    a, b = np.array([2.0, 1.0, 0.0, 0.0, 0.5, 9.0]), np.array([2.0, 1.25, 0.0, 0.1, 0.4])
    assert relative_differences(a, b) == pytest.approx([0, 0.25, 0, 1, 0.2])
    figure = plot_parity(parity_pair(tmp_path, LOSSES, LOSSES * DIFFERENCES))
    assert "Relative difference of the losses in the first 100 steps: at most 9.9e-12" in words(figure)  # not 1.4e-11
    assert (
        "The largest difference of all 120 steps is 1.5e-11. Green ticks mark 24 steps without any difference"
        in words(figure)
    )
    assert "Computed in float64, optimizer sgd, learning rate 0.001." in words(figure)
    above, below = figure.axes
    assert [line.get_label() for line in above.lines] == ["PyTorch", "TensorFlow"]
    points, ticks, rounding = below.lines
    assert len(points.get_xdata()) == 96
    assert list(ticks.get_xdata()) == list(range(1, 120, 5))
    assert rounding.get_ydata()[0] == 2**-53
    low, high = below.get_ylim()
    assert low < min(points.get_ydata()) / 10 < max(points.get_ydata()) < high


@pytest.mark.parametrize(
    ("losses", "title"),
    [
        ((LOSSES, LOSSES), "No difference between the losses of the first 100 steps"),
        ((LOSSES[:1], LOSSES[:1] * 3), "Relative difference of the losses in the first 1 step: at most 2.0e+00"),
        ((LOSSES, LOSSES[:50] * 1.01), "Relative difference of the losses in the first 50 steps: at most 1.0e-02"),
        ((np.zeros(2), np.zeros(2)), "No difference between the losses of the first 2 steps"),
        ((np.tile(LOSSES, 90), np.tile(LOSSES * 1.1, 90)), "Relative difference of the losses in the first 100 steps"),
    ],
    ids=["equal", "one step", "of other lengths", "zeros", "many"],
)
def test_the_parity_of_any_losses(tmp_path: Path, losses: tuple[np.ndarray, np.ndarray], title: str) -> None:
    for precision in ("float64", "bfloat16"):
        recipe = Recipe(parity=True, precision=precision)  # type: ignore[arg-type]
        figure = plot_parity(parity_pair(tmp_path, *losses, recipe=recipe))
        assert_readable(figure)
        assert title in words(figure)


def test_parity_is_shown_of_equal_trainings_with_losses_alone(tmp_path: Path) -> None:
    pair = parity_pair(tmp_path, LOSSES, LOSSES)
    assert can_show_parity(pair)
    assert not can_show_parity(parity_pair(tmp_path, LOSSES, LOSSES, recipe=Recipe()))
    assert not can_show_parity(parity_pair(tmp_path, LOSSES[:0], LOSSES[:0]))
    a, b = pair.a, pair.b
    for other in (
        replace(b, losses=None),
        replace(b, info={**b.info, "recipe": {**b.recipe, "epochs": 9}}),
        replace(b, info={**b.info, "init_from": "elsewhere"}),
    ):
        assert not can_show_parity(compare_pair(a, other))


def test_errors_come_with_the_most_confident_first_and_wrong_labels_marked(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, "mnist", labels=np.arange(10_000) % 10, error_rate=0))
    probabilities, predictions = run.probabilities.copy(), run.predictions.copy()
    known, other = MNIST_TEST_LABEL_ERRORS[2], 77
    for index, confidence in ((other, 0.995), (known, 0.9)):
        wrong = (run.labels[index] + 1) % 10
        probabilities[index] = (1 - confidence) / 9
        probabilities[index, wrong], predictions[index] = confidence, wrong
    run = replace(run, probabilities=probabilities, predictions=predictions)
    figure = plot_incorrect_predictions(evaluate_run(run), np.resize(IMAGES, (10_000, 28, 28)))
    assert "2 of 10,000 test images misclassified, the most confident error with a probability of 99.5 %" in words(
        figure
    )
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        *(f"{predictions[other]}  99.5 %", f"label {run.labels[other]}"),
        *(f"{predictions[known]}  90.0 %", f"label {run.labels[known]} ✗"),
    ]
    assert [patch.get_linewidth() > 2 for patch in axes.patches] == [False, True]
    assert "The label of 1 of all 2 is known to be wrong." in words(figure)
    assert "with such labels: 99.99 %; with them: 99.98 %" in words(figure)
    figure = plot_both_wrong(
        compare_pair(run, replace(run, path=tmp_path / "copy")), np.resize(IMAGES, (10_000, 28, 28))
    )
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts][2::3] == [
        f"label {run.labels[other]}",
        f"label {run.labels[known]} ✗",
    ]
    assert [patch.get_linewidth() > 2 for patch in axes.patches] == [False, True]
    assert "The label of 1 of all 2 is known to be wrong." in words(figure)


def test_a_run_without_errors_and_one_without_right_answers(tmp_path: Path) -> None:
    perfect = make(tmp_path, error_rate=0)
    assert "0 of 1,000 test images misclassified" in words(plot_incorrect_predictions(evaluate_run(perfect), IMAGES))
    assert "All test images of 10 classes classified correctly" in words(plot_per_class_accuracy(evaluate_run(perfect)))
    hopeless = replace(perfect, labels=(perfect.labels + 1) % 10)
    for plot in (plot_correct_predictions, plot_incorrect_predictions):
        assert_readable(plot(evaluate_run(hopeless), IMAGES))
    assert "0 of 1,000 test images classified correctly" in words(
        plot_correct_predictions(evaluate_run(hopeless), IMAGES)
    )
    pair = compare_pair(perfect, replace(perfect, path=tmp_path / "copy"))
    for plot_pair in (plot_disagreements, plot_both_wrong):
        assert_readable(plot_pair(pair, IMAGES))


def test_a_class_s_share_has_one_digit_and_is_100_only_without_errors(tmp_path: Path) -> None:
    run = make(tmp_path, labels=np.repeat([0, 1, 2], [5000, 100, 100]), class_names=["a", "b", "c"], error_rate=0)
    predictions = run.predictions.copy()
    predictions[[0, 5000, 5001]] = 2  # one a of 5,000 and two b of 100
    (axes,) = plot_per_class_accuracy(evaluate_run(replace(run, predictions=predictions))).axes
    assert [text.get_text() for text in axes.texts] == [
        " 99.9 %   1 of 5,000 wrong",
        " 98.0 %   2 of 100 wrong",
        "100.0 %   none wrong",
    ]


def test_the_agreement_matrix_holds_the_four_counts(tmp_path: Path) -> None:
    pair = compare_pair(make(tmp_path), make(tmp_path, "tensorflow"))
    shown = [text.get_text() for text in plot_agreement(pair).axes[0].texts]
    for count in (pair.both_right, pair.only_a_right, pair.only_b_right, pair.both_wrong):
        assert f"{count:,}" in shown
    figure = plot_disagreements(pair, IMAGES)
    assert f"different classes for {len(pair.disagreements):,} of 1,000" in words(figure)
    assert len(figure.axes[0].images) == min(40, len(pair.disagreements))


def test_a_sample_shows_forty_images_of_their_classes() -> None:
    figure = plot_sample_images(dataset_of(FASHION))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == FASHION * 4
    for image, label in zip(axes.images, list(range(10)) * 4, strict=True):
        assert np.array_equal(image.get_array(), IMAGES[label])


def test_probabilities_never_become_certainties() -> None:
    assert [chance(p) for p in (0.5, 0.9989, 0.99949, 0.99994, 0.99999, 1.0)] == [
        *("50.0 %", "99.9 %", "99.95 %", "99.99 %", ">99.99 %", ">99.99 %")
    ]


def test_writers_are_shown_with_their_errors(tmp_path: Path) -> None:
    evaluation = evaluate_run(replace(make(tmp_path, error_rate=0.1), writers=WRITERS))
    assert evaluation.writers is not None
    figure = plot_writers(evaluation, IMAGES)
    worst, errors = int(evaluation.writers.numbers[0]), int(evaluation.writers.errors[0])
    assert f"Writer {worst} (" in words(figure)
    assert next(bar.get_height() for bar in figure.axes[0].patches) == errors
    assert len(figure.axes[0].patches) == (evaluation.writers.errors > 0).sum()
    assert len(figure.axes) == 11
    shown = [text.get_text() for text in figure.axes[1].texts]
    assert sum(" as " in text for text in shown) == min(errors, 5)
    assert len(plot_writers(evaluation, None).axes) == 1
    nothing = evaluate_run(replace(make(tmp_path, error_rate=0), writers=WRITERS))
    assert "No image of 60 writers misclassified" in words(plot_writers(nothing, IMAGES))


# --- that their layout stays ---


@pytest.mark.parametrize(
    "name",
    [
        *("training_curves", "per_class_accuracy", "calibration", "incorrect_predictions"),
        *("comparison", "parity", "agreement"),
    ],
)
def test_layout(tmp_path: Path, name: str) -> None:
    """Compare with the file in tests/figures/baselines/, at a third of the size.

    After an intended change: look at each new figure, which the message names, then copy it over the old file.
    """
    small = tmp_path / f"{name}.png"
    save_figure(all_figures(tmp_path, FASHION)[name], small, dots_per_inch=50)
    assert imread(small).shape[1] < 600
    difference = compare_images(str(BASELINES / f"{name}.png"), str(small), tol=3)
    assert difference is None, difference


def test_a_moved_title_would_be_noticed(tmp_path: Path) -> None:
    figure = all_figures(tmp_path, FASHION)["calibration"]
    figure.texts[0].set_y(figure.texts[0].get_position()[1] - 0.05)
    save_figure(figure, tmp_path / "calibration.png", dots_per_inch=50)
    assert compare_images(str(BASELINES / "calibration.png"), str(tmp_path / "calibration.png"), tol=3) is not None


# --- names of classes in any script ---


def write_font(path: Path, family: str, characters: str) -> None:
    """Write a font in which each of these characters is a square."""
    font = FontBuilder(1000, isTTF=True)
    names = [".notdef", *(f"g{number}" for number in range(len(characters)))]
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(character): name for character, name in zip(characters, names[1:], strict=True)})
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    font.setupGlyf(dict.fromkeys(names, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(names, (900, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    font.setupPost()
    font.save(path)


def test_names_are_drawn_in_a_font_that_has_them_or_shown_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["一", "二", "नमस्ते", "مرحبا", "😀", "👨‍👩‍👧", "two\nlines", "3"]
    monkeypatch.setattr(fonts, "FONTS", [FONT])
    monkeypatch.setattr(text, "FONTS", fonts.FONTS)
    monkeypatch.setattr(style, "FONTS", fonts.FONTS)
    monkeypatch.setattr(fonts, "_sought", set())
    files: list[str] = []
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: files)
    assert fonts.class_labels(names) == ["#0", "#1", "#2", "مرحبا", "😀", "#5", "#6", "3"]
    note = fonts.note_on_labels(names)
    assert note is not None
    assert "5 class names" in note
    assert "#0 一, #1 二, #2 नमस्ते" in note
    assert fonts.note_on_labels(["一"[:0], "3"]) is None

    write_font(tmp_path / "squares.ttf", "Squares", "一二x")
    write_font(tmp_path / "none.ttf", "Last Resort", "一二नमस्ते")
    (tmp_path / "damaged.ttf").write_bytes(b"OTTO")
    files += [str(tmp_path / name) for name in ("none.ttf", "damaged.ttf", "squares.ttf")]
    fonts._sought.clear()
    assert fonts.class_labels(names) == ["一", "二", "#2", "مرحبا", "😀", "#5", "#6", "3"]
    run = fonts.with_labels(make(tmp_path, labels=np.arange(80) % 8, class_names=names))
    figure = plot_confusion(run)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as "Glyph 19968 missing from font(s)"
        assert_readable(figure)
    drawn = " ".join(one.get_text() for one in all_texts(figure))
    assert "□" not in drawn
    assert "一" in drawn
    text.has_glyph.cache_clear()
    text.text_width.cache_clear()
