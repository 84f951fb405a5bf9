"""What an experiment leaves to read: tables as CSV, figures, and report.html, one page with all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from digits.experiments.records import Experiment
from digits.experiments.registry import figures_of
from digits.experiments.searches import pruning_of
from digits.experiments.tables import BEST, left_columns, summary_as_csv, table_of, trials_as_csv
from digits.experiments.words import (
    counts_text,
    objective_label,
    option_text,
    pruning_text,
    subject,
    value_text,
    values_text,
)
from digits.figures import FigureCache, RenderedFigure, Rendering, render_figures, write_page
from digits.files import write_whole
from digits.names import spelled

TEMPLATES = Path(__file__).parent / "templates"
MOST_FAILURES = 20


def write_results(
    experiment: Experiment,
    folder: Path,
    *,
    formats: Sequence[str] = ("png",),
    command: str = "",
    verdicts: Sequence[str] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> tuple[list[Path], Rendering]:
    """Write trials.csv, summary.csv, the figures and report.html into `folder`, each whole or not at all.

    formats: of the figures; png first, which the report needs. command: what repeats the experiment; verdicts:
    sentences that stand at the top of the report; facts: further terms and texts at its end. What cannot be written is
    a fault of the rendering that is returned, after the files that were, figures excepted, and does not keep the rest
    from being written.
    """
    rendering, cache, written = Rendering(), FigureCache(folder), []

    def attempt(path: Path, write: Callable[[Path], None]) -> None:
        try:
            write(path)
            written.append(path)
        except OSError as error:
            rendering.cannot_write(path, error)

    attempt(folder / "trials.csv", lambda path: write_whole(path, trials_as_csv(experiment)))
    attempt(folder / "summary.csv", lambda path: write_whole(path, summary_as_csv(experiment)))
    specs, notes = figures_of(experiment, folder)
    rendering.notes += notes
    figures = render_figures(specs, formats, rendering, cache)
    try:
        cache.save()
    except OSError as error:
        rendering.cannot_write(folder, error)
    notes = [*rendering.notes, *rendering.faults]
    attempt(
        folder / "report.html", lambda path: _write_report(path, experiment, figures, command, verdicts, notes, facts)
    )
    return written, rendering


def _write_report(
    path: Path,
    experiment: Experiment,
    figures: Sequence[RenderedFigure],
    command: str,
    verdicts: Sequence[str],
    notes: Sequence[str],
    facts: Sequence[tuple[str, str]],
) -> None:
    failed = [trial for trial in experiment.trials if trial.state == "failed"]
    pruning = pruning_of(experiment)
    heading, remark = _heading(experiment)
    write_page(
        path,
        "experiment.html",
        templates=TEMPLATES,
        experiment=experiment,
        subject=subject(experiment),
        progress=counts_text(experiment),
        pruning=pruning_text(pruning) if pruning else "",
        verdicts=verdicts,
        notes=notes,
        heading=heading,
        lines=table_of(experiment),
        words=left_columns(experiment),
        remark=remark,
        figures=figures,
        failures=failed[:MOST_FAILURES],
        more_failures=len(failed[MOST_FAILURES:]),
        values_text=values_text,
        command=command,
        facts=[*facts, *_facts(experiment)],
    )


def _heading(experiment: Experiment) -> tuple[str, str]:
    """Return what stands above the table, and below it."""
    if experiment.kind == "search":
        remark = (
            f"The best {BEST} complete trials at most. The {experiment.evaluate_on} {experiment.objective}, which was "
            "optimised, is the mean over the n trainings of a trial. The best of many trials looks better than it is: "
            "only trainings with other seeds, evaluated on the test images, show what it is worth. All trials are in "
            "trials.csv."
        )
        return "Best trials", remark
    remark = (
        f"Means over n seeds, each evaluated on {experiment.evaluate_on} images, with standard deviation (sd; of the "
        "accuracy, in percentage points) and 95 % t-interval. The loss is the mean cross-entropy in nats, the training "
        "time the median. Every training is in trials.csv."
    )
    return "Combinations", remark


def _facts(experiment: Experiment) -> list[tuple[str, str]]:
    """Return what was asked for, as terms and texts."""
    trials = experiment.trials
    varied = []
    for name in experiment.varied:
        values = list(dict.fromkeys(value_text(trial.values.get(name)) for trial in trials))
        numbers = [value for trial in trials if isinstance(value := trial.values.get(name), int | float)]
        if len(values) > 12 and len(numbers) == len(trials):
            values = [f"{value_text(min(numbers))} to {value_text(max(numbers))}"]
        scale = " (logarithmic)" if name in experiment.logarithmic else ""
        varied.append(f"{option_text(name)}{scale} {', '.join(values[:12])}")
    epochs = experiment.epochs
    facts = [
        ("Kind", experiment.kind),
        ("Dataset", spelled(experiment.dataset)),
        ("Frameworks", ", ".join(map(spelled, experiment.frameworks))),
        ("Networks", ", ".join(map(spelled, experiment.models))),
        ("Varied", "; ".join(varied)),
        ("Evaluated on", f"{experiment.evaluate_on} images"),
        ("Objective", objective_label(experiment) if experiment.kind == "search" else ""),
        ("Epochs", f"{epochs:,} a trial" if epochs else ""),
        ("Workers", f"{len({trial.worker for trial in trials if trial.worker}):,}"),
        ("Seconds", f"{sum(one.seconds for trial in trials for one in trial.trainings):,.0f} of training in all"),
        ("Period", _period(experiment)),
    ]
    return [(term, text) for term, text in facts if text]


def _period(experiment: Experiment) -> str:
    moments = [moment for trial in experiment.trials for moment in (trial.started, trial.finished) if moment]
    if not moments:
        return ""
    return " to ".join(f"{moment:%Y-%m-%d %H:%M %Z}".strip() for moment in (min(moments), max(moments)))
