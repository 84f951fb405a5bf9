"""The names of runs: which data, network and framework, and how the training differs from the model's default."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from digits.names import is_forbidden_on_windows

LONGEST = 40
"""Letters of what is appended to a name; more become a count and a hash."""
MOST_BYTES = 100
"""Of a name that a user chooses: file systems take 255, what is put around it (a checkpoint, a figure) included."""


def run_name(
    dataset: str,
    model: str,
    framework: str,
    seed: int | None = 0,
    parity: bool = False,
    differences: Mapping[str, Any] | None = None,
) -> str:
    """Return the folder name of a run: 'mnist-cnn-pytorch'; 'mnist-cnn-pytorch-s3-parity' of seed 3, with --parity.

    differences: what else decides the training and is not as in the model's default recipe, by the option's name, in
    the order of the Recipe. It is appended: 'mnist-cnn-pytorch+learning_rate=0.003+filters=8x16+augment'; or, where
    that is longer than 40 letters or could not be read back, '+3-options-1a2b3c4d', the number of differences and the
    start of the SHA-256 of their canonical JSON. The name is the same on every machine, and legal on Windows too.
    """
    name = f"{dataset}-{model}-{framework}" + (f"-s{seed}" if seed else "") + ("-parity" if parity else "")
    differences = differences or {}
    parts = [_part(key, value) for key, value in differences.items()]
    appended = "".join(f"+{part}" for part in parts)
    if len(appended) <= LONGEST and all(re.fullmatch(r"[\w.=-]*[\w-]", part, re.ASCII) for part in parts):
        return name + appended
    canonical = json.dumps(differences, sort_keys=True, separators=(",", ":"))
    return f"{name}+{len(differences)}-options-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"


def name_problem(name: str) -> str | None:
    """Return why this cannot be the name that a user chooses for a run's folder, as the end of a sentence, or None."""
    if not name or name.startswith(".") or re.search(r"[/\\\0]", name):
        return "becomes a folder's name: use no slash, and no dot in front"
    if name == "--":
        return "becomes a folder's name: use letters, as -- alone ends the options of a command"
    if is_forbidden_on_windows(name):
        return (
            'cannot be a folder on Windows: use none of < > : " | ? *, no dot or space at the end, and not con or nul'
        )
    if len(name.encode(errors="replace")) > MOST_BYTES:
        return f"becomes a folder's name: use at most {MOST_BYTES} bytes"
    return None


def _part(name: str, value: Any) -> str:
    """Return 'learning_rate=0.003', 'filters=8x16', 'augment' or 'no_augment'."""
    if isinstance(value, bool):
        return name if value else f"no_{name}"
    return f"{name}={'x'.join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)}"


def _text(value: object) -> str:
    """Return a number in its shortest exact form: 10 for 10.0, 1e38 for 1e+38."""
    return repr(value).removesuffix(".0").replace("e+", "e") if isinstance(value, float) else str(value)
