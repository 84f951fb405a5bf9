"""run.json: its keys, their kinds and ranges, written down once, and read and written by them.

Keys that runs of earlier versions lack are NotRequired; keys that nobody reads may hold anything.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from pydantic_core import PydanticCustomError, from_json
from typing_extensions import TypedDict  # pydantic takes that of `typing` from Python 3.12 on

from digits.errors import UserError
from digits.files import read_bytes

FORMAT: Literal[1] = 1  # the version of the files of a run, under 'format' in run.json
ENSEMBLE = "ensemble"
"""The 'framework' of a run that averages others. Nothing trained it: its seed is null and it has no recipe."""
LARGEST = 1 << 20  # bytes of run.json; it takes a few kB
MOST_FILES = 100  # of a run besides run.json; it has ten
MOST_CLASSES = 1000  # readers allocate a matrix of classes by classes; a forged run must not fill their memory with it

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]


_checked = with_config(ConfigDict(strict=True, extra="allow", allow_inf_nan=False))


@_checked
class Score(TypedDict):
    """What a network made of `n` images."""

    n: Annotated[int, Field(gt=0, lt=2**32)]  # as many as an IDX file can have
    accuracy: Share
    loss: Amount  # mean cross-entropy, nats
    interval_95: NotRequired[Interval]  # Wilson's
    writer_interval_95: NotRequired[Interval]  # by a bootstrap over writers, where they are known


@_checked
class Seconds(TypedDict):
    """How long it took."""

    training: Annotated[float, Field(ge=0, lt=1e9)]  # the steps alone
    total: NotRequired[Amount]


@_checked
class HeldOut(TypedDict):
    """The fields of a recipe by which validation images were held out of the training images, and are again."""

    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    split: Literal["random", "writers"]
    seed: Annotated[int, Field(ge=0, lt=2**32)]


@_checked
class Member(TypedDict):
    """One of the runs that an ensemble averages."""

    name: Text
    model: NotRequired[str]
    framework: NotRequired[str]
    seed: NotRequired[Count | None]


@_checked
class RunInfo(TypedDict):
    """What run.json holds."""

    format: Literal[1]
    name: Text
    dataset: Text
    dataset_fingerprint: NotRequired[str]
    class_names: Annotated[list[str], Field(min_length=1, max_length=MOST_CLASSES, fail_fast=True)]
    model: Text
    framework: Text
    seed: Count | None  # null for an ensemble
    recipe: NotRequired[dict[str, Any] | None]
    network_code: NotRequired[str]  # a hash of the network's code (digits/training/network_hash.py)
    members: NotRequired[Annotated[list[Member], Field(min_length=2, fail_fast=True)]]  # of an ensemble
    init_from: NotRequired[str | None]
    new_head: NotRequired[bool]
    freeze_features: NotRequired[bool]
    command: NotRequired[str]
    versions: NotRequired[dict[str, Any]]
    hardware: NotRequired[dict[str, Any]]
    workers: NotRequired[Count]  # processes that trained together; one where absent
    parameters: NotRequired[dict[str, Count]]
    seconds: NotRequired[Seconds]
    images_per_second: NotRequired[Amount]
    peak_memory_mb: NotRequired[Amount]
    evaluated_on: NotRequired[Literal["test", "validation"]]  # whose images the arrays are of; test where absent
    held_out: NotRequired[HeldOut | None]  # which validation images, where the run was evaluated on those
    validation: NotRequired[Score | None]  # null where no images were held out
    test: NotRequired[Score | None]  # null where the run was evaluated on validation images: it has not seen the others
    created: NotRequired[str]
    # The SHA-256 of every other file; written last.
    files: NotRequired[Annotated[dict[str, str], Field(max_length=MOST_FILES)]]


def read_info(file: Path) -> RunInfo:
    """Return what run.json holds; UserError where it is something else."""
    data = read_bytes(file, LARGEST)
    try:
        # Unlike json.loads it refuses NaN, and half a character (\ud800), which no file can be written with.
        info = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise UserError(f"'{file}' is not JSON ({error}).") from None
    try:
        return check_info(info)
    except ValueError as error:
        raise UserError(f"'{file}' {error}.") from None


def format_info(info: Mapping[str, Any]) -> bytes:
    """Return run.json. UserError where a number is not finite (the training diverged), ValueError as check_info."""
    try:
        text = json.dumps(info, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise UserError("the training diverged: a loss is not finite; lower --learning-rate and run again.") from error
    check_info(info)
    # The command names folders, of which Linux takes any bytes.
    return f"{text}\n".encode(errors="replace")


def check_info(info: object) -> RunInfo:
    """Return info, which fits the schema; ValueError, whose text continues the file's name, where it does not."""
    try:
        return _CHECKER.validate_python(info)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
    where = ".".join(map(str, fault["loc"]))
    if not where:
        raise ValueError("is not a JSON object" if fault["type"] == "dict_type" else fault["msg"])
    if fault["type"] == "missing":
        raise ValueError(f"lacks {where!r}")
    raise ValueError(f"has {reprlib.repr(fault['input'])} under {where!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}")


def evaluated_on(info: Mapping[str, Any]) -> Literal["test", "validation"]:
    """Return of which images the run's arrays are, by what its run.json holds."""
    return "validation" if info.get("evaluated_on") == "validation" else "test"


def settings_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a training besides data and framework, by name, from what run.json holds: the recipe, parts
    of a value one by one ('augmentation rotation'), what it started from, and the images that it was evaluated on."""
    settings: dict[str, Any] = {}
    for key, value in (info.get("recipe") or {}).items():
        settings |= {f"{key} {part}": one for part, one in value.items()} if isinstance(value, dict) else {key: value}
    start = {key: info.get(key) or None for key in ("init_from", "new_head", "freeze_features")}
    return {**settings, **start, "evaluate_on": evaluated_on(info)} if settings else {}


def _check_kind(info: RunInfo) -> RunInfo:
    """Refuse a training without a seed, an ensemble without members, and a run without the score of its arrays."""
    if info["framework"] != ENSEMBLE and info["seed"] is None:
        raise PydanticCustomError("seed", "has null under 'seed', which only an ensemble may have")
    if info["framework"] == ENSEMBLE and "members" not in info:
        raise PydanticCustomError("members", "lacks 'members', which an ensemble must have")
    on = evaluated_on(info)
    if info.get(on) is None:
        raise PydanticCustomError("score", "lacks {on}", {"on": repr(on)})
    if on == "validation" and not info.get("held_out"):
        raise PydanticCustomError("held_out", "lacks 'held_out', which a run evaluated on validation images must have")
    if on == "validation" and info.get("test"):
        raise PydanticCustomError("test", "has a score under 'test', but was evaluated on validation images")
    return info


def score_in(info: RunInfo) -> Score:
    """Return the score of the run's arrays, on whichever images they are."""
    score = info.get("validation") if evaluated_on(info) == "validation" else info.get("test")
    assert score is not None  # check_info has seen to it
    return score


_CHECKER: TypeAdapter[RunInfo] = TypeAdapter(Annotated[RunInfo, AfterValidator(_check_kind)])
