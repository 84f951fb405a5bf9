"""Files that appear whole or not at all, checksums, and readers that trust no file.

May import: nothing of digits but errors. Everything that writes or reads files builds on it.
"""

from digits.files.checksums import MANIFEST, format_manifest, read_manifest, sha256_of
from digits.files.reading import read_bytes, read_npy
from digits.files.whole import check_place, hidden_folder, new_folder, sweep, write_whole, writing_folder
from digits.files.writing import flush, naming, write_file, write_npy
