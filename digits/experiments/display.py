"""What a worker shows: a line for each trial that ends, and, on a terminal, a live table of those that run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from digits.experiments.job import Job
from digits.experiments.queue import Queue
from digits.experiments.words import count, values_text
from digits.names import percent, plain

if TYPE_CHECKING:
    from digits.experiments.worker import Running

REDRAW, RECOUNT = 0.25, 2.0
"""Seconds between two drawings of the table, and between two looks at the study for it."""


class Display:
    """The lines go to standard output, the table to standard error."""

    def __init__(self, varied: Sequence[str], objective: str) -> None:
        self.varied, self.objective = varied, objective
        self._live: Live | None = None
        self._began = self._drawn = self._counted = time.monotonic()
        self._counted -= RECOUNT
        self._first: int | None = None  # trials that had ended before this call
        self._counts = ""
        self._waits = False
        self._started: dict[int, float] = {}

    def __enter__(self) -> Display:
        if sys.stderr.isatty():
            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def say(self, sentence: str) -> None:
        print(plain(sentence), flush=True)

    def wait(self) -> None:
        """Say, once, that only others' trials are left."""
        if not self._waits:
            self._waits = True
            self.say("waiting for trials that run elsewhere, to continue them should their workers end.")

    def ended(self, job: Job, how: str, steps: int) -> None:
        """Print the line of a trial that has ended: complete, pruned after some steps, or failed."""
        head = f"trial {job.trial.number}: {self._what(job.values)}"
        if how == "complete":
            scores = [result["score"] for result in job.results]
            loss, accuracy = (sum(score[key] for score in scores) / len(scores) for key in ("loss", "accuracy"))
            seconds = sum(result["seconds"] for result in job.results)
            epochs = sum(result["epochs"] for result in job.results)
            seeds = f"mean of {len(scores)} seeds, " if len(scores) > 1 else ""
            already = "" if job.trained else ", trained before"
            work = f"{count(epochs, 'epoch')} in {seconds:.1f} s{already}"
            self.say(f"{head}: {seeds}loss {loss:.4f}, accuracy {percent(accuracy)}, {work}")
        elif how == "pruned":
            unit = count(steps, "epoch") if len(job.seeds) == 1 else f"{steps} of {len(job.seeds)} seeds"
            self.say(f"{head}: pruned after {unit}")
        else:
            self.say(f"{head}: the training failed; its last lines:")
            for line in job.error.splitlines():
                self.say(f"    {line}")

    def update(self, queue: Queue, running: Sequence[Running]) -> None:
        """Draw the table again, if it is time."""
        now = time.monotonic()
        if self._live is None or now - self._drawn < REDRAW:
            return
        self._drawn = now
        if now - self._counted >= RECOUNT:
            self._counted, self._counts = now, self._count(queue, len(running))
        self._live.update(Group(self._table(running), Text(self._counts)), refresh=True)

    def _table(self, running: Sequence[Running]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("trial", "what", "epoch", f"validation {self.objective}", "seconds"):
            table.add_column(column, overflow="ellipsis", no_wrap=True, justify="left" if column == "what" else "right")
        for job in (entry.job for entry in running):
            began = self._started.setdefault(job.trial.number, time.monotonic())
            value = job.history[-1].get(f"validation_{self.objective}") if job.history else None
            table.add_row(
                str(job.trial.number),
                Text(plain(self._what(job.values))),
                f"{job.epochs_done}/{job.epochs}",
                "" if value is None else f"{value:.4f}" if self.objective == "loss" else percent(value),
                f"{time.monotonic() - began:.0f}",
            )
        return table

    def _count(self, queue: Queue, here: int) -> str:
        """Return how far the experiment is, on all machines, and when it may end."""
        trials = list(queue.counting().values())
        total = max(len(trials), queue.total)
        states = [trial.state for trial in trials if trial is not None]
        done = sum(state.is_finished() for state in states)
        self._first = done if self._first is None else self._first
        parts = [f"{done} of {total} trials done"]
        if failed := states.count(TrialState.FAIL):
            parts.append(f"{failed} failed")
        if (elsewhere := states.count(TrialState.RUNNING) - here) > 0:
            parts.append(f"{elsewhere} run elsewhere")
        if done > self._first:
            left = (time.monotonic() - self._began) / (done - self._first) * (total - done)
            parts.append(f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left")
        return ", ".join(parts)

    def _what(self, values: Mapping[str, Any]) -> str:
        names = self.varied or ("framework", "model")
        return values_text({name: values[name] for name in names if name in values})
