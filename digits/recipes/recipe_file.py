"""Recipes in files: that of a run.json, what a search has found, or a few fields written by hand."""

import dataclasses
import json
import reprlib
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from digits.command_line import first_fault
from digits.errors import UserError
from digits.files import read_bytes
from digits.recipes.recipe import RECIPES, Augmentation, Recipe, find_problem, recipe_record

LARGEST = 1 << 20
"""Bytes of such a file, as of run.json."""


def read_recipe(file: Path, model: str = "cnn") -> Recipe:
    """Return the recipe in a JSON file: an object with its fields, or one that has such an object under 'recipe'.

    Fields that are missing are those of the model's default recipe; the model is `model` where the file names none.
    UserError names the file, and the field that is unknown or out of its range.
    """
    try:
        content = from_json(read_bytes(file, LARGEST), allow_inf_nan=False)
    except OSError as error:
        raise UserError(f"'{file}' cannot be read ({error.strerror or error}).") from None
    except ValueError as error:
        raise UserError(f"'{file}' is not JSON ({error}).") from None
    given = content.get("recipe", content) if isinstance(content, dict) else None
    if not isinstance(given, dict):
        raise UserError(f"'{file}' holds no recipe: a JSON object of a recipe's fields, or one with 'recipe'.")
    amounts = given.get("augmentation", {})
    for names, kind in ((given, Recipe), (amounts if isinstance(amounts, dict) else {}, Augmentation)):
        known = [field.name for field in dataclasses.fields(kind)]
        if unknown := [name for name in names if name not in known]:
            raise UserError(f"'{file}' has {reprlib.repr(unknown[0])}, which is no field of a recipe.")
    asked = given.get("model", model)
    default = recipe_record(RECIPES[asked if isinstance(asked, str) and asked in RECIPES else "cnn"])
    fields = {**default, "model": asked, **given}
    if isinstance(amounts, dict):
        fields["augmentation"] = {**default["augmentation"], **amounts}
    try:
        recipe: Recipe = _RECIPE.validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        where, value, rule = first_fault(error)
        raise UserError(f"'{file}' has {reprlib.repr(value)} as {'.'.join(where)}, which {rule}.") from None
    if problem := find_problem(recipe):
        raise UserError(f"'{file}' holds a recipe that cannot be: {problem}")
    return recipe


_RECIPE: TypeAdapter[Recipe] = TypeAdapter(Recipe)
