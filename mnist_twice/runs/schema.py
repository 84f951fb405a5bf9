"""What a run consists of: the names of its files, and run.json, whose keys, kinds and ranges are written down once.

Keys that runs of earlier versions lack are NotRequired; keys that nobody reads may hold anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic takes that of `typing` from Python 3.12 on

from mnist_twice.errors import UserError
from mnist_twice.files import read_bytes

ARRAYS = ("predictions.npy", "probabilities.npy", "labels.npy")
HISTORY = "history.csv"  # a row for each epoch
LOSSES = "losses.npy"  # the loss of each training step; runs of earlier versions and ensembles have no such file
WRITERS = "writers.npy"
"""Who wrote each image, where that is known: int32 (N, 2), the writer's number and that of the series."""

FORMAT: Literal[1] = 1  # the version of the files of a run, under 'format' in run.json
ENSEMBLE = "ensemble"
"""The 'framework' of a run that averages others. Nothing trained it: its seed is null and it has no recipe."""
LARGEST = 1 << 20  # bytes of run.json; it takes a few kB

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
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
    writer_interval_95: NotRequired[Interval]  # over writers, where they are known


@_checked
class Seconds(TypedDict):
    """How long it took."""

    training: Amount  # the steps alone
    total: NotRequired[Amount]


@_checked
class HeldOut(TypedDict):
    """The fields of a recipe by which validation images were held out of the training images, and are again."""

    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    split: Literal["random", "writers"]
    seed: Count


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
    class_names: Annotated[list[str], Field(min_length=1, max_length=1000)]  # readers make matrices of classes
    preprocessing: NotRequired[str]  # of pictures to predict (mnist_twice/photos/preprocess.py)
    model: Text
    framework: Text
    seed: Count | None  # null for an ensemble
    recipe: NotRequired[dict[str, Any] | None]
    network_code: NotRequired[str]  # a hash of the network's code (mnist_twice/training/network_hash.py)
    members: NotRequired[list[Member]]  # of an ensemble
    init_from: NotRequired[str | None]
    new_head: NotRequired[bool]
    freeze_features: NotRequired[bool]
    command: NotRequired[str]
    versions: NotRequired[dict[str, Any]]
    source: NotRequired[dict[str, Any] | None]  # the commit, and whether files were changed; null outside of git
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
    files: NotRequired[dict[str, str]]  # the SHA-256 of every other file; written last


_INFO: TypeAdapter[RunInfo] = TypeAdapter(RunInfo)


def read_info(file: Path) -> RunInfo:
    """Return what run.json holds; raises UserError if it is something else."""
    try:
        info = _INFO.validate_json(read_bytes(file, LARGEST))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole of it"
        raise UserError(f"'{file}' is not the record of a run ({where}: {first['msg']}).") from None
    if not info.get(evaluated_on(info)):
        raise UserError(f"'{file}' has no score under '{evaluated_on(info)}'.")
    return info


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
