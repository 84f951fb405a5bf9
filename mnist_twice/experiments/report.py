"""What an experiment leaves to read: a table, CSV files, figures, and report.html, one page with all of it."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from mnist_twice.experiments.confirm import CONFIRM, confirmation_of, recipe_text, write_confirmation
from mnist_twice.experiments.options import ShowOptions
from mnist_twice.experiments.results import (
    Experiment,
    counts_text,
    experiments_in,
    pruning_text,
    read_experiment,
    subject,
    summary_as_csv,
    table_of,
    trials_as_csv,
)
from mnist_twice.experiments.values import option_text, text_of
from mnist_twice.files import write_whole
from mnist_twice.names import plain

TEMPLATES = Path(__file__).parent / "templates"
MOST_FAILURES = 20


def run_show(options: ShowOptions) -> int:
    """Print the experiment's table and what is known of it, write its files; return the exit status."""
    place = options.output_dir, options.storage
    experiment = read_experiment(options.experiment, *place)
    other = f"{options.experiment}{CONFIRM}"
    confirmed = read_experiment(other, *place) if other in experiments_in(*place) else experiment
    confirmation = confirmation_of(confirmed)
    verdict = confirmation.sentence() if confirmation else ""
    print(f"{experiment.definition.kind}: {plain(subject(experiment))}\n{counts_text(experiment)}.")
    print("\n".join(filter(None, [pruning_text(experiment), "", table_of(experiment).to_string(index=False), verdict])))
    written = write_results(experiment, options, verdict)
    if confirmation and experiment.definition.kind == "confirm":
        written.append(write_confirmation(experiment, confirmation, options.folder))
    print(f"\nwritten: {plain(options.folder)}/: {', '.join(path.name for path in written)}")
    return 0


def write_results(experiment: Experiment, options: ShowOptions, verdict: str = "") -> list[Path]:
    """Write trials.csv, summary.csv, the figures and report.html into the experiment's folder; return their paths.

    verdict: a sentence that stands at the top of the report.
    """
    os.environ["MPLBACKEND"] = "Agg"  # whatever the user has set: no window is opened
    from mnist_twice.experiments.figures import figures_of
    from mnist_twice.figures import write_page
    from mnist_twice.figures.page import save_figure

    folder, pictures = options.folder, []
    written = [folder / "trials.csv", folder / "summary.csv"]
    for path, text in zip(written, (trials_as_csv(experiment), summary_as_csv(experiment)), strict=True):
        write_whole(path, text)
    for name, figure, title in figures_of(experiment):
        for ending in dict.fromkeys(["png", *options.format]):
            written.append(folder / f"{name}.{ending}")
            save_figure(figure, written[-1])
        data = b64encode((folder / f"{name}.png").read_bytes()).decode()
        pictures.append({"title": title, "name": f"{name}.png", "data": f"data:image/png;base64,{data}"})
    failed = experiment.trials[experiment.trials["state"] == "failed"].to_dict("records")
    write_page(
        folder / "report.html",
        "experiment.html",
        templates=TEMPLATES,
        experiment=experiment,
        command=experiment.command,
        subject=subject(experiment),
        progress=counts_text(experiment),
        pruning=pruning_text(experiment),
        verdict=verdict,
        table=table_of(experiment),
        figures=pictures,
        failures=failed[:MOST_FAILURES],
        facts=_facts(experiment),
    )
    return [*written, folder / "report.html"]


def _facts(experiment: Experiment) -> dict[str, Any]:
    """Return what was asked for, as terms and texts."""
    definition, trials = experiment.definition, experiment.trials
    parts: Any = definition.space if definition.kind == "search" else definition.lists
    moments = sorted(moment for name in ("started", "finished") for moment in trials[name] if moment)
    facts = {
        "Varied": "; ".join(f"{option_text(name)} {text_of(parts[name])}" for name in definition.differing),
        "Evaluated on": f"{definition.evaluate_on} images",
        "Best recipe": recipe_text(definition) if definition.kind == "confirm" else "",
        "Time": f"{moments[0]} to {moments[-1]}" if moments else "",
        "Versions": ", ".join(f"{name} {version}" for name, version in definition.versions.items()),
    }
    return {term: text for term, text in facts.items() if text}
