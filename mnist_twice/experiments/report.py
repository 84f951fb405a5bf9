"""What an experiment leaves to read: a table, CSV files, figures, and report.html, one page with all of it."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path

from mnist_twice.experiments.confirm import CONFIRM, confirmation_of
from mnist_twice.experiments.options import ShowOptions
from mnist_twice.experiments.results import as_csv, experiments_in, progress_text, read_experiment, summary, table_of
from mnist_twice.files import write_whole
from mnist_twice.names import plain


def run_show(options: ShowOptions) -> int:
    """Print the experiment's table and what is known of it, write its files; return the exit status."""
    os.environ["MPLBACKEND"] = "Agg"  # whatever the user has set: no window is opened
    from mnist_twice.experiments.figures import figures_of
    from mnist_twice.figures import write_page
    from mnist_twice.figures.page import save_figure

    place, folder = (options.output_dir, options.storage), options.folder
    experiment = read_experiment(options.experiment, *place)
    other = f"{experiment.name}{CONFIRM}"
    confirmed = read_experiment(other, *place) if other in experiments_in(*place) else experiment
    confirmation = confirmation_of(confirmed.definition, confirmed.complete)
    table, progress = table_of(experiment), progress_text(experiment)
    verdict = confirmation["sentence"] if confirmation else ""
    print(f"{experiment.definition.kind}: {plain(experiment.subject)}\n{progress}\n\n{table.to_string(index=False)}")
    print(f"\n{verdict}" if verdict else "")

    texts = {"trials.csv": as_csv(experiment.trials), "summary.csv": as_csv(summary(experiment))}
    if experiment.definition.kind == "confirm" and confirmation:
        texts["confirm.json"] = json.dumps(confirmation, indent=2) + "\n"
    for name, text in texts.items():
        write_whole(folder / name, text)
    written, figures = [*texts, "report.html"], []
    for name, figure, title in figures_of(experiment):
        for ending in dict.fromkeys(["png", *options.format]):
            written.append(f"{name}.{ending}")
            save_figure(figure, folder / written[-1])
        figures.append((name, b64encode((folder / f"{name}.png").read_bytes()).decode(), title))
    write_page(
        folder / "report.html",
        "experiment.html",
        templates=Path(__file__).parent / "templates",
        experiment=experiment,
        progress=progress,
        verdict=verdict,
        table=table.to_html(index=False, border=0),
        figures=figures,
        failures=experiment.trials[experiment.trials["state"] == "failed"].head(20).to_dict("records"),
    )
    print(f"written to '{plain(folder)}': {', '.join(written)}")
    return 0
