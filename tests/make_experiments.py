"""Experiments to try tables and figures on: grids and searches, seeded, with the shapes of real ones."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from digits.experiments import Experiment, Training, Trial
from digits.metrics import wilson_interval

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ACCURACY = {"cnn": 0.988, "mlp": 0.976, "lenet5": 0.9915}
SECONDS = {"cnn": 9.5, "mlp": 14.0, "lenet5": 31.0}
DEFAULTS = {"learning_rate": 1e-3, "dropout": 0.25, "batch_size": 64, "schedule": "constant", "filters": (16, 32)}


def a_training(seed: int, accuracy: float, loss: float, seconds: float, epochs: int, n: int = 10_000) -> Training:
    correct = round(accuracy * n)
    score = {"n": n, "accuracy": correct / n, "loss": loss, "interval_95": list(wilson_interval(correct, n))}
    return Training(seed, score, seconds, epochs)  # type: ignore[arg-type]


def a_trial(number: int, values: dict[str, Any], trainings: tuple[Training, ...] = (), **other: Any) -> Trial:
    usual: dict[str, Any] = {
        "state": "complete",
        "objective": float(np.mean([one.score["loss"] for one in trainings])) if trainings else None,
        "epochs": (),
        "worker": "ada:4711",
        "started": START + timedelta(minutes=number),
        "finished": START + timedelta(minutes=number, seconds=50),
        "error": "",
    }
    return Trial(number, values=values, trainings=trainings, **{**usual, **other})


def an_experiment(kind: Any, trials: list[Trial], **other: Any) -> Experiment:
    """Return a finished experiment of the trials."""
    usual: dict[str, Any] = {"dataset": "mnist", "frameworks": ("pytorch",), "models": ("cnn",)}
    usual |= {"objective": "loss", "epochs": 3, "logarithmic": frozenset(), "defaults": {}, "wanted": len(trials)}
    return Experiment(kind=kind, trials=tuple(trials), **{**usual, **other})


def make_grid(seeds: int = 5, models: tuple[str, ...] = ("cnn", "mlp", "lenet5")) -> Experiment:
    """Return a finished grid of 2 frameworks, the models, 2 learning rates and the seeds, by two workers."""
    rng = np.random.default_rng(7)
    trials: list[Trial] = []
    free = {"ada:4711": 0.0, "ada:4712": 0.0}
    for framework, model, rate, seed in itertools.product(
        ("pytorch", "tensorflow"), models, (0.001, 0.003), range(seeds)
    ):
        accuracy = ACCURACY.get(model, 0.98) + (0.001 if rate == 0.003 else 0) + rng.normal(0, 0.0008)
        seconds = SECONDS.get(model, 20.0) * (1.3 if framework == "tensorflow" else 1) * rng.uniform(0.95, 1.1)
        worker = min(free, key=lambda name: free[name])
        begin, free[worker] = free[worker], free[worker] + seconds + 6
        values = {"framework": framework, "model": model, "learning_rate": rate, "seed": seed}
        loss = 3.3 * (1 - accuracy) + rng.normal(0, 0.001)
        trials.append(
            a_trial(
                len(trials),
                values,
                (a_training(seed, accuracy, loss, seconds, 3),),
                worker=worker,
                started=START + timedelta(seconds=begin),
                finished=START + timedelta(seconds=free[worker] - 0.5),
            )
        )
    return an_experiment(
        "grid",
        trials,
        name="fields",
        frameworks=("pytorch", "tensorflow"),
        models=models,
        evaluate_on="test",
        varied=("framework", "model", "learning_rate", "seed"),
    )


def make_search(
    number: int = 60,
    workers: int = 3,
    *,
    pruned: float = 0.4,
    failed: float = 0.02,
    objective: str = "loss",
    seeds: int = 2,
) -> Experiment:
    """Return a finished search over five options: learning rate (log), dropout, batch size, schedule and filters.

    The learning rate and the schedule matter; large learning rates sometimes diverge.
    """
    rng = np.random.default_rng(3)
    free = {f"host-{worker // 4 + 1}:{4000 + worker}": 0.0 for worker in range(workers)}
    trials: list[Trial] = []
    for index in range(number):
        centre = -2.6 if index > 10 and rng.random() < 0.7 else rng.uniform(-4, -1)
        values: dict[str, Any] = {
            "framework": "pytorch",
            "model": "cnn",
            "learning_rate": float(10 ** np.clip(rng.normal(centre, 0.3), -4, -1)),
            "dropout": float(rng.uniform(0, 0.5)),
            "batch_size": int(rng.choice([32, 64, 128])),
            "schedule": str(rng.choice(["constant", "cosine", "one-cycle"], p=[0.2, 0.3, 0.5])),
            "filters": ((16, 32), (24, 48), (32, 64))[int(rng.integers(3))],
        }
        if index == 0:
            values |= DEFAULTS
        rate = math.log10(values["learning_rate"])
        loss = 0.036 + 0.02 * (rate + 2.6) ** 2 + 0.05 * (values["dropout"] - 0.2) ** 2
        loss += {"constant": 0.006, "cosine": 0.002, "one-cycle": 0}[values["schedule"]] + abs(rng.normal(0, 0.0015))
        if rate > -1.5 and rng.random() < 0.5:
            loss = 2.301 + rng.normal(0, 0.002)
        fate = rng.random()
        state = "failed" if fate < failed else "pruned" if fate < failed + pruned else "complete"
        state = "pruned" if state == "complete" and loss > 0.06 and pruned else state
        stop = 3 if state == "complete" else int(rng.integers(1, 3))
        accuracy = max(0.098, 1 - 0.3 * loss) if loss < 1 else 0.1135
        curve = [loss * (1.7 - 0.35 * epoch) for epoch in range(2)] + [loss]
        epochs = tuple(value if objective == "loss" else 1 - (1 - accuracy) * value / loss for value in curve[:stop])
        trainings = tuple(
            a_training(k, accuracy + rng.normal(0, 3e-4), loss + rng.normal(0, 3e-4), rng.uniform(8, 11), 3, 6000)
            for k in range(seeds)
        )
        value = float(np.mean([one.score[objective] for one in trainings]))  # type: ignore[literal-required]
        worker = min(free, key=lambda name: free[name])
        begin = free[worker]
        free[worker] += 3 + 9.5 * seeds * stop / 3
        trials.append(
            a_trial(
                index,
                values,
                trainings if state == "complete" else (),
                state=state,
                objective=value if state == "complete" else None,
                epochs=() if state == "failed" else epochs,
                worker=worker,
                started=START + timedelta(seconds=begin),
                finished=START + timedelta(seconds=free[worker] - 0.5),
                error="RuntimeError: out of memory\n=the last line" if state == "failed" else "",
            )
        )
    return an_experiment(
        "search",
        trials,
        name="first-search",
        evaluate_on="validation",
        objective=objective,
        varied=tuple(DEFAULTS),
        logarithmic=frozenset({"learning_rate"}),
        defaults=DEFAULTS,
        epochs=3 * seeds,
    )


def unfinished(experiment: Experiment, ended: int, running: int) -> Experiment:
    """Return the experiment at an earlier time: trials after the first `ended` are running, and then waiting."""
    trials = list(experiment.trials)
    for number, trial in enumerate(trials[ended:], ended):
        now = number < ended + running
        trials[number] = replace(
            trial,
            state="running" if now else "waiting",
            objective=None,
            epochs=trial.epochs[:1] if now else (),
            trainings=(),
            worker=trial.worker if now else "",
            started=trial.started if now else None,
            finished=None,
            error="",
        )
    return replace(experiment, trials=tuple(trials))
