"""report.html: one page with all results, images included, that requests nothing from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from digits.data import MNIST
from digits.evaluation import MANY_CLASSES, Evaluation, PairComparison, name_intervals, why_not_compared
from digits.figures.fonts import class_labels
from digits.figures.html import write_page
from digits.figures.render import Group, RenderedFigure, Rendering
from digits.figures.text import pair_titles, run_title
from digits.names import FRAMEWORKS, spelled
from digits.runs import ENSEMBLE, Run
from digits.training import network_code


def write_report(rendering: Rendering, path: Path, left_out: Sequence[str]) -> None:
    """Write the page on all that was rendered; left_out: a sentence on each run that could not be read.

    Raises OSError.
    """
    explained: dict[str, list[str]] = {}
    for figure in _figures(rendering.groups):
        texts = explained.setdefault(figure.name, []) if figure.words.reading else []
        texts += [figure.words.reading] if figure.words.reading not in texts else []
    write_page(
        path,
        "report.html",
        groups=_sections(rendering.groups),
        not_compared=why_not_compared([group.comparison for group in rendering.groups]),
        left_out=left_out,
        notes=rendering.notes,
        explained=explained,
        class_labels=class_labels,
        many_classes=MANY_CLASSES,
        readings=lambda figure: f"reading-{figure.name}" if figure.words.reading else "",
        number_of_runs=sum(len(group.evaluations) for group in rendering.groups),
        heading=_heading,
        title=run_title,
        facts=_facts,
        intervals=name_intervals,
        pair_name=_pair_name,
        pair_heading=_pair_heading,
        pairs_heading=lambda group: "Two runs" if group.comparison.chosen else "PyTorch against TensorFlow",
        difference=_difference,
        repeat=_repeat,
        anchor=_anchors(rendering),
    )


def _sections(groups: Sequence[Group]) -> list[Group]:
    """Return the groups by dataset, MNIST first, the others as they came; test images before validation images."""
    datasets = list(dict.fromkeys(group.comparison.dataset for group in groups))

    def place(group: Group) -> tuple[bool, int, bool]:
        dataset = group.comparison.dataset
        return dataset != MNIST.name, datasets.index(dataset), group.comparison.runs[0].held_out is not None

    return sorted(groups, key=place)


def _figures(groups: Sequence[Group]) -> Iterator[RenderedFigure]:
    """Yield all figures of the page, in its order."""
    for group in _sections(groups):
        several = [group.confusions] if len(group.evaluations) > 1 else []
        for figures in [
            group.comparison_figures,
            *several,
            *group.pair_figures,
            group.dataset_figures,
            *group.run_figures,
        ]:
            yield from figures


def _heading(group: Group) -> str:
    """Return 'MNIST', or 'MNIST, validation images'."""
    return spelled(group.comparison.dataset) + (", validation images" if group.comparison.runs[0].held_out else "")


def _difference(pair: PairComparison) -> str:
    if not pair.only_a_right + pair.only_b_right:
        return "no difference"
    return "significant" if pair.significant else "not significant"


def _anchors(rendering: Rendering) -> Callable[[Evaluation], str]:
    """Return the function from an evaluation to the id of its section: a number, since a name may hold anything."""
    runs = [evaluation.run for group in rendering.groups for evaluation in group.evaluations]
    numbers = {id(run): number for number, run in enumerate(runs, 1)}
    return lambda evaluation: f"run-{numbers[id(evaluation.run)]}"


def _pair_name(pair: PairComparison) -> str:
    """Return what both runs of a pair have in common: 'CNN, seed 3, parity'."""
    seed = f", seed {pair.a.seed}" if pair.a.seed else ""
    return spelled(pair.a.model) + seed + (", parity" if pair.a.parity and pair.b.parity else "")


def _pair_heading(pair: PairComparison) -> str:
    """Return 'PyTorch against TensorFlow: CNN', or what else distinguishes the two, then what they have in common."""
    first, second, (_, *common) = pair_titles(pair)
    return f"{', '.join(first)} against {', '.join(second)}" + (f": {', '.join(common)}" if common else "")


def _repeat(run: Run) -> list[str]:
    """Return the command that repeats the run, below a comment where the code of its network has been changed since."""
    recorded = run.network_code if run.framework in FRAMEWORKS else None
    changed = recorded and recorded != network_code(run.model, run.framework)
    return [*([f"# the code of {run.model} has been changed since"] if changed else []), run.info.get("command", "")]


def _facts(run: Run) -> list[tuple[str, str]]:
    """Return what one must know to repeat the run, as terms and texts, as far as run.json records it."""
    info = run.info
    # Without what it does not use: how much to augment where it does not augment.
    recipe = {key: value for key, value in run.recipe.items() if key != "augmentation" or run.recipe.get("augment")}
    facts = [
        ("Recipe", _pairs(recipe)),
        ("Weights", _weights(run)),
        ("Versions", _pairs(info.get("versions", {}))),
        ("Hardware", _pairs(info.get("hardware", {}))),
        ("Members", ", ".join(member["name"] for member in info.get("members", []))),
        ("Dataset", f"{run.dataset}, fingerprint {run.fingerprint or 'not recorded'}"),
        ("Seconds", _pairs(info.get("seconds", {}))),
        ("Finished", info.get("created", "")),
    ]
    return [(term, text) for term, text in facts if text]


def _weights(run: Run) -> str:
    """Return where the weights came from, unless they were random at first and then trained."""
    start = run.info.get("init_from")
    if not run.history and run.framework != ENSEMBLE:
        return (f"those of '{start}'" if start else "random") + ", not trained (0 epochs)"
    words = [f"training started from those of '{start}'"] if start else []
    words += ["a new last layer"] if run.info.get("new_head") else []
    words += ["only the last layer was trained"] if run.info.get("freeze_features") else []
    return ", ".join(words)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in values.items())


def _value(value: object) -> str:
    """Return a value of run.json as text: 'yes', '16 32' as on the command line, '(rotation 10.0, shift 2.0)'."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return f"({', '.join(f'{key} {part}' for key, part in value.items())})"
    return str(value)
