"""lean_import: silent while all goes well, and nothing lost where it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from framework_process import environment

# Writes below Python's sys.stderr, as C++ does, looks for a package it could do without, and ends as it is told to.
LOUD = """
import os
os.write(2, b"a note from C++\\n")
try:
    import optional
    found = True
except ImportError:
    found = False
"""


def run(folder: Path, loud: str, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "loud.py").write_text(LOUD + loud)
    (folder / "optional.py").write_text("")
    code = f"import os, sys\nfrom digits.training.lean_import import lean_import\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
    )


def test_import_is_silent_and_finds_no_unneeded_package(tmp_path: Path) -> None:
    code = """
with lean_import("optional", "absent"):
    import loud
print(loud.found, "optional" in sys.modules, "absent" in sys.modules)
import optional
print("optional" in sys.modules)
os.write(2, b"after")
"""
    done = run(tmp_path, "", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False False False\nTrue\n", "after")


def test_package_that_is_imported_already_stays(tmp_path: Path) -> None:
    code = """
import optional
with lean_import("optional"):
    import loud
print(loud.found, sys.modules["optional"] is optional)
"""
    done = run(tmp_path, "", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\n", "")


@pytest.mark.parametrize(("loud", "notes"), [("raise OSError('no such library')", 1), ("raise KeyboardInterrupt", 0)])
def test_notes_are_told_where_the_import_fails(tmp_path: Path, loud: str, notes: int) -> None:
    code = """
try:
    with lean_import("optional"):
        import loud
finally:
    print("optional" in sys.modules)
"""
    done = run(tmp_path, loud, code)
    assert done.returncode != 0
    assert done.stdout == "False\n"
    assert done.stderr.count("a note from C++\n") == notes
    assert done.stderr.splitlines()[-1] in ("OSError: no such library", "KeyboardInterrupt")
