"""A pickle that shows whether it was loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Executed:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)
