"""Which code a run was made with."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from paths import ROOT

from digits.machine import source


@pytest.mark.skipif(not (shutil.which("git") and (ROOT / ".git").exists()), reason="needs a clone")
def test_the_commit_and_whether_files_were_changed() -> None:
    found = source()
    assert found is not None
    head, status = (
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        for words in (["rev-parse", "HEAD"], ["diff", "HEAD", "--name-only"])
    )
    assert found == {"commit": head, "changed": bool(status)}
