"""Where a training writes its run, and whether it may replace the run that lies there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digits.errors import UserError
from digits.names import command_text, plain
from digits.runs import Run, code_of, find_runs, layer_differences, read_info, read_run, run_name, settings_of
from digits.training.options import Options
from digits.training.recipe import RECIPES, complete_record, recipe_record, with_precision


def run_path(options: Options, framework: str, architecture: Mapping[str, Any] | None = None) -> Path:
    """Return the folder that a training with these options writes its run to: --name, else what run_name gives.

    architecture: that of the network, as in run.json; one of this project's where None. Where a run of a network with
    other layers lies in that folder, the name says which layers these are.
    """
    if options.name:
        return options.output_dir / options.name
    recipe = options.recipe
    what = (options.dataset, recipe.model, framework, recipe.seed, recipe.parity)
    differing = differences(options, architecture)
    path = options.output_dir / run_name(*what, differing)
    if architecture is None:
        return path
    ours = code_of({"architecture": architecture})
    if _code_at(path) in (None, ours):
        return path
    return options.output_dir / run_name(*what, {**differing, "layers": ours})


def differences(options: Options, architecture: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what decides the training and is not as in the model's default recipe, by the options' names.

    Without seed and parity, which have their own part of a name. A default of 'auto' is what it is on this machine:
    so the default training of `fast` has the plain name on every machine, and another precision, which computes other
    numbers, has not. Where machines with unlike processors share a folder, check_replaceable keeps them apart.
    """
    return _unlike_default(_settings(options, architecture), options.recipe.model)


def differences_of(run: Run) -> dict[str, Any]:
    """Return the same of a finished run; nothing where it has no recipe, or a model that is not there any more."""
    if not run.recipe or run.model not in RECIPES:
        return {}
    differing = _unlike_default(_settings_of(run), run.model)
    code = code_of(run.info)
    return {**differing, "layers": code} if f"+layers={code}" in run.name else differing


def check_replaceable(
    path: Path, options: Options, framework: str, architecture: Mapping[str, Any] | None = None
) -> None:
    """Raise UserError where a finished run of another recipe lies at `path`. (One that is damaged may be replaced.)"""
    try:
        run = read_run(path)
    except UserError:
        return
    theirs = {"framework": run.framework, "dataset": run.dataset, "model": run.model, **_settings_of(run)}
    ours = {"framework": framework, "dataset": options.dataset, **_settings(options, architecture)}
    for key, value in ours.items():
        if theirs.get(key) != value:
            if key == "layers" and run.layers and architecture:
                raise UserError(
                    f"'{path}' holds a finished run of {run.model} with other layers: "
                    f"{layer_differences(run.layers, architecture['layers'])}; choose another --name, or delete that "
                    "folder."
                )
            raise UserError(
                f"'{path}' holds a finished run with {key.replace('_', ' ')} {_shown(theirs.get(key))}, not "
                f"{_shown(value)}; only the same recipe replaces a run: choose another --name, or delete that folder."
            )


def finished_before(
    path: Path, options: Options, framework: str, architecture: Mapping[str, Any] | None = None
) -> str | None:
    """Return that a run of this training, with any number of epochs, is finished; None where there is none.

    Such a run cannot go on: its optimizer's state is deleted, and for other epochs its learning rates were not meant.
    """
    wanted = {"framework": framework, "dataset": options.dataset, **_settings(options, architecture)}
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


def layers_note(path: Path, options: Options, architecture: Mapping[str, Any]) -> str | None:
    """Return a sentence where the run at `path` will be of a network that is not as this project has it, else None."""
    model, ours = options.recipe.model, code_of({"architecture": architecture})
    if ours == (code_of({"model": model}) or ours):
        return None
    return f"note: the layers of {model} are not those of this project ({ours}); the run is '{path}'."


def _code_at(path: Path) -> str | None:
    """Return code_of the run in the folder; None where there is none that can be read."""
    try:
        return code_of(read_info(path / "run.json"))
    except (UserError, OSError):
        return None


def _settings(options: Options, architecture: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what settings_of will say of the run."""
    info: dict[str, Any] = {"recipe": recipe_record(with_precision(options.recipe)), "init_from": start_name(options)}
    info |= {"model": options.recipe.model, "architecture": architecture}
    given = {name: getattr(options, name) for name in ("new_head", "freeze_features")}
    return settings_of({**info, **given, "evaluated_on": options.evaluate_on})


def _settings_of(run: Run) -> dict[str, Any]:
    """Return the run's settings, those that its version did not have yet at their defaults."""
    return settings_of({**run.info, "recipe": complete_record(run.recipe)}) if run.recipe else {}


def _unlike_default(settings: dict[str, Any], model: str) -> dict[str, Any]:
    default = _settings(Options(with_precision(RECIPES[model])))
    # Of a network that is not this project's, no layers are the usual ones.
    passed_over = ("seed", "parity", *(() if default["layers"] else ("layers",)))
    changed = [key for key in settings if settings[key] != default.get(key) and key not in passed_over]
    return {key.split()[-1]: settings[key] for key in changed}


def _shown(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
    return plain(text[:60])
