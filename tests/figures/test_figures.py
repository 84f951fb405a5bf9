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
from make_runs import FASHION, make_run
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.testing.compare import compare_images

from mnist_twice.data import Dataset
from mnist_twice.evaluation import Evaluation, compare_pair, evaluate_run
from mnist_twice.figures import registry
from mnist_twice.figures import text as figure_text
from mnist_twice.figures.agreement import plot_both_wrong, plot_disagreements
from mnist_twice.figures.classes import plot_calibration, plot_per_class_accuracy
from mnist_twice.figures.confusion import plot_confusion, plot_confusions
from mnist_twice.figures.page import Page, draw_pixels, save_figure
from mnist_twice.figures.parity import relative_differences
from mnist_twice.figures.predictions import plot_correct_predictions, plot_incorrect_predictions
from mnist_twice.figures.style import NARROW, WIDE
from mnist_twice.figures.training import plot_training_curves
from mnist_twice.recipes import RECIPES, Recipe
from mnist_twice.runs import Run, read_run

pytestmark = pytest.mark.slow

BASELINES = Path(__file__).parent / "baselines"
LABELS = np.arange(1000) % 10
# Blobs in the place of images, so that nothing here needs a dataset; ten kinds.
GRID = np.mgrid[0:28, 0:28]
IMAGES = np.stack([255 * (np.hypot(GRID[0] - 8 - i, GRID[1] - 18 + i) < 4 + 0.5 * i) for i in range(10)] * 100).astype(
    np.uint8
)
ODD = ["$\\frac{1}{0}$ _^{", "<b>", "long " * 30, "two\nlines\x1b[31m", "", "ひらがな", "5 %", "\u202eleft", "'", "\\"]
NAMES = {"fashion": FASHION, "odd": ODD}
WRITERS = np.stack([np.arange(1000) % 60, np.arange(1000) % 60 % 2 * 4], axis=1).astype(np.int32)
LOSSES = 2.3 * np.exp(-np.arange(120) / 30) + 0.1
DIFFERENCES = 1 + 1e-15 * np.where(np.arange(120) % 5, np.arange(120) ** 2, 0)

Plotted = Callable[[str, float], dict[str, Page]]


def make(tmp_path: Path, framework: str = "pytorch", **options: object) -> Run:
    options = {"labels": LABELS, "error_rate": 0.1, **options}
    return read_run(make_run(tmp_path, framework=framework, **options))  # type: ignore[arg-type]


def evaluated(tmp_path: Path, framework: str = "pytorch", **options: object) -> Evaluation:
    return evaluate_run(make(tmp_path, framework, **options))


def with_history(run: Run, rows: list[dict[str, float]]) -> Evaluation:
    return evaluate_run(replace(run, history=rows))


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


@pytest.fixture(scope="module")
def all_figures(tmp_path_factory: pytest.TempPathFactory) -> Plotted:
    """Give a function that plots every kind of figure, once for each kind of class names and each width."""
    return cache(lambda names, width: plot_all(tmp_path_factory.mktemp("runs"), NAMES[names], width))


def plot_all(tmp_path: Path, names: list[str], width: float) -> dict[str, Page]:
    runs = [make(tmp_path, one, dataset="fashion-mnist", class_names=names) for one in ("pytorch", "tensorflow")]
    evaluations = [evaluate_run(run) for run in runs]
    labels = LABELS.astype(np.uint8)
    dataset = Dataset("fashion-mnist", IMAGES, labels, IMAGES[:500], labels[:500], tuple(names), "0" * 64)
    recipe = Recipe(parity=True, precision="float64", optimizer="sgd")
    losses = {"pytorch": LOSSES, "tensorflow": LOSSES * DIFFERENCES}
    parity = compare_pair(*(make(tmp_path, one, recipe=recipe, losses=losses[one]) for one in losses))
    by_writers = evaluate_run(replace(runs[0], writers=WRITERS))
    plots: list[tuple[registry.Plots, list[object]]] = [
        (registry.OF_RUN, [with_history(runs[0], epochs(5)), IMAGES]),
        (registry.SIDE_BY_SIDE, [[*evaluations, evaluated(tmp_path)]]),
        (registry.OF_RUNS, [evaluations]),
        (registry.PARITY, [parity]),
        (registry.OF_PAIR, [compare_pair(*runs), IMAGES]),
        (registry.OF_DATASET, [dataset]),
        ({"writers": registry.OF_RUN["writers"]}, [by_writers, IMAGES]),
    ]
    figures = {name: plot(*arguments, width) for table, arguments in plots for name, plot in table.items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


# --- that they can be read ---


def assert_contrast(figure: Page) -> None:
    """Every number stands out from its cell by 4.5 to 1 (WCAG 2.1, 1.4.3)."""
    for axes in panels(figure):
        size = len(axes.get_yticklabels())
        colours = axes.collections[0].get_facecolors().reshape(size, size, 4)  # type: ignore[attr-defined]
        for text in axes.texts:
            x, y = text.get_position()
            cell = colours[int(y), int(x)]
            # A masked cell is transparent; below it lies white or the diagonal's light grey.
            assert contrast(to_hex(text.get_color()), "#e9ecef" if cell[3] == 0 else to_hex(cell)) >= 4.49, (text, cell)


@pytest.mark.parametrize(
    ("names", "width"),
    [("fashion", WIDE), ("fashion", NARROW), pytest.param("odd", NARROW, marks=pytest.mark.nightly)],
)
def test_every_figure_can_be_read(all_figures: Plotted, names: str, width: float) -> None:
    figures = all_figures(names, width)
    assert len(figures) == 16
    for name, figure in figures.items():
        assert_readable(figure)
        assert not any(text.get_parse_math() for text in all_texts(figure)), name
        assert "\x1b" not in "".join(text.get_text() for text in all_texts(figure)), name
        if name.startswith("confusion"):
            assert_contrast(figure)
        assert any(character.isdigit() for character in figure.words["title"]), name  # the title holds the number


@pytest.mark.parametrize("num_classes", [1, 47])
def test_other_numbers_of_classes(tmp_path: Path, num_classes: int) -> None:
    names = [f"class {i}" for i in range(num_classes)]
    one = evaluated(tmp_path, labels=np.arange(1000) % num_classes, class_names=names)
    for plot in (plot_confusion, plot_per_class_accuracy, plot_calibration):
        assert_readable(plot(one))
    for plot_images in (plot_incorrect_predictions, plot_correct_predictions):
        assert_readable(plot_images(one, IMAGES))
    assert_readable(plot_confusions([one, evaluated(tmp_path, seed=1)]))


def test_of_many_classes_the_matrix_has_no_numbers_and_the_worst_are_shown(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(700), 4)
    run = make(tmp_path, labels=labels, class_names=[f"class {i}" for i in range(700)], error_rate=0)
    predictions = run.predictions.copy()
    predictions[[0, 1, 4]] = 699  # two images of class 0, one of class 1
    evaluation = evaluate_run(replace(run, predictions=predictions))
    figure = plot_confusion(evaluation)
    for axes, cells in zip(panels(figure), (702, 2), strict=True):
        assert not axes.texts
        (mesh,) = axes.collections
        assert np.ma.count(mesh.get_array()) == cells  # type: ignore[arg-type]  # the errors have not vanished
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
    matrix = (evaluation := evaluate_run(run)).confusion_matrix
    counts, errors = panels(figure := plot_confusion(evaluation))
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
    assert f"'{FASHION[true]}' taken for '{FASHION[predicted]}'" in words(figure)
    assert f", {wrong.max()} images" in words(figure)


def test_a_class_without_images_and_one_error_in_many(tmp_path: Path) -> None:
    run = make(tmp_path, labels=np.repeat([0, 1], [5000, 5]), class_names=["a", "b", "c"], error_rate=0)
    assert "No errors." in words(plot_confusion(evaluate_run(run)))
    predictions = run.predictions.copy()
    predictions[0] = 1
    figure = plot_confusion(evaluate_run(replace(run, predictions=predictions)))
    assert cell_texts(panels(figure)[1]) == {(0, 0): "99.9", (0, 1): "<0.1", (1, 1): "100.0", (2, 2): "-"}
    assert "1 error; most frequent: 'a' taken for 'b', 1 image." in words(figure)


def test_the_best_epoch_is_the_one_that_is_kept(tmp_path: Path) -> None:
    numbers = [(0.9, 0.1), (0.95, 0.4), (0.95, 0.2), (0.95, 0.2), (0.9, 0.01)]
    rows = [
        {**row, "validation_accuracy": accuracy, "validation_loss": loss}
        for row, (accuracy, loss) in zip(epochs(5), numbers, strict=True)
    ]
    kept = with_history(make(tmp_path, recipe=replace(RECIPES["cnn"], keep_best=True)), rows)
    figure = plot_training_curves(kept)
    assert figure is not None
    assert "accuracy 95.00 %, in epoch 3 of 5" in words(figure)
    assert "The weights of the best epoch are kept." in words(figure)
    for other in (epochs(1), [{"epoch": 1, "train_loss": 0.1, "train_accuracy": 0.9}]):
        assert_readable(plot_training_curves(with_history(make(tmp_path), other)))


def test_the_parity_of_two_trainings(all_figures: Plotted) -> None:
    a, b = np.array([2.0, 1.0, 0.0, 0.0, 0.5, 9.0]), np.array([2.0, 1.25, 0.0, 0.1, 0.4])
    assert relative_differences(a, b) == pytest.approx([0, 0.25, 0, 1, 0.2])
    text = words(all_figures("fashion", WIDE)["parity"])
    assert "Relative difference of the losses in the first 100 steps: at most 9.9e-12" in text  # not 1.4e-11
    assert "The largest difference of all 120 steps is 1.5e-11. Green ticks mark 24 steps without any" in text
    assert "Computed in float64, optimizer sgd, learning rate 0.001." in text


def test_errors_come_with_the_most_confident_first_and_wrong_labels_marked(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path, "mnist", labels=np.arange(10_000) % 10, error_rate=0))
    probabilities, predictions = run.probabilities.copy(), run.predictions.copy()
    known, other = evaluate_run(run).disputed_labels[2], 77
    for index, confidence in ((other, 0.995), (known, 0.9)):
        wrong = (run.labels[index] + 1) % 10
        probabilities[index] = (1 - confidence) / 9
        probabilities[index, wrong], predictions[index] = confidence, wrong
    evaluation = evaluate_run(replace(run, probabilities=probabilities, predictions=predictions))
    figure = plot_incorrect_predictions(evaluation, np.tile(IMAGES, (10, 1, 1)))
    assert figure is not None
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        *(f"{predictions[other]} (99.5 %)", f"label {run.labels[other]}"),
        *(f"{predictions[known]} (90.0 %)", f"label {run.labels[known]} ?"),
    ]
    assert [patch.get_linewidth() > 2 for patch in axes.patches] == [False, True]
    assert "The label of 1 of all 2 is disputed." in words(figure)
    assert "with such labels: 99.99 %; with them: 99.98 %" in words(figure)


def test_a_run_without_errors_and_one_without_right_answers(tmp_path: Path) -> None:
    perfect = make(tmp_path, error_rate=0)
    hopeless = replace(perfect, labels=(perfect.labels + 1) % 10)
    assert "All test images of 10 classes classified correctly" in words(plot_per_class_accuracy(evaluate_run(perfect)))
    pair = compare_pair(perfect, replace(perfect, path=tmp_path / "copy"))
    for figure, title in (
        (plot_incorrect_predictions(evaluate_run(perfect), IMAGES), "0 of 1,000 test images misclassified"),
        (plot_correct_predictions(evaluate_run(hopeless), IMAGES), "0 of 1,000 test images classified correctly"),
        (plot_disagreements(pair, IMAGES), "The two predict different classes for 0 of 1,000"),
        (plot_both_wrong(pair, IMAGES), "Both misclassify 0 of 1,000"),
    ):
        assert_readable(figure)
        assert figure is not None
        assert title in words(figure)


# --- that their layout stays ---


@pytest.mark.parametrize("name", sorted(path.stem for path in BASELINES.glob("*.png")))
def test_layout(tmp_path: Path, all_figures: Plotted, name: str) -> None:
    """Compare with the file in tests/figures/baselines/, at a third of the size.

    After an intended change: look at each new figure, which the message names, then copy it over the old file.
    """
    small = tmp_path / f"{name}.png"
    draw_pixels(all_figures("fashion", WIDE)[name], 50).save(small)
    assert compare_images(str(BASELINES / f"{name}.png"), str(small), tol=3) is None


def test_the_user_s_matplotlib_settings_change_nothing(tmp_path: Path) -> None:
    evaluation = evaluated(tmp_path)
    save_figure(plot_confusion(evaluation), tmp_path / "plain.png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.usetex": True, "savefig.dpi": 20}):
        save_figure(plot_confusion(evaluation), tmp_path / "styled.png")
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "styled.png").read_bytes()


def test_names_are_drawn_in_a_font_that_has_them_or_shown_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["の", "नमस्ते", "مرحبا", "😀", "👨‍👩‍👧", "two\nlines", "3"]
    files: list[str] = []
    monkeypatch.setattr(figure_text, "findSystemFonts", lambda: files)
    known = list(figure_text.FONTS)
    try:
        figure_text._find_fonts.cache_clear()
        assert figure_text.class_labels(names) == ["#0", "#1", "مرحبا", "😀", "#4", "#5", "3"]
        note = figure_text.note_on_labels(names)
        assert note is not None
        assert "4 class names" in note
        assert "#0 の, #1 नमस्ते" in note
        (tmp_path / "damaged.ttf").write_bytes(b"OTTO")
        # Among matplotlib's own fonts, this one has a character of Japanese.
        files += [str(tmp_path / "damaged.ttf"), f"{matplotlib.get_data_path()}/fonts/ttf/STIXGeneral.ttf"]
        figure_text._find_fonts.cache_clear()
        assert figure_text.class_labels(names) == ["の", "#1", "مرحبا", "😀", "#4", "#5", "3"]
        figure = plot_confusion(evaluated(tmp_path, labels=np.arange(70) % 7, class_names=names))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as "Glyph 19968 missing from font(s)"
            assert_readable(figure)
        drawn = " ".join(one.get_text() for one in all_texts(figure))
        assert "□" not in drawn
        assert "の" in drawn
    finally:
        figure_text.FONTS[:] = known
        figure_text.has_glyph.cache_clear()
        figure_text.text_width.cache_clear()
