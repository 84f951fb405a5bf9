"""visualize_results.py: which files it writes for which runs, what it prints, and what it does with bad runs."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import Done, call
from make_runs import add_info, make_run, make_sample_run

from mnist_twice.data import load_dataset
from mnist_twice.evaluation import Evaluation, evaluate_run
from mnist_twice.figures import FIGURES, render_all, write_report
from mnist_twice.recipes import Recipe
from mnist_twice.runs import Run, find_runs, read_run
from mnist_twice.training import evaluation_set

pytestmark = pytest.mark.slow

LABELS = np.repeat(np.arange(10), 100)
MATRICES = {"confusion_matrices.png", "mnist/confusion_matrices.png"}
RUN_FIGURES = {"training_curves", "confusion_matrix", "per_class_accuracy", "calibration"}
FEW = ("calibration", "confusion_matrices")  # in place of FIGURES, where any figures will do
IMAGE_FIGURES = {"incorrect_predictions", "correct_predictions"}


Visualize = Callable[..., Done]


@pytest.fixture
def visualize(tmp_path: Path) -> Visualize:
    """Give a function that runs the script on tmp_path/outputs."""
    return partial(call, "visualize_results", "--output-dir", tmp_path / "outputs")


def make(tmp_path: Path, *arguments: Any, **options: Any) -> Run:
    return read_run(make_run(tmp_path / "outputs", *arguments, **{"labels": LABELS, **options}))


def report_of(outputs: Path) -> str:
    """Return the text of the report on the runs in `outputs`, without figures, which take long."""
    evaluations = [evaluate_run(read_run(path)) for path in find_runs(outputs)]
    rendering = render_all(evaluations, outputs, outputs / "no data", only=(), formats=["png"])
    write_report(rendering, outputs / "report.html", [])
    return html.unescape((outputs / "report.html").read_text(encoding="utf-8"))


def files_in(folder: Path, ending: str = "png") -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob(f"*.{ending}")}


def figures_of(run: str, names: set[str]) -> set[str]:
    return {f"{run}/{name}.png" for name in names}


# --- which files ---


def test_all_from_start_to_end_and_unchanged_figures_only_once(
    tmp_path: Path, workplace: Path, visualize: Visualize
) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    runs = [make_sample_run(outputs, data_dir, framework) for framework in ("pytorch", "tensorflow")]
    result = visualize("--data-dir", data_dir)
    assert (result.status, result.err) == (0, "")
    for run in runs:
        (line,) = (line for line in result.out.splitlines() if line.startswith(f"{run.name} "))
        assert f"{100 * run.accuracy:.2f} %" in line
        assert read_run(run.path)  # a figure in its folder is no tampering
        assert json.loads((run.path / "report.json").read_text())["accuracy"] == pytest.approx(run.accuracy)
    across = {"comparison", "agreement-cnn", "disagreements-cnn", "both_wrong-cnn", "confusion_matrices"}
    dataset = {"class_distribution", "sample_images"}
    expected = {"confusion_matrices.png", *figures_of("mnist-sample", across | dataset)}
    for run in runs:
        expected |= figures_of(run.name, RUN_FIGURES | IMAGE_FIGURES)
    assert files_in(outputs) == expected
    others = {"parity", "writers", "robustness", "corruptions", "augmentation"}
    assert {Path(name).stem.split("-")[0] for name in expected} == {*FIGURES} - others  # --only knows
    assert files_in(outputs / "mnist-sample", "csv") == {"comparison.csv", "recipes.csv"}
    assert "of which 20 rendered now" in result.out
    page = (outputs / "report.html").read_bytes()
    assert "of which 0 rendered now" in visualize("--data-dir", data_dir).out
    assert (outputs / "report.html").read_bytes() == page
    # One figure spoilt, one deleted, one run trained again: those alone, and what shows the new run.
    (runs[0].path / "calibration.png").write_bytes(b"spoilt")
    (runs[0].path / "confusion_matrix.png").unlink()
    assert "of which 2 rendered now" in visualize("--data-dir", data_dir).out
    make_sample_run(outputs, data_dir, "tensorflow", error_rate=0.3, recipe=Recipe(augment=True))
    again = visualize(
        "--data-dir", data_dir, "--only", "confusion_matrix", "confusion_matrices", "agreement", "augmentation"
    )
    assert "of which 5 rendered now" in again.out
    assert (outputs / "mnist-sample" / "augmentation.png").is_file()  # now that a run was trained with it


def test_without_the_dataset_only_the_images_are_missing(tmp_path: Path, workplace: Path, visualize: Visualize) -> None:
    run = make_sample_run(tmp_path / "outputs", workplace / "mnist_data")
    only = ("--only", "calibration", "incorrect_predictions")
    result = visualize("--data-dir", tmp_path / "nowhere", *only)
    assert "note: the figures that show images of mnist-sample are left out" in result.out
    assert files_in(tmp_path / "outputs") == figures_of(run.name, {"calibration"})
    add_info(run.path, dataset_fingerprint="0" * 64)
    result = visualize("--data-dir", workplace / "mnist_data", *only)
    assert result.status == 0
    assert "has other images of mnist-sample than" in result.out
    assert files_in(tmp_path / "outputs") == figures_of(run.name, {"calibration"})


def test_validation_runs_are_shown_as_such_with_their_own_images(
    tmp_path: Path, workplace: Path, visualize: Visualize
) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    dataset = load_dataset("mnist-sample", data_dir)
    tested = make_sample_run(outputs, data_dir)
    held_out: Any = {"validation_fraction": 0.1, "split": "random", "seed": 0}
    labels = evaluation_set(dataset, Recipe())[1].astype(np.int64)
    for framework in ("pytorch", "tensorflow"):
        name = f"mnist-sample-cnn-{framework}+evaluate_on=validation"
        path = make_run(outputs, "mnist-sample", framework, labels=labels, held_out=held_out, folder=name)
        add_info(path, dataset_fingerprint=dataset.fingerprint, name=name)
    result = visualize("--data-dir", data_dir, "--only", "incorrect_predictions", "agreement", "sample_images")
    assert (result.status, result.err) == (0, "")
    assert len(re.findall(r"(?m)evaluate_on=validation .* 400 [(]validation[)]$", result.out)) == 2
    assert re.search(rf"(?m)^{tested.name} .* 1,000$", result.out)
    assert files_in(outputs / "mnist-sample-validation") == {"agreement-cnn.png"}
    assert files_in(outputs / "mnist-sample") == {"sample_images.png"}  # of the dataset, once
    assert files_in(path) == {"incorrect_predictions.png"}
    page = report_of(outputs)
    assert "<h2>MNIST sample, validation images</h2>" in page
    assert "n = 400 validation images." in page


def test_errors_by_writer(tmp_path: Path) -> None:
    writers = np.stack([np.arange(1000) // 20, np.where(np.arange(1000) < 300, 0, 4)], axis=1).astype(np.int32)
    for framework in ("pytorch", "tensorflow"):
        make(tmp_path, framework=framework, writers=writers)
    page = report_of(tmp_path / "outputs")
    for text in ("intervals over 50 writers", "Design effect", "<td>high-school students</td>"):
        assert text in page


def test_parity_of_the_pairs_that_were_trained_for_it(tmp_path: Path, visualize: Visualize) -> None:
    losses, parity = np.linspace(2, 1, 150), Recipe(parity=True)
    for framework in ("pytorch", "tensorflow"):
        for options in (
            {"recipe": Recipe(), "losses": losses},
            {"recipe": parity, "losses": losses},
            {"recipe": replace(parity, precision="float64"), "losses": losses, "folder": f"double-{framework}"},
            {"recipe": replace(parity, epochs=0), "losses": losses[:0], "folder": f"evaluated-{framework}"},
            {"recipe": parity, "model": "mlp"},  # of an earlier version
            {"recipe": parity, "losses": losses, "seed": 7 if framework == "pytorch" else 8},
        ):
            make(tmp_path, "mnist", framework, **options)
    assert visualize("--only", "parity", "agreement").status == 0
    endings = {"cnn", "cnn-parity", "cnn-parity-2", "cnn-parity-3", "mlp-parity"}
    expected = {"parity-cnn", "parity-cnn-3", *(f"agreement-{ending}" for ending in endings)}  # 2 has no losses
    assert files_in(tmp_path / "outputs") == figures_of("mnist", expected)


def test_what_shows_some_runs_keeps_what_shows_all(
    tmp_path: Path, visualize: Visualize, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_twice.figures.FIGURES", FEW)
    outputs = tmp_path / "outputs"
    a, b, c = (make(tmp_path, seed=seed).name for seed in range(3))
    shared = ("report.html", "mnist/comparison.csv", *MATRICES)
    assert visualize().status == 0
    before = {name: (outputs / name).read_bytes() for name in shared}
    for selected, folder in (
        (("--compare", a, b), f"{a}-and-{b}"),
        ((a, outputs / a), a),
        ((a, b, c), f"{a}-and-2-more-????????"),
    ):
        assert visualize(*selected).status == 0
        (own,) = (outputs / "reports").glob(folder)
        assert all((own / name).is_file() for name in ("report.html", *MATRICES))
        assert (c in (own / "report.html").read_text(encoding="utf-8")) == (c in selected)
    assert {name: (outputs / name).read_bytes() for name in before} == before


def test_only_some_figures_in_other_formats(tmp_path: Path, visualize: Visualize) -> None:
    run = make(tmp_path)
    options = ("--only", "calibration", "confusion_matrix", "--format", "svg", "pdf")
    assert visualize(*options).status == 0
    for ending in ("svg", "pdf"):
        assert files_in(run.path, ending) == {f"calibration.{ending}", f"confusion_matrix.{ending}"}
    first = {path: path.read_bytes() for path in run.path.glob("c*.*")}
    for path in first:
        path.unlink()
    visualize(*options)
    assert {path: path.read_bytes() for path in run.path.glob("c*.*")} == first  # equal figures are equal bytes
    assert not (tmp_path / "outputs" / "report.html").exists()


def test_an_ensemble_is_a_run_like_any(tmp_path: Path, workplace: Path, visualize: Visualize) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    members = [make_sample_run(outputs, data_dir, framework).name for framework in ("pytorch", "tensorflow")]
    only = ("--data-dir", data_dir, "--only", "training_curves", "incorrect_predictions")
    assert visualize("--ensemble", *members, *only).status == 0
    assert files_in(outputs / "mnist-sample-cnn-ensemble") == {"incorrect_predictions.png"}
    assert visualize("--ensemble", members[0]).err.startswith("error: an ensemble needs two runs or more")


def test_any_two_runs_are_compared(tmp_path: Path, workplace: Path, visualize: Visualize) -> None:
    outputs, data_dir = tmp_path / "outputs", workplace / "mnist_data"
    small = make_sample_run(outputs, data_dir, recipe=Recipe(filters=(8, 16)), error_rate=0.3, folder="small")
    usual = make_sample_run(outputs, data_dir)
    seed = make_sample_run(outputs, data_dir, seed=3)
    across = ("agreement", "disagreements", "both_wrong")
    result = visualize("--data-dir", data_dir, "--compare", "small", usual.path, "--only", *across)
    assert (result.status, result.err) == (0, "")
    only_small, only_usual = ((a.right & ~b.right).sum() for a, b in ((small, usual), (usual, small)))
    assert re.search(rf"(?m)^small correct +{(small.right & usual.right).sum()} +{only_small}$", result.out)
    assert re.search(rf"(?m)^small wrong +{only_usual} +{(~small.right & ~usual.right).sum()}$", result.out)
    differing = (small.predictions != usual.predictions).sum()
    assert f"They predict different classes for {differing} of 1,000 images." in result.out
    assert "differ, which may explain it: filters 8 16 against 16 32." in result.out
    assert seed.name not in result.out  # as of runs that are named, it shows no others
    names = {f"{name}-small-and-{usual.name}" for name in across}
    assert files_in(outputs / "reports" / f"small-and-{usual.name}") == figures_of("mnist-sample", names)
    result = visualize("--compare", usual.name, seed.name, "--only", "agreement")
    assert "They differ only in their seed: 0 and 3." in result.out


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ([], 1, "there are no runs in"),
        (["no-such-run", "x" * 300], 1, "there is no run '"),
        (["--only", "confusion"], 2, "--only confusion must be one of training_curves, "),
        (["--ensemble-name", "mine"], 2, "--ensemble-name "),
        (["--compare", "run-of-digits", "run-of-clothes"], 1, "test images of fashion-mnist (fingerprint"),
        (["--compare", "run-of-digits", "run-damaged"], 1, "is not the record of a run"),
        (["--compare", "run-of-digits", "run-of-digits"], 2, "--compare needs two different runs."),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(
    tmp_path: Path, visualize: Visualize, words: list[str], status: int, told: str
) -> None:
    if words:
        make(tmp_path, folder="run-of-digits")
        make(tmp_path, "fashion-mnist", folder="run-of-clothes")
        (tmp_path / "outputs" / "run-damaged").mkdir()
        (tmp_path / "outputs" / "run-damaged" / "run.json").write_text("{")
    result = visualize(*words)
    assert result.status == status
    assert told in result.err
    assert all(line.startswith("error: ") for line in result.err.splitlines())
    assert not files_in(tmp_path)


@pytest.mark.parametrize("what", ["replaced", "deleted"])
def test_a_run_that_changes_while_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visualize: Visualize, what: str
) -> None:
    outputs = tmp_path / "outputs"
    monkeypatch.setattr("mnist_twice.figures.FIGURES", FEW)
    stays, changes = make(tmp_path), make(tmp_path, seed=1)
    assert visualize("--only", "report").status == 0
    moments = iter([0.1])

    def as_json(evaluation: Evaluation) -> dict[str, Any]:
        if evaluation.run.name == changes.name and (moment := next(moments, None)):
            shutil.rmtree(changes.path)
            if what == "replaced":
                make(tmp_path, seed=1, error_rate=moment)
        return {}

    monkeypatch.setattr(Evaluation, "as_json", as_json)
    result = visualize("--only", "report")
    assert (result.status, result.err) == (0, "")
    page = html.unescape((outputs / "report.html").read_text(encoding="utf-8"))
    assert f"{changes.path} replaced or deleted meanwhile" in result.out
    assert f"<bdi>{stays.name}</bdi></h4>" in page
    if what == "replaced":
        assert f"<strong>{100 * read_run(changes.path).accuracy:.2f} %</strong>" in page
        assert files_in(changes.path) == {"calibration.png"}
    else:
        assert f"<bdi>{changes.name}</bdi></h4>" not in page
        assert not changes.path.exists()  # no folder of figures stands in a training's way


def test_bad_runs_are_named_and_the_others_rendered(
    tmp_path: Path, visualize: Visualize, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_twice.figures.FIGURES", FEW)
    outputs = tmp_path / "outputs"
    good = make(tmp_path, folder="\x1b]0;owned\x07run")
    half, tampered, wrong = (make(tmp_path, seed=seed).path for seed in (1, 2, 3))
    (half / "run.json").unlink()
    np.save(tampered / "predictions.npy", LABELS)
    (wrong / "run.json").write_text("{")
    result = visualize()
    assert result.status == 1
    page = html.unescape((outputs / "report.html").read_text(encoding="utf-8"))
    files = (half / "run.json", tampered / "predictions.npy", wrong / "run.json")
    for file, line in zip(files, result.err.splitlines(), strict=True):
        assert line.startswith("error: ")
        assert f"'{file}'" in line
        assert f"'{file}'" in page
    assert files_in(outputs) == MATRICES | figures_of(good.name, {"calibration"})
    assert "\x1b" not in result.out + page  # a name cannot command the terminal
    assert "?]0;owned?run" in result.out


def test_a_figure_that_cannot_be_written(tmp_path: Path, visualize: Visualize, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist_twice.figures.FIGURES", FEW)
    runs = [make(tmp_path), make(tmp_path, seed=1)]
    (runs[0].path / "calibration.png").mkdir()
    (tmp_path / "outputs" / "report.html").mkdir()
    result = visualize()
    assert result.status == 1
    for path in (runs[0].path / "calibration.png", tmp_path / "outputs" / "report.html"):
        assert f"cannot write '{path}'" in result.err
    assert (runs[1].path / "calibration.png").is_file()
    assert (tmp_path / "outputs" / "confusion_matrices.png").is_file()
    assert not [path for path in (tmp_path / "outputs").rglob(".*") if path.name != ".page"]
