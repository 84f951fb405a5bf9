"""Where the project and its tests are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
