"""Which files of a folder are a dataset's images, and of which class."""

import re
from collections.abc import Callable
from pathlib import Path

from digits.errors import UserError
from digits.names import few
from digits.photos import is_image, is_named_image

NAME = re.compile(r"(?P<label>.+)_(?P<index>\d+)\.\w+")
NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line ends, and the surrogates by which Python replaces bytes that are not UTF-8."""
PNG = b"\x89PNG\r\n\x1a\n"  # PNG specification, 5.2

Labelled = list[tuple[Path, str]]


def list_images(folder: Path, any_format: bool, note: Callable[[str], None]) -> Labelled:
    """Return the PNG files, or image files of any format, of a folder with their labels.

    First those in a folder for each class, by name; then the others, by their index: the order of write_png_folder.
    `note` receives sentences on what is not read. UserError where there are no such files, or a name is wrong.
    """
    found: Labelled = []
    numbered = []
    left_out: dict[str, list[Path]] = {"subfolder": [], "picture": [], "file": [], "folder": []}

    def is_read(path: Path) -> bool:
        relative = path.relative_to(folder)
        if path.name.startswith("."):
            return False
        kind = "subfolder" if path.is_dir() else _kind(path, any_format)
        if kind:
            left_out[kind].append(relative)
        elif NOT_TEXT.search(str(relative)):
            raise UserError(f"{str(path)!r} has control characters or bytes that are not UTF-8 in its name; rename it.")
        return not kind

    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            files = [(file, entry.name) for file in sorted(entry.iterdir()) if is_read(file)]
            found += files
            if not files:
                left_out["folder"].append(entry.relative_to(folder))
        elif is_read(entry):
            match = NAME.fullmatch(entry.name)
            if match is None:
                raise UserError(f"'{entry}': its name does not say its class; call it LABEL_INDEX.png, as 7_1.png.")
            numbered.append((int(match["index"]), entry, match["label"]))
    found += [(path, label) for _, path, label in sorted(numbered)]
    reasons = {
        "subfolder": "in the folders of classes; move their images into the class's folder",
        "picture": "not in PNG format; --convert reads every format",
        "file": "not in an image format",
        "folder": "without any image that can be read; the dataset lacks these classes",
    }
    for kind, paths in left_out.items():
        if paths:
            note(f"not read in '{folder}': {few(paths, kind)} {reasons[kind]}.")
    if not found:
        kind = "image files" if any_format else "PNG files"
        raise UserError(f"'{folder}' has no {kind}, neither LABEL_INDEX.png nor in a folder for each class.")
    return found


def _kind(path: Path, any_format: bool) -> str:
    """Return what the file is instead of one to read: a picture of another format, or no image; '' for one to read."""
    if any_format:
        return "" if is_named_image(path.name) or (path.is_file() and is_image(path)) else "file"
    if path.suffix.lower() == ".png" or (path.is_file() and _begins_as_png(path)):
        return ""
    return "picture" if is_named_image(path.name) or (path.is_file() and is_image(path)) else "file"


def _begins_as_png(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(PNG)) == PNG
