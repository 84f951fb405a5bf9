"""Where a training writes its run, and whether it may replace the run that lies there."""

from pathlib import Path
from typing import Any

from digits.errors import UserError
from digits.names import plain
from digits.runs import read_run, run_name, settings_of
from digits.training.options import Options
from digits.training.recipe import RECIPES, complete_record, recipe_record, with_precision


def run_path(options: Options, framework: str) -> Path:
    """Return the folder that a training with these options writes its run to: --name, else what run_name gives."""
    recipe = options.recipe
    what = (options.dataset, recipe.model, framework, recipe.seed, recipe.parity)
    return options.output_dir / (options.name or run_name(*what, differences(options)))


def differences(options: Options) -> dict[str, Any]:
    """Return what decides the training and is not as in the model's default recipe, by the options' names.

    Without seed and parity, which have their own part of a name. A default of 'auto' is what it is on this machine:
    so the default training of `fast` has the plain name on every machine, and another precision, which computes other
    numbers, has not. Where machines with unlike processors share a folder, check_replaceable keeps them apart.
    """
    default = _settings(Options(with_precision(RECIPES[options.recipe.model])))
    chosen = _settings(options)
    changed = [key for key in chosen if chosen[key] != default[key] and key not in ("seed", "parity")]
    return {key.split()[-1]: chosen[key] for key in changed}


def check_replaceable(path: Path, options: Options, framework: str) -> None:
    """Raise UserError where a finished run of another recipe lies at `path`. (One that is damaged may be replaced.)"""
    try:
        run = read_run(path)
    except UserError:
        return
    settings = settings_of({**run.info, "recipe": complete_record(run.recipe)}) if run.recipe else {}
    theirs = {"framework": run.framework, "dataset": run.dataset, "model": run.model, **settings}
    ours = {"framework": framework, "dataset": options.dataset, **_settings(options)}
    for key, value in ours.items():
        if theirs.get(key) != value:
            raise UserError(
                f"'{path}' holds a finished run with {key.replace('_', ' ')} {_shown(theirs.get(key))}, not "
                f"{_shown(value)}; only the same recipe replaces a run: choose another --name, or delete that folder."
            )


def start_name(options: Options) -> str | None:
    """Return the name of the run that --init-from names by its folder or the weights in it; None without it."""
    if options.init_from is None:
        return None
    path = options.init_from.resolve()
    return (path.parent if path.name == "weights.safetensors" else path).name


def _settings(options: Options) -> dict[str, Any]:
    """Return what settings_of will say of the run."""
    info = {"recipe": recipe_record(options.recipe), "init_from": start_name(options)}
    given = {name: getattr(options, name) for name in ("new_head", "freeze_features")}
    return settings_of({**info, **given, "evaluated_on": options.evaluate_on})


def _shown(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
    return plain(text[:60])
