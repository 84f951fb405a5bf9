"""How names, fractions and commands are written for people, and names as parts of file names."""

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence

FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}
"""The frameworks as users know them, in the order in which they are shown."""

DIGITS, AS_IS = "digits", "as is"
"""How a picture becomes the image that a network gets (mnist_twice/photos/preprocess.py)."""

_WRITTEN = ["MNIST", "Fashion-MNIST", "KMNIST", "CNN", "MLP", "Fashion CNN", "deep CNN", "VGG", "ResNet", "ViT"]
_SPELLING = {written.lower().replace(" ", "-"): written for written in _WRITTEN}
_SPELLING |= {**FRAMEWORKS, "mnist-sample": "MNIST sample", "cnn-wide": "wide CNN", "lenet5": "LeNet-5"}


def spelled(name: str) -> str:
    """Return the name of a dataset, model or framework as it is usually written: 'MNIST' for 'mnist'."""
    return _SPELLING.get(name, name)


def percent(fraction: float, digits: int = 2) -> str:
    """Return '98.81 %' for 0.9881."""
    return f"{100 * fraction:.{digits}f} %"


def percent_range(interval: tuple[float, float]) -> str:
    """Return '98.50 to 99.00 %' for (0.985, 0.99)."""
    low, high = interval
    return f"{100 * low:.2f} to {percent(high)}"


def percent_text(percentage: float) -> str:
    """Return '98.8' for 98.81; one error never becomes '0.0', and only all of a class is '100.0'."""
    return "<0.1" if 0 < percentage < 0.05 else f"{percentage if percentage == 100 else min(percentage, 99.9):.1f}"


def p_text(p_value: float) -> str:
    """Return '= 0.024' for a p-value of 0.0243, and '< 0.001' for one that small."""
    return f"= {p_value:.3f}" if p_value >= 0.001 else "< 0.001"


def few(names: Sequence[object], noun: str) -> str:
    """Return how many there are and the first of them: '5 files (a.txt, b.pdf, c.doc and 2 more)'."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{len(names):,} {noun}{'s' * (len(names) != 1)} ({', '.join(map(plain, names[:3]))}{more})"


def plain(text: object) -> str:
    """Return the text with '?' for what a terminal would obey or cannot show: a folder's name may hold anything."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def is_forbidden_on_windows(name: str) -> bool:
    """Return whether Windows cannot have a file or folder of this name: 'a:b', 'con', 'nul.png', 'ends.'"""
    device = re.match(r"(con|prn|aux|nul|(com|lpt)[1-9])(\.|$)", name, re.IGNORECASE)
    return device is not None or name[-1:] in (".", " ") or not set(name).isdisjoint('<>:"/\\|?*')


def command_text(words: Sequence[str]) -> str:
    """Return the command as it is typed here: in a POSIX shell, or on Windows in cmd.exe and PowerShell."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def safe_name(text: str) -> str:
    """Return the text as part of a file's name: run.json may say anything, '../..' too."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:60].lstrip(".") or "_"
