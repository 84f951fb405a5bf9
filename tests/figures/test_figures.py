"""The figures: what they say, that it can be read, and that their layout stays as it was looked at and approved."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from figure_checks import all_texts, assert_readable, contrast, panels, words
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from make_runs import FASHION, make_run
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images

from digits.data.datasets import Dataset
from digits.evaluation.compare import PairComparison, compare_pair
from digits.evaluation.evaluate import MNIST_TEST_LABEL_ERRORS, confusion_matrix, evaluate_run
from digits.figures import fonts, style
from digits.figures import text as figure_text
from digits.figures.agreement import plot_agreement, plot_both_wrong, plot_disagreements
from digits.figures.classes import plot_calibration, plot_per_class_accuracy
from digits.figures.comparison import plot_comparison
from digits.figures.confusion import plot_confusion, plot_confusions
from digits.figures.dataset import plot_augmentation, plot_class_distribution, plot_sample_images
from digits.figures.page import save_figure
from digits.figures.parity import plot_parity, relative_differences
from digits.figures.predictions import plot_correct_predictions, plot_incorrect_predictions
from digits.figures.style import FONT
from digits.figures.training import plot_training_curves
from digits.figures.writers import plot_writers
from digits.recipes.recipe import RECIPES, Recipe
from digits.runs.run import Run, read_run
from digits.training.schedule import is_best

pytestmark = pytest.mark.slow

BASELINES = Path(__file__).parent / "baselines"
LABELS = np.arange(1000) % 10
# Blobs in the place of images, so that nothing here needs a dataset; ten kinds.
GRID = np.mgrid[0:28, 0:28]
IMAGES = np.stack([255 * (np.hypot(GRID[0] - 8 - i, GRID[1] - 18 + i) < 4 + 0.5 * i) for i in range(10)] * 100).astype(
    np.uint8
)
ODD = [
    "$\\frac{1}{0}$ _^{",
    "<b>",
    "long " * 30,
    "two\nlines\x1b[31m",
    "",
    "ひらがな",
    "100 %",
    "\u202eleft",
    "'",
    "\\",
]
NAMES = {"fashion": FASHION, "odd": ODD}


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


@pytest.fixture(scope="module")
def all_figures(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Figure]]:
    """Give a function that plots every kind of figure, once for each kind of class names."""
    return cache(lambda names: plot_all(tmp_path_factory.mktemp("runs"), NAMES[names]))


def plot_all(tmp_path: Path, class_names: list[str]) -> dict[str, Figure]:
    a, b = (
        make(tmp_path, framework, dataset="fashion-mnist", class_names=class_names)
        for framework in ("pytorch", "tensorflow")
    )
    evaluation, pair, dataset = evaluate_run(a), compare_pair(a, b), dataset_of(class_names)
    return {
        "training_curves": plot_training_curves(with_history(a, epochs(5))),
        "confusion_matrix": plot_confusion(a),
        "confusion_matrices": plot_confusions([a, b, make(tmp_path)]),
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


def assert_contrast(figure: Figure) -> None:
    """Every number stands out from its cell by 4.5 to 1 (WCAG 2.1, 1.4.3)."""
    for axes in panels(figure):
        size = len(axes.get_yticklabels())
        colours = axes.collections[0].get_facecolors().reshape(size, size, 4)  # type: ignore[attr-defined]
        for text in axes.texts:
            x, y = text.get_position()
            cell = colours[int(y), int(x)]
            # A masked cell is transparent; below it lies white or the diagonal's light grey.
            assert contrast(to_hex(text.get_color()), "#e9ecef" if cell[3] == 0 else to_hex(cell)) >= 4.49, (text, cell)


@pytest.mark.parametrize("names", ["fashion", pytest.param("odd", marks=pytest.mark.nightly)])
def test_every_figure_can_be_read(all_figures: Callable[[str], dict[str, Figure]], names: str) -> None:
    for name, figure in all_figures(names).items():
        assert_readable(figure)
        assert not any(text.get_parse_math() for text in all_texts(figure)), name
        assert "\x1b" not in "".join(text.get_text() for text in all_texts(figure)), name
        if name.startswith("confusion"):
            assert_contrast(figure)
        assert names == "odd" or min(text.get_fontsize() for text in all_texts(figure)) >= 9, name
        assert any(character.isdigit() for character in figure.texts[0].get_text()), name  # the title holds the number
        assert figure.get_label().startswith(figure.texts[0].get_text()[:10]), name  # and so do the words for the blind


@pytest.mark.parametrize("num_classes", [1, 47])
def test_other_numbers_of_classes(tmp_path: Path, num_classes: int) -> None:
    labels = np.arange(1000) % num_classes
    names = [f"class {i}" for i in range(num_classes)]
    run = make(tmp_path, labels=labels, class_names=names)
    evaluation = evaluate_run(run)
    for figure in (
        plot_confusion(run),
        plot_confusions([run, make(tmp_path, seed=1)]),
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


# --- what they say ---


def cell_texts(axes: Axes) -> dict[tuple[int, int], str]:
    """Return the texts in the cells by (row, column)."""
    return {(int(y), int(x)): text.get_text() for text in axes.texts for x, y in [text.get_position()]}


def test_the_counts_and_the_errors_shown_are_those_of_the_run(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(10), 100)
    run = make(tmp_path, dataset="fashion-mnist", labels=labels, error_rate=0.09, seed=3, folder="slow")
    run = replace(run, predictions=np.where(run.labels == 4, 4, run.predictions))  # a class without errors
    matrix = confusion_matrix(run)
    counts, errors = panels(figure := plot_confusion(run))
    assert cell_texts(counts) == {(i, j): str(n) for (i, j), n in np.ndenumerate(matrix) if n}
    share = 100 * matrix / matrix.sum(axis=1, keepdims=True)
    assert cell_texts(errors) == {(i, j): f"{share[i, j]:.1f}" for (i, j), n in np.ndenumerate(matrix) if n or i == j}
    for axes in (counts, errors):
        assert [label.get_text() for label in axes.get_xticklabels()] == FASHION
        assert [label.get_text() for label in axes.get_yticklabels()] == FASHION
        assert axes.get_ylim() == (10, 0)  # the first class is the upper row
    assert "Fashion-MNIST · CNN · PyTorch · seed 3 · 'slow'" in words(figure)
    assert f"Accuracy {100 * run.accuracy:.2f} % on 1,000 test images (95 % interval" in words(figure)
    wrong = matrix * ~np.eye(10, dtype=bool)
    true, predicted = np.unravel_index(wrong.argmax(), wrong.shape)
    assert f"'{FASHION[true]}' was taken for '{FASHION[predicted]}' {wrong.max()} times" in words(figure)


def test_a_class_without_images_and_one_error_in_many(tmp_path: Path) -> None:
    run = make(tmp_path, labels=np.repeat([0, 1], [5000, 5]), class_names=["a", "b", "c"], error_rate=0)
    assert "No errors." in words(plot_confusion(run))
    predictions = run.predictions.copy()
    predictions[0] = 1
    figure = plot_confusion(replace(run, predictions=predictions))
    assert cell_texts(panels(figure)[1]) == {(0, 0): "99.9", (0, 1): "<0.1", (1, 1): "100.0", (2, 2): "-"}
    assert "1 error; the most frequent: 'a' was taken for 'b' once" in words(figure)


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
    for other in (epochs(1), [{"epoch": 1, "train_loss": 0.1, "train_accuracy": 0.9}]):
        assert_readable(plot_training_curves(with_history(make(tmp_path), other)))


@pytest.mark.parametrize("value", [0.0, 1e-300, -1e308, 1e308])
def test_extreme_numbers_are_plotted(tmp_path: Path, value: float) -> None:
    rows = [
        {**row, **dict.fromkeys(("train_loss", "validation_accuracy", "learning_rate"), value)} for row in epochs(2)
    ]
    figure = plot_training_curves(with_history(make(tmp_path), [epochs(1)[0], rows[1]]))
    assert_readable(figure)
    assert ("Values beyond 1e+30 are plotted as 1e+30." in words(figure)) == (abs(value) > 1e30)
    extremes = np.abs([value, 1.0, value, 5e-324])
    assert_readable(plot_parity(parity_pair(tmp_path, extremes, extremes[::-1])))


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


# --- that their layout stays ---


@pytest.mark.parametrize("name", sorted(path.stem for path in BASELINES.glob("*.png")))
def test_layout(tmp_path: Path, all_figures: Callable[[str], dict[str, Figure]], name: str) -> None:
    """Compare with the file in tests/figures/baselines/, at a third of the size.

    After an intended change: look at each new figure, which the message names, then copy it over the old file.
    """
    small = tmp_path / f"{name}.png"
    save_figure(all_figures("fashion")[name], small, dots_per_inch=50)
    assert compare_images(str(BASELINES / f"{name}.png"), str(small), tol=3) is None


def test_the_user_s_matplotlib_settings_change_nothing(tmp_path: Path) -> None:
    run = make(tmp_path)
    save_figure(plot_confusion(run), tmp_path / "plain.png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.usetex": True, "savefig.dpi": 20}):
        save_figure(plot_confusion(run), tmp_path / "styled.png")
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "styled.png").read_bytes()


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
    monkeypatch.setattr(figure_text, "FONTS", fonts.FONTS)
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
    figure_text.has_glyph.cache_clear()
    figure_text.text_width.cache_clear()
