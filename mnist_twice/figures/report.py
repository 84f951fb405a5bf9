"""report.html: one page with all results, images included, that requests nothing from anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mnist_twice.data import MNIST
from mnist_twice.evaluation import MANY_CLASSES, PairComparison, name_intervals, why_not_compared
from mnist_twice.evaluation.compare import setting_text
from mnist_twice.figures.render import Group, Rendering
from mnist_twice.figures.text import class_labels, pair_titles, run_title
from mnist_twice.files import write_whole
from mnist_twice.names import FRAMEWORKS, p_text, percent, percent_range, plain, spelled
from mnist_twice.runs import ENSEMBLE, Run
from mnist_twice.training import network_code

TEMPLATES = Path(__file__).parent / "templates"


def write_report(rendering: Rendering, path: Path, left_out: Sequence[str]) -> None:
    """Write the page on all that was rendered; left_out: a sentence on each run that could not be read.

    Raises OSError.
    """
    write_page(
        path,
        "report.html",
        groups=sorted(rendering.groups, key=_place),
        not_compared=why_not_compared([group.comparison for group in rendering.groups]),
        left_out=left_out,
        notes=rendering.notes,
        class_labels=class_labels,
        many_classes=MANY_CLASSES,
        number_of_runs=sum(len(group.evaluations) for group in rendering.groups),
        heading=_heading,
        title=run_title,
        facts=_facts,
        intervals=name_intervals,
        pair_name=lambda pair: ", ".join(pair_titles(pair)[2][1:]),  # what both have in common, but the dataset
        pair_heading=_pair_heading,
        pairs_heading=lambda group: "Two runs" if group.comparison.chosen else "PyTorch against TensorFlow",
        pair_tests=lambda group: " or ".join(dict.fromkeys(pair.test for pair in group.comparison.pairs)),
        difference=_difference,
        p_text=p_text,
        repeat=_repeat,
    )


def write_page(path: Path, template: str, *, templates: Path = TEMPLATES, **values: Any) -> None:
    """Write the page that a template gives with these values; `templates` is its folder, where it is none of ours.

    Whatever is printed is escaped, and characters that show nothing or command a terminal become '?'. Raises OSError.
    """
    environment = Environment(
        loader=FileSystemLoader([templates, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain(value) if type(value) is str else value,
    )
    environment.filters |= {"percent": percent, "range": percent_range, "thousands": _thousands, "spelled": spelled}
    where = partial(os.path.relpath, start=path.parent)
    write_whole(path, environment.get_template(template).render(where=where, **values))


def _thousands(number: float | None, digits: int = 0) -> str:
    return "not recorded" if number is None else f"{number:,.{digits}f}"


def _place(group: Group) -> tuple[bool, str, bool]:
    """Return what sorts the groups by dataset, MNIST first, test images before validation images."""
    dataset = group.comparison.dataset
    return dataset != MNIST.name, dataset, group.comparison.runs[0].held_out is not None


def _heading(group: Group) -> str:
    """Return 'MNIST', or 'MNIST, validation images'."""
    return spelled(group.comparison.dataset) + (", validation images" if group.comparison.runs[0].held_out else "")


def _difference(pair: PairComparison) -> str:
    if not pair.only_a_right + pair.only_b_right:
        return "no difference"
    return "significant" if pair.significant else "not significant"


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
    """Return 'epochs 3, augment yes, filters 16 32, augmentation (rotation 10.0, shift 2.0)'."""
    texts = {key: f"({_pairs(one)})" if isinstance(one, Mapping) else setting_text(one) for key, one in values.items()}
    return ", ".join(f"{key.replace('_', ' ')} {text}" for key, text in texts.items())
