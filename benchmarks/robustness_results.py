"""The table of docs/robustness.md: mean and standard deviation over seeds of what each network makes of corruptions.

    python visualize_results.py --robustness RUN ...     # runs that are called <recipe>-<framework>-s<seed>
    python benchmarks/robustness_results.py FOLDER ...   # their folders

Their robustness.json are copied to docs/results/robustness/, and the table is written from all that are there.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]
from pydantic import TypeAdapter

from benchmarks.processes import ROOT
from mnist_twice.evaluation.corruptions import CORRUPTIONS
from mnist_twice.evaluation.robustness import FILE, Robustness

PAGE = ROOT / "docs" / "robustness.md"
COPIES = ROOT / "docs" / "results" / "robustness"
MARKS = r"(?s)(<!-- made by benchmarks/robustness_results.py -->\n).*?(<!-- end -->)"


def main(folders: Sequence[str]) -> None:
    COPIES.mkdir(exist_ok=True)
    for folder in map(Path, folders):
        shutil.copy(folder / FILE, COPIES / f"{folder.name}.json")
    rows = {}
    for path in sorted(COPIES.glob("*.json")):
        one = TypeAdapter(Robustness).validate_json(path.read_bytes())
        rows[path.stem] = {"clean": one.clean, "all": one.mean, "starred": one.starred_mean}
        rows[path.stem] |= {name: one.accuracy[name][kind.published - 1] for name, kind in CORRUPTIONS.items()}
    networks = (100 * pd.DataFrame(rows).T).groupby(lambda name: re.sub(r"-s\d+$", "", name))
    means, deviations, counts = networks.mean(), networks.std(), networks.size()
    lines = ["| network | n | clean | mean of all 75 | mean of the 15 with a star | lowest three of these |"]
    lines += ["|---" * 6 + "|"]
    for name in means["starred"].sort_values().index:
        lowest = means.loc[name, list(CORRUPTIONS)].sort_values()[:3].index
        kinds = ["clean", "all", "starred", *lowest]
        cells = [f"{means.loc[name, kind]:.2f} ± {deviations.loc[name, kind]:.2f}" for kind in kinds]
        worst = ", ".join(f"{kind.replace('_', ' ')} {cell}" for kind, cell in zip(lowest, cells[3:], strict=True))
        lines += [f"| {' | '.join([name, str(counts[name]), *cells[:3], worst])} |"]
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(re.sub(MARKS, "\\1\n" + "\n".join(lines) + "\n\n\\2", text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
