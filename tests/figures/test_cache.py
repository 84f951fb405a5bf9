"""Which figures are rendered again: whatever code of digits/ changes, all of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from digits.figures import cache


def test_the_key_holds_name_inputs_and_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [cache.figure_key(name, inputs) for name, inputs in (("a", ["b"]), ("a", ["c"]), ("b", ["b"]), ("a", ["b"]))]
    assert len(set(keys)) == 3
    copy = tmp_path / "digits"
    shutil.copytree(cache.SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cache, "SOURCE", copy)
    assert cache.figure_key("a", ["b"]) == keys[0]
    (copy / "data" / "__init__.py").write_text("# changed")
    cache.hash_code.cache_clear()
    assert cache.figure_key("a", ["b"]) not in keys
    cache.hash_code.cache_clear()
