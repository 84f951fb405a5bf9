"""Which files to answer for: those named, and those in folders."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mnist_twice.names import few
from mnist_twice.photos import is_image, is_named_image


@dataclass(frozen=True, slots=True)
class File:
    """An image file to answer for, or a file or folder at `path` with a fault, which says why it cannot be."""

    path: str
    place: str  # relative path of its copy in a folder of outputs
    fault: str = ""


def list_files(
    named: Sequence[Path], recursive: bool = False, outputs: Iterable[Path] = (), notes: list[str] | None = None
) -> Iterator[File]:
    """Yield the files to answer for: those named, and in the place of folders the image files in them, by name.

    In a folder, files are image files by their suffix or else by their contents; a file that is named itself is always
    tried. With `recursive` files in subfolders follow those beside them. `outputs` are folders that are being written,
    and not read. `notes` receives sentences on what was left out.
    """
    # Windows leaves it to programs to expand *.png.
    named = list(dict.fromkeys(chain.from_iterable(map(_expanded, named))))
    left_out = {os.path.realpath(folder) for folder in outputs}
    places = [os.path.basename(os.path.abspath(path)) for path in named]
    if len({place.casefold() for place in places}) < len(places):  # some file systems take A.png and a.png for one name
        places = [f"{i}-{place}" for i, place in enumerate(places, start=1)]
    for path, place in zip(named, places, strict=True):
        if not os.path.isdir(path):  # Path.is_dir raises for a name that no file can have
            yield File(str(path), place)
            continue
        below = place if len(named) > 1 else ""
        fault = "there are no image files in this folder; name one that has some, or use --recursive."
        for file in _in_folder(str(path), below, recursive, left_out, [] if notes is None else notes):
            yield file
            fault = ""
        if fault:
            yield File(str(path), place, fault)


def _expanded(path: Path) -> list[Path]:
    """Return the paths that the pattern stands for; itself where it is no pattern, or nothing fits it."""
    is_pattern = glob.has_magic(str(path)) and not os.path.lexists(path)
    return [Path(found) for found in sorted(glob.glob(str(path)))] * is_pattern or [path]


def _in_folder(root: str, place: str, recursive: bool, left_out: set[str], notes: list[str]) -> Iterator[File]:
    """Yield the image files in the folder, and the folders in it that cannot be read; note what is left out."""
    faults: list[OSError] = []
    folders: list[str] = []
    links: list[str] = []
    others: list[str] = []
    for folder, inner, names in os.walk(root, onerror=faults.append):
        inner[:] = [name for name in sorted(inner) if os.path.realpath(os.path.join(folder, name)) not in left_out]
        for name in inner:
            path = os.path.join(folder, name)
            (links if os.path.islink(path) else folders).append(os.path.relpath(path, root))
        if not recursive:
            inner.clear()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if is_named_image(name) or (os.path.isfile(path) and is_image(path)):
                yield File(path, os.path.join(place, os.path.relpath(path, root)))
            elif not name.startswith("."):  # such as .DS_Store
                others.append(os.path.relpath(path, root))
    for error in faults:
        yield File(error.filename, place, f"the folder cannot be read ({error.strerror}); check its permissions.")
    if folders and not recursive:
        notes.append(f"'{root}' has {few(folders, 'subfolder')}, not read; --recursive reads them.")
    if links:
        notes.append(f"'{root}' has {few(links, 'link')} to folders, not followed; to read them, name them.")
    if others:
        notes.append(f"'{root}' has {few(others, 'file')} not in an image format, not read.")
