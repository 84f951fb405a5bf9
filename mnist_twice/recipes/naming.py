"""The names of runs: which data, network and framework, and how the training differs from the model's default.

Also what a run that lies in a training's place must be for the training to replace it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mnist_twice.errors import UserError
from mnist_twice.recipes.options import Options
from mnist_twice.recipes.recipe import RECIPES, complete_record, recipe_record, with_precision
from mnist_twice.runs import Run, read_run, settings_of

LONGEST = 40
"""Letters of what is appended to a name; more become a count and a hash."""


def run_name(
    dataset: str,
    model: str,
    framework: str,
    seed: int | None = 0,
    parity: bool = False,
    differences: Mapping[str, Any] | None = None,
) -> str:
    """Return the folder name of a run: 'mnist-cnn-pytorch'; 'mnist-cnn-pytorch-s3-parity' of seed 3, with --parity.

    differences: what else decides the training and is not as in the model's default recipe, by the option's name, in
    the order of the Recipe. It is appended: 'mnist-cnn-pytorch+learning_rate=0.003+filters=8x16+augment'; or, where
    that is longer than 40 letters or could not be read back, '+3-options-1a2b3c4d', the number of differences and the
    start of the SHA-256 of their canonical JSON. The name is the same on every machine, and legal on Windows too.
    """
    name = f"{dataset}-{model}-{framework}" + (f"-s{seed}" if seed else "") + ("-parity" if parity else "")
    differences = differences or {}
    parts = [_part(key, value) for key, value in differences.items()]
    appended = "".join(f"+{part}" for part in parts)
    if len(appended) <= LONGEST and all(re.fullmatch(r"[\w.=-]*[\w-]", part, re.ASCII) for part in parts):
        return name + appended
    canonical = json.dumps(differences, sort_keys=True, separators=(",", ":"))
    return f"{name}+{len(differences)}-options-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def run_path(options: Options, framework: str) -> Path:
    """Return the folder that a training with these options writes its run to: --name, else what run_name gives."""
    recipe = options.recipe
    usual = run_name(options.dataset, recipe.model, framework, recipe.seed, recipe.parity, differences(options))
    return options.output_dir / (options.name or usual)


def differences(options: Options) -> dict[str, Any]:
    """Return what decides the training and is not as in the model's default recipe, by the options' names.

    Without seed and parity, which have their own part of a name. A default of 'auto' is what it is on this machine:
    so the default training of `fast` has the plain name on every machine, and another precision, which computes other
    numbers, has not. Where machines with unlike processors share a folder, check_replaceable keeps them apart.
    """
    return _unlike_default(_settings(options), options.recipe.model)


def differences_of(run: Run) -> dict[str, Any]:
    """Return the same of a finished run; nothing where it has no recipe, or a model that is not there any more."""
    return _unlike_default(_settings_of(run), run.model) if run.recipe and run.model in RECIPES else {}


def check_replaceable(path: Path, options: Options, framework: str, network_code: str) -> None:
    """Raise UserError if a finished run of another recipe or network lies at `path`. (One that is damaged may be
    replaced.)"""
    try:
        run = read_run(path)
    except UserError:
        return
    advice = "choose another --name, or delete that folder."
    theirs = {"framework": run.framework, "dataset": run.dataset, "model": run.model, **_settings_of(run)}
    ours = {"framework": framework, "dataset": options.dataset, **_settings(options)}
    for key, value in ours.items():
        if theirs.get(key) != value:
            raise UserError(
                f"'{path}' holds a finished run with {key.replace('_', ' ')} {theirs.get(key)}, not {value}; "
                f"only the same recipe replaces a run: {advice}"
            )
    if run.network_code not in (None, network_code):
        raise UserError(f"'{path}' holds a finished run of {run.model} from before its code was changed; {advice}")


def start_name(options: Options) -> str | None:
    """Return the name of the run that --init-from names by its folder or the weights in it; None without it."""
    if options.init_from is None:
        return None
    path = options.init_from.resolve()
    return (path.parent if path.name == "weights.safetensors" else path).name


def _settings(options: Options) -> dict[str, Any]:
    """Return what settings_of will say of the run."""
    info = {"recipe": recipe_record(with_precision(options.recipe)), "init_from": start_name(options)}
    given = {name: getattr(options, name) for name in ("new_head", "freeze_features")}
    return settings_of({**info, **given, "evaluated_on": options.evaluate_on})


def _settings_of(run: Run) -> dict[str, Any]:
    """Return the run's settings, those that its version did not have yet at their defaults."""
    return settings_of({**run.info, "recipe": complete_record(run.recipe)}) if run.recipe else {}


def _unlike_default(settings: dict[str, Any], model: str) -> dict[str, Any]:
    default = _settings(Options(RECIPES[model]))
    changed = [key for key in settings if settings[key] != default.get(key) and key not in ("seed", "parity")]
    return {key.split()[-1]: settings[key] for key in changed}


def _part(name: str, value: Any) -> str:
    """Return 'learning_rate=0.003', 'filters=8x16', 'augment' or 'no_augment'; numbers in their shortest exact form."""
    if isinstance(value, bool):
        return name if value else f"no_{name}"
    if isinstance(value, str):
        return f"{name}={value}"
    numbers = value if isinstance(value, (list, tuple)) else [value]
    return f"{name}={'x'.join(str(number).removesuffix('.0').replace('e+', 'e') for number in numbers)}"
