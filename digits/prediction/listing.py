"""Which files to answer for: those named, and those in folders."""

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from digits.names import few, is_forbidden_on_windows
from digits.photos import is_image, is_named_image

LONGEST_NAME = 200  # bytes of a photo's name in its output's names; file systems take 255, '-6-as-MNIST.png' included


@dataclass(frozen=True, slots=True)
class File:
    """An image file to answer for, or a file or folder at `path` with a fault, which says why it cannot be."""

    path: str
    place: str  # relative path of its copy in a folder of outputs
    size: int = 0  # bytes
    fault: str = ""


def list_files(
    named: Sequence[Path],
    recursive: bool = False,
    outputs: Iterable[Path] = (),
    notes: list[str] | None = None,
) -> Iterator[File]:
    """Yield the files to answer for: those named, and in the place of folders the image files in them, by name.

    In a folder, files are image files by their suffix or else by their contents; a file that is named itself is always
    tried. With `recursive` files in subfolders follow those beside them. `outputs` are folders that are being written,
    and not read. `notes` receives sentences on what was left out.
    """
    named = list(dict.fromkeys(named))
    left_out = {os.path.realpath(folder) for folder in outputs}
    for path, place in zip(named, output_names(named), strict=True):
        if not os.path.isdir(path):  # Path.is_dir raises for a name that no file can have
            yield File(str(path), place, _size(path))
            continue
        skipped: dict[str, list[str]] = {"folders": [], "links": [], "files": []}
        empty = True
        for relative, size, fault in _walk(str(path), "", recursive, left_out, skipped):
            empty = False
            copy = os.path.join(place if len(named) > 1 else "", *map(output_name, relative.split(os.sep)))
            yield File(os.path.join(path, relative) if relative else str(path), copy, size, fault)
        if empty:
            fault = "there are no image files in this folder; name one that has some, or use --recursive."
            yield File(str(path), place, fault=fault)
        if notes is not None:
            if names := skipped["folders"]:
                notes.append(f"'{path}' has {few(names, 'subfolder')}, not read; --recursive reads them.")
            if names := skipped["links"]:
                notes.append(f"'{path}' has {few(names, 'link')} to folders, not followed; name them.")
            if names := skipped["files"]:
                notes.append(f"'{path}' has {few(names, 'file')} not in an image format, not read.")


def output_names(files: Sequence[Path]) -> list[str]:
    """Return for each file or folder a name of its own for its output; numbered where two would share one."""
    names = [output_name(path.name) for path in files]
    counts = Counter(name.casefold() for name in names)  # some file systems take A.png and a.png for one name
    taken = set(counts)
    for i, name in enumerate(names):
        if counts[name.casefold()] > 1:
            while names[i].casefold() in taken:  # more than once where a photo is itself called 2-a.png
                names[i] = f"{i + 1}-{names[i]}"
            taken.add(names[i].casefold())
    return names


def output_name(name: str) -> str:
    """Return the name as one that every file system and terminal takes; one that changes gets its checksum added."""
    plain = re.sub(r"[^\w.-]", "_", name).encode()[:LONGEST_NAME].decode(errors="ignore")
    if plain == name and not is_forbidden_on_windows(name):
        return name
    stem, suffix = os.path.splitext(plain.rstrip("."))
    return f"{stem}-{hashlib.blake2b(os.fsencode(name), digest_size=4).hexdigest()}{suffix}"


def _walk(
    root: str, folder: str, recursive: bool, left_out: Collection[str], skipped: dict[str, list[str]]
) -> Iterator[tuple[str, int, str]]:
    """Yield the path under `root`, the size in bytes and the fault of each image file, and of folders with faults."""
    try:
        entries = sorted(os.scandir(os.path.join(root, folder)), key=lambda entry: entry.name)
    except OSError as error:
        yield folder, 0, f"the folder cannot be read ({error.strerror}); check its permissions."
        return
    folders = []
    for entry in entries:
        relative = os.path.join(folder, entry.name)
        if entry.is_dir():
            if os.path.realpath(entry.path) in left_out:
                continue
            if entry.is_symlink():  # may lead back here
                skipped["links"].append(relative)
            elif recursive:
                folders.append(relative)
            else:
                skipped["folders"].append(relative)
        elif is_named_image(entry.name) or (entry.is_file() and is_image(entry.path)):
            yield relative, _size(entry), ""
        elif not entry.name.startswith("."):  # such as .DS_Store
            skipped["files"].append(relative)
    for name in folders:
        yield from _walk(root, name, recursive, left_out, skipped)


def _size(file: os.DirEntry[str] | Path) -> int:
    """Return a regular file's bytes, 0 for any other; reading says what is wrong with it."""
    try:
        facts = file.stat()
    except (OSError, ValueError):
        return 0
    return facts.st_size if stat.S_ISREG(facts.st_mode) else 0
