"""What an experiment has given so far: printed, and written into its folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.experiments.confirm import recipe_text, write_confirmation
from digits.experiments.confirmation import CONFIRM, verdicts_of
from digits.experiments.options import ShowOptions
from digits.experiments.repeat import command_of
from digits.experiments.searches import pruning_of
from digits.experiments.study import FOLDER, experiments_in, read_study
from digits.experiments.tables import experiment_as_text
from digits.experiments.words import counts_text, pruning_text, subject
from digits.names import plain


def run_show(options: ShowOptions) -> int:
    """Print the experiment's table and what is known of it, write its files; return the exit status."""
    name = options.experiment
    stored = read_study(name, options.output_dir, options.storage)
    experiment = stored.experiment
    verdicts = verdicts_of(experiment)
    if experiment.kind == "search" and f"{name}{CONFIRM}" in experiments_in(options.output_dir, options.storage):
        verdicts = verdicts_of(read_study(f"{name}{CONFIRM}", options.output_dir, options.storage).experiment)
    print(f"{experiment.kind}: {plain(subject(experiment))}\n{counts_text(experiment)}.")
    if pruning := pruning_of(experiment):
        print(pruning_text(pruning))
    facts = [("Best recipe", recipe_text(stored.definition))] if experiment.kind == "confirm" else []
    for term, text in facts:
        print(f"{term.lower()}: {text}")
    print(f"\n{experiment_as_text(experiment)}", end="")
    for sentence in verdicts:
        print(f"\n{sentence}")
    sys.stdout.flush()

    folder = options.output_dir / FOLDER / name
    os.environ["MPLBACKEND"] = "Agg"  # whatever the user has set: no window is opened
    from digits.experiments.report import write_results  # imported only now: a wrong name is reported at once

    written, rendering = write_results(
        experiment,
        folder,
        formats=["png", *(ending for ending in dict.fromkeys(options.format) if ending != "png")],
        command=command_of(stored.definition, name, experiment.wanted),
        verdicts=verdicts,
        facts=facts,
    )
    print(f"\nfigures: {len(rendering.files)}, of which {rendering.new} rendered now, the others unchanged")
    _print_names(rendering.files)
    if path := write_confirmation(stored, folder):
        written.append(path)
    print("tables and report:")
    _print_names(written)
    for note in rendering.notes:
        print(f"note: {plain(note)}")
    sys.stdout.flush()
    for fault in rendering.faults:
        print(f"error: {plain(fault)}", file=sys.stderr)
    return 1 if rendering.faults else 0


def _print_names(files: Sequence[Path]) -> None:
    if files:
        print(f"  {plain(files[0].parent)}/: {', '.join(plain(path.name) for path in files)}")
