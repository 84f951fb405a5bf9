"""Files that appear whole or not at all, checksums, and readers that trust no file.

May import: nothing of digits but errors. Everything that writes or reads files builds on it.
"""

from digits.files.checksums import MANIFEST, format_manifest, read_manifest, sha256_of
from digits.files.hidden_folder import flush, hidden_folder, sweep
from digits.files.npy import read_npy
from digits.files.whole_file import write_whole
from digits.files.whole_folder import check_place, writing_folder
from digits.files.writing import naming, write_file, write_npy

__all__ = [
    "MANIFEST",
    "check_place",
    "flush",
    "format_manifest",
    "hidden_folder",
    "naming",
    "read_manifest",
    "read_npy",
    "sha256_of",
    "sweep",
    "write_file",
    "write_npy",
    "write_whole",
    "writing_folder",
]
