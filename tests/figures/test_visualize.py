"""The figures: right, readable, without overlaps; and the script: what it prints for good runs and for bad ones."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from figure_checks import all_texts, assert_readable, panels, words
from framework_process import run_forked
from make_runs import FASHION, make_run
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from paths import ROOT
from picture_runs import add_info, make_sample_run

from digits.data import load_dataset
from digits.evaluation import Evaluation
from digits.figures.confusion import plot_confusion, plot_confusions
from digits.figures.page import save_figure
from digits.figures.text import fit_text, printable, text_width, wrap_text
from digits.metrics import confusion_matrix
from digits.runs.run import Run, read_run
from digits.training import Recipe, evaluation_set
from visualize_results import FIGURES, main

pytestmark = pytest.mark.slow

LABELS = np.repeat(np.arange(10), 100)
ODD_NAMES = [
    "$\\frac{1}{0}$ _^{",
    "<script>alert(1)</script>",
    "a very long name that would never fit beside a matrix " * 3,
    "two\nlines\x1b[31m",
    "",
    "ひらがな",
    "100 %",
    "\u202eright to left",
    "'quoted'",
    "back\\slash",
]


def make(tmp_path: Path, *arguments: object, **options: object) -> Run:
    return read_run(make_run(tmp_path / "outputs", *arguments, **options))  # type: ignore[arg-type]


def matrix_of(run: Run) -> np.ndarray:
    return confusion_matrix(run.labels, run.predictions, len(run.class_names))


def cell_texts(axes: Axes) -> dict[tuple[int, int], str]:
    """Return the texts in the cells by (row, column)."""
    places = {text: text.get_position() for text in axes.texts}
    return {(int(y), int(x)): text.get_text() for text, (x, y) in places.items()}


# --- what the figures say ---


@pytest.mark.parametrize("images", [100, 1000])  # of each class, as in the sample and in Fashion-MNIST
def test_the_counts_and_the_errors_shown_are_those_of_the_run(tmp_path: Path, images: int) -> None:
    run = make(tmp_path, "fashion-mnist", labels=np.repeat(np.arange(10), images), error_rate=0.09)
    run = replace(run, predictions=np.where(run.labels == 4, 4, run.predictions))  # a class without errors
    matrix = matrix_of(run)
    counts, errors = panels(plot_confusion(run))
    assert cell_texts(counts) == {(i, j): str(n) for (i, j), n in np.ndenumerate(matrix) if n}
    share = 100 * matrix / matrix.sum(axis=1, keepdims=True)
    assert cell_texts(errors) == {(i, j): f"{share[i, j]:.1f}" for (i, j), n in np.ndenumerate(matrix) if n or i == j}
    assert cell_texts(errors)[4, 4] == "100.0"
    for axes in (counts, errors):
        assert [label.get_text() for label in axes.get_xticklabels()] == FASHION
        assert [label.get_text() for label in axes.get_yticklabels()] == FASHION
        top, bottom = axes.get_ylim()[::-1]
        assert (top, bottom) == (0, 10)  # the first class is the upper row


def test_the_title_names_the_run_and_its_accuracy(tmp_path: Path) -> None:
    run = make(tmp_path, "fashion-mnist", "tensorflow", seed=3, labels=LABELS, error_rate=0.1)
    text = " ".join(text.get_text() for text in plot_confusion(run).texts)
    assert "Fashion-MNIST · CNN · TensorFlow · seed 3" in text
    assert f"Accuracy {100 * run.accuracy:.2f} % on 1,000 test images (95 % interval" in text
    errors = matrix_of(run) * ~np.eye(10, dtype=bool)
    true, predicted = np.unravel_index(errors.argmax(), errors.shape)
    assert f"'{FASHION[true]}' was taken for '{FASHION[predicted]}' {errors.max()} times" in text
    assert f"{errors.sum()} errors" in text


def test_a_renamed_run_carries_its_new_name(tmp_path: Path) -> None:
    run = make(tmp_path, labels=LABELS, folder="slow-learning")
    assert "MNIST · CNN · PyTorch · 'slow-learning'" in words(plot_confusion(run))


def test_all_runs_share_one_scale_and_each_has_its_title(tmp_path: Path) -> None:
    runs = [make(tmp_path, labels=LABELS), make(tmp_path, "fashion-mnist", labels=LABELS, error_rate=0.2)]
    figure = plot_confusions(runs)
    norms = [axes.collections[0].norm for axes in panels(figure)]
    assert [(norm.vmin, norm.vmax) for norm in norms] == [(0, norms[0].vmax)] * 2
    shares = [matrix_of(run) / 1.0 * ~np.eye(10, dtype=bool) for run in runs]  # of 100 images each: counts are per cent
    assert norms[0].vmax == max(share.max() for share in shares)
    texts = [text.get_text() for text in figure.texts]
    for run in runs:
        assert f"accuracy {100 * run.accuracy:.2f} %, n = 1,000" in texts
    assert "MNIST · CNN · PyTorch" in texts
    assert "Fashion-MNIST · CNN · PyTorch" in texts


def test_a_run_without_errors_and_a_class_without_images(tmp_path: Path) -> None:
    run = make(tmp_path, labels=np.repeat([0, 1, 2], 50), error_rate=0)
    figure = plot_confusion(run)
    assert "No errors." in words(figure)
    texts = cell_texts(panels(figure)[1])
    assert texts == {**{(i, i): "100.0" for i in range(3)}, **{(i, i): "-" for i in range(3, 10)}}


def test_one_error_in_many_is_neither_0_nor_100_per_cent(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], [5000, 5])
    run = make(tmp_path, labels=labels, class_names=["a", "b"], error_rate=0)
    predictions = run.predictions.copy()
    predictions[0] = 1
    run = Run(run.path, run.info, predictions, run.probabilities, run.labels, run.history)
    figure = plot_confusion(run)
    assert cell_texts(panels(figure)[1]) == {(0, 0): "99.9", (0, 1): "<0.1", (1, 1): "100.0"}
    assert "1 error; the most frequent: 'a' was taken for 'b' once" in words(figure)


# --- that they can be read ---


def luminance(colour: object) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]  # type: ignore[arg-type]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def assert_contrast(figure: Figure) -> None:
    """Every number stands out from its cell by 4.5 to 1 (WCAG 2.1, 1.4.3)."""
    FigureCanvasAgg(figure).draw()  # the cells get their colours now
    for axes in panels(figure):
        mesh = axes.collections[0]
        assert isinstance(mesh, QuadMesh)
        size = len(axes.get_yticklabels())
        colours = mesh.get_facecolors().reshape(size, size, 4)
        for text in axes.texts:
            x, y = text.get_position()
            cell = colours[int(y), int(x)]
            # A masked cell is transparent; below it lies white or the diagonal's light grey.
            ground = luminance("#e9ecef") if cell[3] == 0 else luminance(tuple(cell[:3]))
            lighter, darker = sorted([ground, luminance(text.get_color())], reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.49, (text, cell)


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist"])
def test_a_run_s_figure_can_be_read(tmp_path: Path, dataset: str) -> None:
    run = make(tmp_path, dataset, error_rate=0.09)
    figure = plot_confusion(run)
    assert_readable(figure)
    assert_contrast(figure)
    assert min(text.get_fontsize() for text in all_texts(figure)) >= 9


@pytest.mark.parametrize("number", [1, 2, 5, 20])
def test_the_figure_of_all_runs_can_be_read(tmp_path: Path, number: int) -> None:
    runs = [
        make(tmp_path, ["mnist", "fashion-mnist"][i % 2], labels=LABELS, seed=i // 2, error_rate=0.1)
        for i in range(number)
    ]
    figure = plot_confusions(runs)
    assert len(panels(figure)) == number
    if number <= 5:  # for 20 the comparison of all pairs of 2,000 texts takes too long; a panel is a panel
        assert_readable(figure)
    assert_contrast(figure)
    width, height = figure.get_size_inches()
    assert width <= 8 * min(number, 5)
    assert 0.3 < width / height < 4


@pytest.mark.parametrize("num_classes", [1, 2, 26, 47])
def test_other_numbers_of_classes(tmp_path: Path, num_classes: int) -> None:
    labels = np.repeat(np.arange(num_classes), 40)
    names = [f"class {i}" for i in range(num_classes)]
    other = make(tmp_path, "other", labels=labels, class_names=names, error_rate=0.1)
    assert_readable(plot_confusion(other))
    assert_readable(plot_confusions([other, make(tmp_path, labels=LABELS)]))


def test_odd_names_of_classes_and_runs_stay_text_and_in_their_place(tmp_path: Path) -> None:
    folder = "$run$ <b> \x1b]0;title\x07 " + "long" * 30
    run = make(tmp_path, "$x_1$" * 30, "<script>", labels=LABELS, class_names=ODD_NAMES, folder=folder)
    for figure in (plot_confusion(run), plot_confusions([run, run])):
        assert_readable(figure)
        assert not any(text.get_parse_math() for text in all_texts(figure))
        assert "\x1b" not in "".join(text.get_text() for text in all_texts(figure))
    assert "<script>alert(1)</script>"[:3] in panels(plot_confusion(run))[0].get_yticklabels()[1].get_text()


def test_text_is_fitted() -> None:
    assert fit_text("Ankle boot", 10, 1.3) == "Ankle boot"
    cut = fit_text("a" * 50 + "b" * 50, 10, 1)
    assert text_width(cut, 10) <= 1
    assert cut.startswith("aaa")
    assert "…" in cut
    assert cut.endswith("bbb")
    assert fit_text("x" * 10_000_000, 10, 1).count("x") < 40  # and takes no time
    assert printable("a\nb\x1b\ud800ひ") == "a□b□□□"
    lines = wrap_text("one two three four five six seven", 10, 1)
    assert " ".join(lines) == "one two three four five six seven"
    assert all(text_width(line, 10) <= 1 for line in lines)


def test_the_user_s_matplotlib_settings_change_nothing(tmp_path: Path) -> None:
    run = make(tmp_path, labels=LABELS)
    save_figure(plot_confusion(run), tmp_path / "plain.png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.usetex": True, "savefig.dpi": 20}):
        save_figure(plot_confusion(run), tmp_path / "styled.png")
    assert np.array_equal(imread(tmp_path / "plain.png"), imread(tmp_path / "styled.png"))


def test_a_figure_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    class Unprintable(Figure):
        def draw(self, renderer: object) -> None:
            raise MemoryError

    (tmp_path / "figure.png").write_bytes(b"the earlier figure")
    with pytest.raises(MemoryError):
        save_figure(Unprintable(), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes() == b"the earlier figure"
    assert os.listdir(tmp_path) == ["figure.png"]


# --- the script ---

MATRICES = {"confusion_matrices.png", "mnist/confusion_matrices.png"}
RUN_FIGURES = {"training_curves", "confusion_matrix", "per_class_accuracy", "calibration"}
IMAGE_FIGURES = {"incorrect_predictions", "correct_predictions"}


def visualize(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the script in a process that has imported it already."""
    return run_forked("figures", *arguments, cwd=ROOT)


def visualize_anew(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a user does, without a display."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-W", "error", str(ROOT / "visualize_results.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**kept, **environment}, cwd=ROOT)


def files_in(folder: Path, ending: str = "png") -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob(f"*.{ending}")}


def figures_of(run: str, names: set[str]) -> set[str]:
    return {f"{run}/{name}.png" for name in names}


def test_all_from_start_to_end_and_unchanged_figures_only_once(tmp_path: Path, workplace: Path) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    runs = [make_sample_run(outputs, data_dir, framework) for framework in ("pytorch", "tensorflow")]
    options = ("--output-dir", outputs, "--data-dir", data_dir)
    # A matplotlib back-end that needs a display, as some people have it set: no figure of ours does.
    result = visualize_anew(*options, MPLBACKEND="TkAgg")
    assert (result.returncode, result.stderr) == (0, "")
    for run in runs:
        (line,) = (line for line in result.stdout.splitlines() if line.startswith(f"{run.name} "))
        assert f"{100 * run.accuracy:.2f} %" in line
        assert line.endswith("1,000")
        assert read_run(run.path)  # a figure in its folder is no tampering
        report = json.loads((run.path / "report.json").read_text())
        assert report["accuracy"] == pytest.approx(run.accuracy)
    across = {"comparison", "agreement-cnn", "disagreements-cnn", "both_wrong-cnn"}
    dataset = {"class_distribution", "sample_images", "augmentation"}
    expected = {"confusion_matrices.png", *figures_of("mnist-sample", across | dataset | {"confusion_matrices"})}
    for run in runs:
        expected |= figures_of(run.name, RUN_FIGURES | IMAGE_FIGURES)
    assert files_in(outputs) == expected
    others = {"parity", "writers", "robustness", "corruptions"}
    assert {Path(name).stem.split("-")[0] for name in expected} == {*FIGURES} - others  # --only knows
    assert files_in(outputs, "csv") - {f"{run.name}/history.csv" for run in runs} == {
        *("mnist-sample/comparison.csv", "mnist-sample/recipes.csv")
    }
    assert files_in(outputs, "md") == {"mnist-sample/comparison.md"}
    assert "of which 21 rendered now" in result.stdout

    times = {name: (outputs / name).stat().st_mtime_ns for name in expected}
    page = (outputs / "report.html").read_bytes()
    again = visualize(*options)
    assert "of which 0 rendered now" in again.stdout
    assert {name: (outputs / name).stat().st_mtime_ns for name in expected} == times
    assert (outputs / "report.html").read_bytes() == page

    # One figure spoilt, one deleted, one run trained again: those alone, and what shows the new run.
    (runs[0].path / "calibration.png").write_bytes(b"spoilt")
    (runs[0].path / "confusion_matrix.png").unlink()
    assert "of which 2 rendered now" in visualize(*options).stdout
    make_sample_run(outputs, data_dir, "tensorflow", error_rate=0.3)
    assert "of which 12 rendered now" in visualize(*options).stdout  # 6 of the run, 4 across, all matrices twice


def test_without_the_dataset_only_the_images_are_missing(tmp_path: Path, workplace: Path) -> None:
    outputs = tmp_path / "outputs"
    run = make_sample_run(outputs, workplace / "mnist_data")
    result = visualize("--output-dir", outputs, "--data-dir", tmp_path / "nowhere")
    assert result.returncode == 0
    assert "note: the figures that show images of mnist-sample are left out" in result.stdout
    matrices = {"confusion_matrices.png", "mnist-sample/confusion_matrices.png"}
    assert files_in(outputs) == matrices | figures_of(run.name, RUN_FIGURES)
    add_info(run.path, dataset_fingerprint="0" * 64)
    result = visualize("--output-dir", outputs, "--data-dir", workplace / "mnist_data")
    assert result.returncode == 0
    assert "has other images than these runs were evaluated on" in result.stdout
    matrices = {"confusion_matrices.png", "mnist-sample/confusion_matrices.png"}
    assert files_in(outputs) == matrices | figures_of(run.name, RUN_FIGURES)


def test_validation_runs_are_shown_as_such_with_their_own_images(tmp_path: Path, workplace: Path) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    dataset = load_dataset("mnist-sample", data_dir)
    tested = make_sample_run(outputs, data_dir)
    held_out = {"validation_fraction": 0.1, "split": "random", "seed": 0}
    labels = evaluation_set(dataset, Recipe())[1].astype(np.int64)
    for framework in ("pytorch", "tensorflow"):
        name = f"mnist-sample-cnn-{framework}+evaluate_on=validation"
        path = make_run(outputs, "mnist-sample", framework, labels=labels, held_out=held_out, folder=name)
        add_info(path, dataset_fingerprint=dataset.fingerprint, name=name)
    result = visualize("--output-dir", outputs, "--data-dir", data_dir)
    assert (result.returncode, result.stderr) == (0, "")
    assert (
        len(re.findall(r"(?m)^mnist-sample-cnn-.*[+]evaluate_on=validation .* 400 [(]validation[)]$", result.stdout))
        == 2
    )
    assert re.search(rf"(?m)^{tested.name} .* 1,000$", result.stdout)
    across = {"comparison", "agreement-cnn", "disagreements-cnn", "both_wrong-cnn"}
    across |= {"confusion_matrices"}
    assert files_in(outputs / "mnist-sample-validation") == {f"{name}.png" for name in across}
    images = {"class_distribution", "sample_images", "augmentation"}  # of the dataset, once
    shown = {name for name in files_in(outputs) if name.startswith("mnist-sample/")}
    assert shown == figures_of("mnist-sample", images | {"confusion_matrices"})
    assert files_in(path) == {f"{name}.png" for name in RUN_FIGURES | IMAGE_FIGURES}
    assert json.loads((path / "report.json").read_text())["evaluated_on"] == "validation"
    page = (outputs / "report.html").read_text(encoding="utf-8")
    assert "<h2>MNIST sample, validation images</h2>" in page
    assert "are not compared: they were evaluated on test and validation images." in page
    assert page.count("n = 400 validation images.") >= 1
    assert "400 test images" not in page
    assert "1,000 validation images" not in page


def test_errors_by_writer_with_and_without_their_images(tmp_path: Path, workplace: Path) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    writers = np.stack([np.arange(1000) // 20, np.where(np.arange(1000) < 300, 0, 4)], axis=1).astype(np.int32)
    runs = [make_sample_run(outputs, data_dir, framework, writers=writers) for framework in ("pytorch", "tensorflow")]
    sizes = []
    for folder, new in ((data_dir, 2), (data_dir, 0), (tmp_path, 2)):
        result = visualize("--output-dir", outputs, "--data-dir", folder, "--only", "writers")
        assert result.returncode == 0
        assert f"figures: 2, of which {new} rendered now" in result.stdout
        sizes.append((runs[0].path / "writers.png").stat().st_size)
    assert sizes[0] == sizes[1] > sizes[2]  # without the images
    assert visualize("--output-dir", outputs, "--data-dir", tmp_path, "--only", "report").returncode == 0
    page = html.unescape((outputs / "report.html").read_text())
    for text in ("intervals over 50 writers", "Design effect", "<td>high-school students</td>", "paired test over 50"):
        assert text in page
    assert "Wilson" in result.stdout.splitlines()[0]


def test_parity_of_the_pairs_that_were_trained_for_it(tmp_path: Path) -> None:
    outputs, losses = tmp_path / "outputs", np.linspace(2, 1, 150)
    recipe, parity = Recipe(), Recipe(parity=True)
    for framework in ("pytorch", "tensorflow"):
        for options in (
            {"recipe": recipe, "losses": losses},
            {"recipe": parity, "losses": losses},
            {"recipe": replace(parity, precision="float64"), "losses": losses, "folder": f"double-{framework}"},
            {"recipe": replace(parity, epochs=0), "losses": losses[:0], "folder": f"evaluated-{framework}"},
            {"recipe": parity, "model": "mlp"},  # of an earlier version
            {"recipe": parity, "losses": losses, "seed": 7 if framework == "pytorch" else 8},
        ):
            make(tmp_path, "mnist", framework, labels=LABELS, **options)
    result = visualize("--output-dir", outputs, "--only", "parity")
    assert (result.returncode, result.stderr) == (0, "")
    assert files_in(outputs) == figures_of("mnist", {"parity-cnn", "parity-cnn-3"})  # the second has no losses
    result = visualize("--output-dir", outputs, "--only", "agreement")
    endings = {"cnn", "cnn-parity", "cnn-parity-2", "cnn-parity-3", "mlp-parity"}
    assert files_in(outputs) >= figures_of("mnist", {f"agreement-{ending}" for ending in endings})


def test_runs_that_were_only_evaluated(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    make(tmp_path, labels=LABELS, init_from="a run", frozen=True)
    evaluated = replace(Recipe(), epochs=0, augment=True)
    for framework in ("pytorch", "tensorflow"):
        options = {"recipe": evaluated, "losses": np.zeros(0), "init_from": "mnist-cnn-pytorch", "seed": 1}
        run = make(tmp_path, "mnist", framework, labels=LABELS, **options)
        assert run.history == []
    result = visualize("--output-dir", outputs)
    assert (result.returncode, result.stderr) == (0, "")
    found = {file for file in files_in(outputs) if file.startswith(f"{run.name}/")}
    assert found == figures_of(run.name, RUN_FIGURES - {"training_curves"})
    page = html.unescape((outputs / "report.html").read_text())
    texts = (page, result.stdout, (outputs / "mnist" / "comparison.csv").read_text())
    assert not any(re.search(r"\bnan\b|\binf\b", re.sub('data:[^"]*', "", text), re.IGNORECASE) for text in texts)
    assert "<dd>those of 'mnist-cnn-pytorch', not trained (0 epochs)</dd>" in page
    weights = "training started from those of 'a run', a new last layer, only the last layer was trained"
    assert f"<dd>{weights}</dd>" in page
    assert "filters 16 32, dense 128, " in page
    assert "augment yes, augmentation (rotation 10.0, shift 2.0, scale 0.1, shear 0.1, elastic 10.0," in page
    assert page.count("augmentation (") == 2  # not of the run that does not augment


def test_a_figure_that_no_run_can_give_is_noted(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    make(tmp_path, labels=LABELS)
    result = visualize("--output-dir", outputs, "--only", "parity", "calibration")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("note: --only ") == result.stdout.count("note: --only parity: no run here has") == 1
    # The report shows whatever there is: nobody has asked for a figure by its name.
    assert "note: --only" not in visualize("--output-dir", outputs, "--only", "report").stdout


def test_many_models_have_a_table_of_pairs_in_the_report(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    for model in ("vgg", "cnn", "lenet5", "deep-cnn"):
        for framework in ("pytorch", "tensorflow"):
            make(tmp_path, "mnist", framework, model=model, labels=LABELS)
    result = visualize("--output-dir", outputs)
    assert (result.returncode, result.stderr) == (0, "")
    page = (outputs / "report.html").read_text()
    links = re.findall('<a href="#(pair-[^"]*)"><bdi>([^<]*)</bdi></a>', page)
    assert [name for _, name in links] == [*("CNN", "deep CNN", "LeNet-5", "VGG")]
    for link, name in links:
        assert re.search(
            f'<summary><h4><bdi>PyTorch against TensorFlow: {name}</bdi></h4> [^<]*</summary>\n<div id="{link}">', page
        )


def test_any_two_runs_are_compared(tmp_path: Path, workplace: Path) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    small = make_sample_run(outputs, data_dir, recipe=Recipe(filters=(8, 16)), error_rate=0.3, folder="small")
    usual = make_sample_run(outputs, data_dir)
    seed = make_sample_run(outputs, data_dir, seed=3)
    options = ("--output-dir", outputs, "--data-dir", data_dir)
    result = visualize(*options, "--compare", "small", usual.path)
    assert (result.returncode, result.stderr) == (0, "")
    only_small, only_usual = ((a.right & ~b.right).sum() for a, b in ((small, usual), (usual, small)))
    assert re.search(rf"(?m)^small correct +{(small.right & usual.right).sum()} +{only_small}$", result.stdout)
    assert re.search(rf"(?m)^small wrong +{only_usual} +{(~small.right & ~usual.right).sum()}$", result.stdout)
    differing = (small.predictions != usual.predictions).sum()
    assert f"They predict different classes for {differing} of 1,000 images." in result.stdout
    assert f"'{usual.name}' classifies {only_usual - only_small} more of 1,000 images correctly" in result.stdout
    assert "differ, which may explain it: filters 8 16 against 16 32." in result.stdout
    assert seed.name not in result.stdout  # as of runs that are named, it shows no others
    across = ("agreement", "disagreements", "both_wrong")
    names = {f"{name}-small-and-{usual.name}" for name in across}
    reports = outputs / "reports" / f"small-and-{usual.name}"
    assert figures_of("mnist-sample", names) <= files_in(reports)
    page = (reports / "report.html").read_text(encoding="utf-8")
    assert "filters 8 16, &#39;small&#39; against default: CNN, PyTorch</bdi></h4>" in page
    assert "MNIST sample · CNN, filters 8 16 · PyTorch · &#39;small&#39;" in page

    result = visualize(*options, "--compare", usual.name, seed.name, "--only", "agreement")
    assert (result.returncode, result.stderr) == (0, "")
    assert "They differ in their seed alone, 0 against 3." in result.stdout
    assert f"agreement-{usual.name}-and-{seed.name}.png" in result.stdout


def test_runs_that_cannot_be_compared(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    digits, clothes = make(tmp_path, labels=LABELS), make(tmp_path, "fashion-mnist", labels=LABELS)
    (outputs / "damaged").mkdir()
    (outputs / "damaged" / "run.json").write_text("{")
    for names, status, told in (
        ((digits.name, clothes.name), 1, "different datasets, mnist and fashion-mnist."),
        ((digits.name, "nothing"), 1, f"there is no run '{outputs / 'nothing'}'"),
        ((digits.name, "damaged"), 1, "is not JSON"),
        ((digits.name, outputs / digits.name), 2, "--compare must name two runs, not 1."),
        ((digits.name, clothes.name, digits.name, "third"), 2, "--compare must name two runs, not 3."),
    ):
        result = visualize("--output-dir", outputs, "--compare", *names)
        assert (result.returncode, result.stdout) == (status, "")
        assert told in result.stderr
        assert result.stderr.count("\n") == 1
    assert not files_in(outputs)


def test_only_some_figures_in_other_formats(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    run = make(tmp_path, labels=LABELS)
    result = visualize("--output-dir", outputs, "--only", "calibration", "confusion_matrix", "--format", "svg", "pdf")
    assert result.returncode == 0, result.stderr
    assert files_in(outputs) == set()
    for ending in ("svg", "pdf"):
        assert files_in(outputs, ending) == {
            f"{run.name}/calibration.{ending}",
            f"{run.name}/confusion_matrix.{ending}",
        }
    first = {path: path.read_bytes() for path in run.path.glob("c*.*")}
    (outputs / ".figures.json").write_text("{ garbled")
    visualize("--output-dir", outputs, "--only", "calibration", "confusion_matrix", "--format", "svg", "pdf")
    assert {path: path.read_bytes() for path in run.path.glob("c*.*")} == first  # equal figures are equal bytes
    assert not (outputs / "report.html").exists()


def test_names_of_figures_and_formats_are_checked(tmp_path: Path) -> None:
    for option, *values in (("--only", "confusion"), ("--format", "png", "gif"), ("--format", "svg,pdf")):
        result = visualize("--output-dir", tmp_path, option, *values)
        assert result.returncode == 2
        assert result.stderr.startswith(f"error: {option} {' '.join(values)} must be '")
        assert result.stderr.count("\n") == 1


def test_show_without_a_display(tmp_path: Path) -> None:
    make(tmp_path, labels=LABELS)
    result = visualize_anew("--output-dir", tmp_path / "outputs", "--show")
    assert result.returncode == 1
    assert result.stderr.startswith("error: --show needs a display")


def test_an_ensemble_is_a_run_like_any(tmp_path: Path, workplace: Path) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    members = [make_sample_run(outputs, data_dir, framework).name for framework in ("pytorch", "tensorflow")]
    options = ("--output-dir", outputs, "--data-dir", data_dir)
    result = visualize("--ensemble", *members, *options)
    assert (result.returncode, result.stderr) == (0, "")
    name = "mnist-sample-cnn-ensemble"
    assert figures_of(name, RUN_FIGURES - {"training_curves"} | IMAGE_FIGURES) == {
        file for file in files_in(outputs) if file.startswith(name)
    }
    assert name in (outputs / "report.html").read_text()
    alone = visualize("--ensemble", members[0], *options)
    assert alone.returncode == 1
    assert alone.stderr.startswith("error: ")


def test_named_runs_only(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    first, second = make(tmp_path, labels=LABELS), make(tmp_path, labels=LABELS, seed=1)
    result = visualize(first.name, first.path, "--output-dir", outputs)
    assert result.returncode == 0
    assert second.name not in result.stdout
    assert result.stdout.count(f"\n{first.name} ") == 1  # named twice, rendered once
    matrices = {f"reports/{first.name}/{file}" for file in MATRICES}
    assert files_in(outputs) == matrices | figures_of(first.name, RUN_FIGURES)


def visualize_here(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["visualize_results.py", *map(str, arguments)])
    return main()


def test_what_shows_some_runs_keeps_what_shows_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = tmp_path / "outputs"
    a, b, c = (make(tmp_path, labels=LABELS, seed=seed).name for seed in range(3))
    only = ("--output-dir", outputs, "--only", "report", "confusion_matrices")
    assert visualize_here(monkeypatch, *only) == 0
    before = {name: (outputs / name).read_bytes() for name in ("report.html", "mnist/comparison.csv", *MATRICES)}
    for selected, folder in (
        (("--compare", a, b), f"{a}-and-{b}"),
        ((a,), a),
        ((a, b, c), f"{a}-and-2-more-????????"),
    ):
        assert visualize_here(monkeypatch, *selected, *only) == 0
        (own,) = (outputs / "reports").glob(folder)
        for name in ("report.html", *MATRICES):
            assert (own / name).is_file()
    assert {name: (outputs / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("what", ["replaced", "replaced again and again", "deleted"])
def test_a_run_that_changes_while_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    outputs = tmp_path / "outputs"
    stays, changes = make(tmp_path, labels=LABELS), make(tmp_path, labels=LABELS, seed=1)
    options = ("--output-dir", outputs, "--only", "report")
    assert visualize_here(monkeypatch, *options) == 0
    moments = iter([0.1, 0.2, 0.3] if what == "replaced again and again" else [0.1])

    def as_json(evaluation: Evaluation) -> dict[str, Any]:
        if evaluation.run.name == changes.name and (moment := next(moments, None)):
            if what == "deleted":
                shutil.rmtree(changes.path)
            else:  # in which its figures vanish
                make(tmp_path, labels=LABELS, seed=1, error_rate=moment)
        return {}

    monkeypatch.setattr(Evaluation, "as_json", as_json)
    assert visualize_here(monkeypatch, *options) == 0
    out, page = capsys.readouterr().out, html.unescape((outputs / "report.html").read_text())
    assert f"{changes.path}: replaced or deleted meanwhile" in out
    assert f"<bdi>{stays.name}</bdi></h4>" in page
    if what == "replaced":
        assert f"<strong>{100 * read_run(changes.path).accuracy:.2f} %</strong>" in page
        assert files_in(changes.path) == {f"{name}.png" for name in RUN_FIGURES}
    else:
        assert f"<bdi>{changes.name}</bdi></h4>" not in page
        note = "'{}' was deleted meanwhile" if what == "deleted" else "'{}' is being replaced again and again"
        assert note.format(changes.path) in page
        assert changes.path.exists() == (what != "deleted")  # no folder of figures stands in a training's way


def test_bad_runs_are_named_and_the_others_rendered(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    good = make(tmp_path, labels=LABELS)
    half, tampered, wrong = (make(tmp_path, labels=LABELS, seed=seed).path for seed in (1, 2, 3))
    (half / "run.json").unlink()
    np.save(tampered / "predictions.npy", LABELS)
    (wrong / "run.json").write_text("{")
    result = visualize("--output-dir", outputs)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error"] * 3
    page = html.unescape((outputs / "report.html").read_text())
    for file, line in zip([half / "run.json", tampered / "predictions.npy", wrong / "run.json"], lines, strict=True):
        assert f"'{file}'" in line
        assert f"'{file}'" in page
    assert files_in(outputs) == MATRICES | figures_of(good.name, RUN_FIGURES)


def test_forged_texts_in_run_json_lead_nowhere_else(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    for framework in ("pytorch", "tensorflow"):
        run = make(tmp_path, framework=framework, labels=LABELS)
        add_info(run.path, dataset="../../outside", model="../cnn\n<b>", seconds={"training": 1e8}, recipe={"a": [[]]})
    before = set(tmp_path.iterdir())
    result = visualize("--output-dir", outputs)
    assert (result.returncode, result.stderr) == (0, "")
    assert set(tmp_path.iterdir()) == before
    assert files_in(outputs) >= {"_.._outside/comparison.png", "_.._outside/agreement-_cnn__b_.png"}


def test_numbers_that_cannot_be_plotted_cost_only_their_figure(tmp_path: Path) -> None:
    run = make(tmp_path, labels=LABELS)
    history = (
        "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy\n1,1e308,1e308,-1e308,1e308\n2,0,0,0,0.5\n"
    )
    (run.path / "history.csv").write_text(history)
    digest = hashlib.sha256(history.encode()).hexdigest()
    add_info(run.path, files={**run.info["files"], "history.csv": digest})
    result = visualize("--output-dir", tmp_path / "outputs")
    assert "Traceback" not in result.stderr
    assert figures_of(run.name, RUN_FIGURES - {"training_curves"}) <= files_in(tmp_path / "outputs")
    assert (tmp_path / "outputs" / "report.html").is_file()


def test_a_dataset_s_folder_never_lands_in_a_run(tmp_path: Path) -> None:
    for seed in (0, 1):
        make(tmp_path, labels=LABELS, seed=seed)
    make(tmp_path, labels=LABELS, seed=2, folder="mnist")
    assert visualize("--output-dir", tmp_path / "outputs").returncode == 0
    assert (tmp_path / "outputs" / "mnist-2" / "comparison.png").is_file()
    assert not (tmp_path / "outputs" / "mnist" / "comparison.png").exists()


def test_no_runs(tmp_path: Path) -> None:
    for outputs in (tmp_path, tmp_path / "missing"):
        result = visualize("--output-dir", outputs)
        assert result.returncode == 1
        assert result.stderr.startswith("error: there are no runs in")
        assert "python mnist_pytorch.py" in result.stderr
        assert result.stdout == ""


def test_only_bad_runs_and_names_that_are_none(tmp_path: Path) -> None:
    result = visualize("no-such-run", "x" * 300, "--output-dir", tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("error: there is no run") == 2
    assert "Traceback" not in result.stderr


def test_a_figure_that_cannot_be_written(tmp_path: Path) -> None:
    runs = [make(tmp_path, labels=LABELS), make(tmp_path, labels=LABELS, seed=1)]
    (runs[0].path / "confusion_matrix.png").mkdir()
    (tmp_path / "outputs" / "report.html").mkdir()
    result = visualize("--output-dir", tmp_path / "outputs")
    assert result.returncode == 1
    for path in (runs[0].path / "confusion_matrix.png", tmp_path / "outputs" / "report.html"):
        assert f"cannot write '{path}'" in result.stderr
    assert (runs[1].path / "confusion_matrix.png").is_file()
    assert (tmp_path / "outputs" / "confusion_matrices.png").is_file()
    assert not [path for path in (tmp_path / "outputs").rglob(".*") if path.name not in (".figures", ".figures.json")]


@pytest.mark.parametrize("words", [["--no-such-option"], ["--ensemble-name", "mine"]])
def test_a_wrong_command_line_ends_with_2(words: list[str]) -> None:
    assert visualize(*words).returncode == 2


def test_names_cannot_command_the_terminal(tmp_path: Path) -> None:
    make(tmp_path, labels=LABELS, folder="\x1b]0;owned\x07run")
    bad = make(tmp_path, labels=LABELS, folder="\x1b[2Jbad").path
    (bad / "labels.npy").unlink()
    result = visualize("--output-dir", tmp_path / "outputs")
    assert result.returncode == 1
    assert "\x1b" not in result.stdout + result.stderr + (tmp_path / "outputs" / "report.html").read_text()
    assert "?]0;owned?run" in result.stdout


def test_an_error_is_reported_without_the_slow_imports(tmp_path: Path) -> None:
    code = (
        "import sys, visualize_results, digits.errors; sys.argv = ['x', '--output-dir', sys.argv[1]]; "
        "print(digits.errors.run_script(visualize_results.main), 'matplotlib' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.split() == ["1", "False"]
