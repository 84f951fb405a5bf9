"""The options of the commands of run_experiment.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from mnist_twice.command_line import options_dataclass, parse, refuse
from mnist_twice.data import DATA_DIR
from mnist_twice.recipes import RECIPES, name_problem

Framework = Literal["pytorch", "tensorflow"]
Model = Literal[*RECIPES]  # type: ignore[valid-type]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Jobs = Annotated[int, Field(ge=1, le=1000)]
Words = Annotated[tuple[str, ...], Field(title="FIELD=VALUES")]
GROUPS = {"where and how": ("jobs", "device", "storage", "data_dir", "output_dir")}

Asked = TypeVar("Asked", bound="Place")


def parse_command(default: Asked, command: str, text: str, words: Sequence[str]) -> Asked:
    """Return the options that the words after the command give; exit with status 2 where the NAME cannot be used."""
    groups = {title: [name for name in names if hasattr(default, name)] for title, names in GROUPS.items()}
    options = parse(default, text, words, positional="experiment", groups=groups, command=command)
    if problem := name_problem(options.experiment):
        refuse(f"the NAME {options.experiment!r} {problem}.")
    return options


@options_dataclass
class Place:
    """Which experiment, and where it is."""

    experiment: Annotated[str, Field(title="NAME")] = ""
    """name of the experiment, and of its folder in OUTPUT_DIR/experiments/"""
    storage: str = ""
    """address of a database for several machines, postgresql+psycopg://USER@HOST/DATABASE; if not given, a file"""
    output_dir: Path = Path("outputs")
    """folder of outputs"""

    @property
    def folder(self) -> Path:
        """Where the experiment's files are."""
        return self.output_dir / "experiments" / self.experiment


@options_dataclass
class Work(Place):
    """How to train."""

    jobs: Jobs = 1
    """trainings at a time on this machine, which share its cores and GPUs"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where to compute; auto takes a CUDA GPU if the framework finds one"""
    data_dir: Path = DATA_DIR
    """folder of datasets"""


@options_dataclass
class GridOptions(Work):
    """What run_experiment.py grid is asked to do."""

    framework: Annotated[tuple[Framework, ...], Field(title="FRAMEWORK")] = ("pytorch", "tensorflow")
    """frameworks to train in, pytorch or tensorflow or both"""
    model: Annotated[tuple[Model, ...], Field(title="MODEL")] = ("cnn",)
    """networks to train, each with its default recipe; mnist_pytorch.py --list-models describes them"""
    seed: tuple[Seed, ...] = (0,)
    """seeds; every combination is trained with each of them"""
    set: Words = ()
    """alternatives for fields of the recipe: learning_rate=0.001,0.003 filters=8x16,16x32 augment=on,off"""
    init_from: str = ""
    """experiment in the same OUTPUT_DIR; each training starts from its run of the same framework, network and seed"""
    dataset: str = "mnist"
    """dataset to train on"""
    evaluate_on: Literal["test", "validation"] = "test"
    """images to evaluate the trained networks on; use validation if you choose a recipe by the results"""


@options_dataclass
class SearchOptions(Work):
    """What run_experiment.py search is asked to do."""

    framework: Framework = "pytorch"
    """framework to train in"""
    model: Model = "cnn"
    """network to find a recipe for"""
    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 60
    """total number of trials, with those of earlier calls and other machines"""
    space: Annotated[tuple[str, ...], Field(title="FIELD=SPACE")] = ()
    """what to vary, instead of the network's default space: learning_rate=1e-4..1e-2:log batch_size=32,64,128"""
    set: Words = ()
    """values in place of the default recipe's, one for each field: epochs=5 augment=on"""
    objective: Literal["loss", "accuracy"] = "loss"
    """what to optimise, on the validation images"""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1
    """trainings of each trial, with the seeds 0, 1, ...; the objective is their mean"""
    pruner: Literal["auto", "median", "hyperband", "wilcoxon", "none"] = "auto"
    """how to stop trials early that are not promising; auto: median by epoch, or wilcoxon with several seeds"""
    seconds: Annotated[float, Field(ge=0)] = 0.0
    """seconds after which this call begins no further trial; 0: no limit"""
    seed: Seed = 0
    """seed of the sampler"""
    dataset: str = "mnist"
    """dataset to train on"""


@options_dataclass
class ShowOptions(Place):
    """What run_experiment.py show is asked to do."""

    format: tuple[Literal["png", "svg", "pdf"], ...] = ("png",)
    """file formats of the figures; png is always added, for the report"""


@options_dataclass
class ConfirmOptions(Work):
    """What run_experiment.py confirm is asked to do; the comparison is the experiment NAME-confirm."""

    seeds: Annotated[int, Field(ge=2, le=16)] = 6
    """number of seeds to train both recipes with, none of them used in the search; below 6 there is no p-value"""
