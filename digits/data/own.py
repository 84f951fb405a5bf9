"""Datasets of the user's own in the data folder, beside those of the catalogue: accepted by name wherever they are.

<data_dir>/<name>/raw/train-images-idx3-ubyte and three more
<data_dir>/<name>/dataset.json       class names, how many images, and the options that made it
<data_dir>/<name>/SHA256SUMS         the checksums of the four
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from digits.data.catalogue import CATALOGUE, Arrays, Entry
from digits.data.idx import idx_bytes
from digits.errors import UserError
from digits.files import MANIFEST, format_manifest, naming, read_bytes, write_file, writing_folder
from digits.names import is_forbidden_on_windows

DESCRIPTION = "dataset.json"
FROM_IMAGES = "--from-images FOLDER"
FROM_CSV = "--from-csv TRAIN"
MAX_BYTES = 1 << 20
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
Count = Annotated[int, Field(gt=0, lt=2**32)]


class Description(TypedDict):
    """What dataset.json holds."""

    class_names: Annotated[list[str], Field(min_length=2, max_length=256)]
    train: Count
    test: Count
    made_by: NotRequired[Annotated[str, Field(pattern="^--from-[A-Za-z0-9 .+-]{1,80}$")]]  # options, as typed


def write_own(
    name: str, arrays: Arrays, class_names: tuple[str, ...], data_dir: Path, made_by: str = FROM_IMAGES
) -> Path:
    """Write the dataset into data_dir, whole or not at all, and return its folder. An earlier one of ours is replaced.

    made_by: the options that make it again. UserError as in check_name.
    """
    sizes = len(arrays[0]), len(arrays[2])
    return write_own_pieces(name, [[idx_bytes(array)] for array in arrays], sizes, class_names, data_dir, made_by)


def write_own_pieces(
    name: str,
    files: Sequence[Iterable[bytes]],
    sizes: tuple[int, int],
    class_names: tuple[str, ...],
    data_dir: Path,
    made_by: str,
) -> Path:
    """Write the dataset, as write_own does, from the pieces of its four IDX files: of any number of images."""
    check_name(name, data_dir)
    folder = data_dir / name
    description: Description = {
        "class_names": list(class_names),
        "train": sizes[0],
        "test": sizes[1],
        "made_by": made_by,
    }
    with writing_folder(folder) as building:
        (building / "raw").mkdir()
        sums = {}
        for file, pieces in zip(_entry(name, description).files, files, strict=True):
            digest = hashlib.sha256()
            with naming(building / file.path), (building / file.path).open("wb") as stream:
                for piece in pieces:
                    stream.write(piece)
                    digest.update(piece)
            sums[file.path] = digest.hexdigest()
        write_file(building / DESCRIPTION, json.dumps(description, indent=2, ensure_ascii=False).encode())
        write_file(building / MANIFEST, format_manifest(sums).encode())
    return folder


def check_name(name: str, data_dir: Path) -> None:
    """Raise UserError where the name is not allowed, is the catalogue's, or is that of something else in data_dir."""
    if not NAME.fullmatch(name) or is_forbidden_on_windows(name):
        raise UserError(
            f"'{name}' cannot name a dataset; use lower-case letters, digits and dashes, 40 at most, and "
            "not con, nul or another name that Windows keeps for a device."
        )
    taken = {*CATALOGUE, "all", *(entry.folder.lower() for entry in CATALOGUE.values())}
    if name in taken or ((data_dir / name).exists() and not (data_dir / name / DESCRIPTION).is_file()):
        raise UserError(f"the name '{name}' is taken in '{data_dir}'; choose another --name.")


def own_names(data_dir: Path) -> list[str]:
    """Return the names of the user's own datasets in data_dir."""
    return sorted(path.parent.name for path in data_dir.glob(f"*/{DESCRIPTION}") if NAME.fullmatch(path.parent.name))


def find_own(name: str, data_dir: Path) -> Entry | None:
    """Return the entry of the user's own dataset of that name, None where there is none; UserError if it is damaged."""
    path = data_dir / name / DESCRIPTION
    if not NAME.fullmatch(name) or name in CATALOGUE or not path.is_file():
        return None
    try:
        description = TypeAdapter(Description).validate_json(read_bytes(path, MAX_BYTES), strict=True)
    except ValidationError:
        raise UserError(f"'{path}' is damaged; make the dataset again with --from-images or --from-csv.") from None
    return _entry(name, description)


def _entry(name: str, description: Description) -> Entry:
    sizes = description["train"], description["test"]
    made_by = description.get("made_by", FROM_IMAGES)
    return Entry(name, name, name, sizes, tuple(description["class_names"]), licence="", made_by=made_by)
