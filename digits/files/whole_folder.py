"""Write a folder whole or not at all: whatever happens, `path` is the earlier folder or the new one, never half."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from digits.errors import UserError
from digits.files.hidden_folder import flush, hidden_folder, hidden_name, leftovers, sweep

ASIDE = ".old"
"""Behind the name of an earlier folder that has stepped aside for the new one."""


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty hidden folder beside `path`, and put it in the place of `path` when the block ends cleanly.

    After an exception (Ctrl-C included) the hidden folder is deleted and what was at `path` is untouched. What killed
    processes left behind for the same `path` is mended and swept first; a folder that a live process is filling stays.

    Raises UserError where `path` cannot be written.
    """
    check_place(path)
    _restore(path)
    sweep(path, ASIDE)
    with hidden_folder(path) as folder:
        yield folder
        # All files on the disk before the folder gets its name, or a power cut leaves the name with empty files.
        for entry in [*folder.rglob("*"), folder]:
            flush(entry)
        _swap_in(folder, path)


def check_place(path: Path) -> None:
    """Raise UserError where a folder cannot be written at `path`; makes the folder above it if that is missing."""
    with contextlib.suppress(OSError):
        # One look, not two: another process may be swapping the folder at this moment. A link is no folder here.
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise UserError(f"'{path}' is in the way: a folder goes there; move or delete it, then run again.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Only trying tells: permission bits say nothing about read-only disks, quotas, or names that are too long.
        probe = hidden_name(path)
        probe.mkdir()
        with contextlib.suppress(FileNotFoundError):  # another process swept it
            probe.rmdir()
    except OSError as error:
        raise UserError(
            f"cannot write to '{path}' ({error.strerror or error}); choose another folder or mend its permissions."
        ) from error


def _restore(path: Path) -> None:
    """Bring back an earlier folder that a kill left set aside."""
    for aside in leftovers(path, ASIDE):
        if not path.exists():
            with contextlib.suppress(OSError):  # another process may be restoring the same place: either will do
                os.rename(aside, path)


def _swap_in(folder: Path, path: Path) -> None:
    """Put `folder` in the place of `path`: the old one steps aside, the new one goes in, the old one is deleted."""
    asides = []
    try:
        while True:
            with contextlib.suppress(FileNotFoundError):
                aside = hidden_name(path)
                aside = aside.with_name(aside.name + ASIDE)
                asides.append(aside)
                os.rename(path, aside)
            try:
                os.rename(folder, path)
                break
            except OSError as error:
                # Another process put its own folder there between the two renames: set that aside as well.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
    except BaseException:
        if asides and not path.exists() and asides[-1].exists():
            os.rename(asides[-1], path)
        raise
    finally:
        for aside in asides:
            shutil.rmtree(aside, ignore_errors=True)
    flush(path.parent)
