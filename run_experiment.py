"""Many trainings as one experiment: grids, searches, their tables and figures.

    python run_experiment.py grid seeds --framework pytorch tensorflow --seed 0 1 2 3 4
    python run_experiment.py search better --framework pytorch --trials 60
    python run_experiment.py show better
    python run_experiment.py confirm better --seeds 6
    python run_experiment.py grid --help

Each experiment has a name. After Ctrl-C, a crash or a failure, the same command
continues it. With --storage, several machines share it. Each command has a
--help of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pkgutil import resolve_name

from mnist_twice.command_line import refuse
from mnist_twice.errors import run_script
from mnist_twice.experiments.options import ConfirmOptions, GridOptions, SearchOptions, ShowOptions, parse_command

GRID = """Train every combination of frameworks, networks, seeds and values.

    python run_experiment.py grid seeds --seed 0 1 2 3 4
    python run_experiment.py grid rates --framework pytorch --set learning_rate=0.001,0.003 filters=8x16,16x32

Each training leaves a run in OUTPUT_DIR/experiments/NAME/runs. If it is interrupted, the same command continues."""
SEARCH = """Find a better recipe by its validation images, not the test images.

    python run_experiment.py search better --trials 60
    python run_experiment.py search wide --model mlp --space dropout=0..0.5 learning_rate=1e-4..1e-2:log

The first trial is the default recipe. OUTPUT_DIR/experiments/NAME/best.json has the best one, for --recipe of the
training scripts. If it is interrupted, the same command continues."""

SHOW = """Print an experiment's table; write its figures, CSV files and report.

    python run_experiment.py show better
    python run_experiment.py show better --format svg

At any time, also while the experiment is running."""
CONFIRM = """Compare a search's best recipe with its start, on the test images.

    python run_experiment.py confirm better --seeds 6
    python run_experiment.py confirm better --seeds 8 --jobs 2

Both recipes are trained on all training images, with seeds that the search has not used. The test images are read only
now, and once for each training. If it is interrupted, the same command continues; afterwards, it shows the result."""


COMMANDS = {
    "grid": (GRID, GridOptions(), "run:run_grid"),
    "search": (SEARCH, SearchOptions(), "run:run_search"),
    "show": (SHOW, ShowOptions(), "report:run_show"),
    "confirm": (CONFIRM, ConfirmOptions(), "confirm:run_confirm"),
}
"""The help text, the default options, and the function of each command in mnist_twice.experiments."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that the words (default: sys.argv) begin with; return the exit status."""
    words = sys.argv[1:] if words is None else words
    if words and words[0] in ("-h", "--help"):
        print(f"usage: python run_experiment.py COMMAND ... [options]\n\n{__doc__}\ncommands:")
        for name, (text, *_) in COMMANDS.items():
            print(f"  {name:8} {text.splitlines()[0]}")
        return 0
    if not words or words[0] not in COMMANDS:
        given = f"there is no command {words[0]!r}" if words else "a command is missing"
        refuse(f"{given}; choose one of {', '.join(COMMANDS)}; --help describes them.")
    text, default, function = COMMANDS[words[0]]
    options = parse_command(default, words[0], text, words[1:])
    # Imported only now, because Optuna and pandas take seconds.
    status: int = resolve_name(f"mnist_twice.experiments.{function}")(options)
    return status


if __name__ == "__main__":
    sys.exit(run_script(main))
