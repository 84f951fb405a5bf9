"""Where a training writes its run, and whether it may replace the run that lies there."""

from pathlib import Path
from typing import Any

from digits.errors import UserError
from digits.names import command_text, plain
from digits.recipes.name import run_name
from digits.recipes.options import Options
from digits.recipes.recipe import RECIPES, complete_record, recipe_record, with_precision
from digits.runs import Run, find_runs, read_info, read_run, settings_of


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
    """Raise UserError where a finished run of another recipe or network lies at `path`. (One that is damaged may be
    replaced.)"""
    try:
        run = read_run(path)
    except UserError:
        return
    theirs = {"framework": run.framework, "dataset": run.dataset, "model": run.model, **_settings_of(run)}
    ours = {"framework": framework, "dataset": options.dataset, **_settings(options)}
    for key, value in ours.items():
        if theirs.get(key) != value:
            raise UserError(
                f"'{path}' holds a finished run with {key.replace('_', ' ')} {_shown(theirs.get(key))}, not "
                f"{_shown(value)}; only the same recipe replaces a run: choose another --name, or delete that folder."
            )
    if run.network_code not in (None, network_code):
        raise UserError(
            f"'{path}' holds a finished run of {run.model} from before its code was changed; choose another --name, or "
            "delete that folder."
        )


def finished_before(path: Path, options: Options, framework: str) -> str | None:
    """Return that a run of this training, with any number of epochs, is finished; None where there is none.

    Such a run cannot go on: its optimizer's state is deleted, and for other epochs its learning rates were not meant.
    """
    wanted = {"framework": framework, "dataset": options.dataset, **_settings(options)}
    for folder in [path, *find_runs(options.output_dir)]:
        try:
            info = read_info(folder / "run.json")
        except (UserError, OSError):
            continue
        recipe = info.get("recipe")
        found = {"framework": info["framework"], "dataset": info["dataset"]}
        if recipe:
            found |= settings_of({**info, "recipe": complete_record(recipe)})
        if found | {"epochs": wanted["epochs"]} == wanted:
            return (
                f"'{folder}' is a finished run of {found['epochs']} epochs, which keeps no state to continue "
                f"({command_text(['--init-from', str(folder)])} starts from its weights)"
            )
    return None


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
    default = _settings(Options(with_precision(RECIPES[model])))
    changed = [key for key in settings if settings[key] != default.get(key) and key not in ("seed", "parity")]
    return {key.split()[-1]: settings[key] for key in changed}


def _shown(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
    return plain(text[:60])
