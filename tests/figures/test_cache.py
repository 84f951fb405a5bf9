"""Which figures are rendered again: whatever code of digits/ changes, all of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from digits.figures import cache

PACKAGES = sorted(path.parent.relative_to(cache.SOURCE) for path in cache.SOURCE.rglob("__init__.py"))


def test_the_key_holds_name_and_inputs() -> None:
    keys = [cache.figure_key(name, inputs) for name, inputs in (("a", ["b"]), ("a", ["c"]), ("b", ["b"]), ("a", ["b"]))]
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]


def test_a_change_in_a_module_of_any_package_changes_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {Path("."), Path("data"), Path("figures"), Path("evaluation"), Path("runs"), Path("training")} <= {*PACKAGES}
    copy = tmp_path / "digits"
    shutil.copytree(cache.SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cache, "SOURCE", copy)
    cache.hash_code.cache_clear()
    keys = [cache.figure_key("a", [])]
    for package in PACKAGES:
        module = sorted((copy / package).glob("*.py"))[-1]
        module.write_text(module.read_text() + "\n# changed\n")
        cache.hash_code.cache_clear()
        keys.append(cache.figure_key("a", []))
    assert len(set(keys)) == len(PACKAGES) + 1
    cache.hash_code.cache_clear()
