"""How many image files predict_digit.py answers each second, by kind of file, on one core and on all; and its memory.

    python -m benchmarks.many_files                                            # all kinds of files
    python -m benchmarks.many_files --kind scans --files 40000 --repeats 3     # taking turns, with the ratio of the two
    python -m benchmarks.many_files --kind mnist --files 1000000 --workers 2   # memory and speed for a million files

Makes the files in a temporary folder: MNIST's test digits as they are, as grey scans of 100x100 pixels (dark on light,
with grain), and photographs of them (digits/photos/synthetic.py, medium) of 100x100 pixels, all as PNGs, and of 12
megapixels as JPEGs. The files are in the system's cache when they are read. Start-up is part of the time. Linux only.
Needs MNIST in mnist_data/ and a trained run in outputs/.
"""

import io
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from tqdm import tqdm

from benchmarks.processes import ROOT
from digits.command_line import options_dataclass, parse
from digits.data import DATA_DIR, load_dataset
from digits.errors import UserError, run_script
from digits.machine import cores, hardware
from digits.photos.synthetic import photograph

FILES = {"mnist": 50_000, "scans": 10_000, "snapshots": 10_000, "photographs": 100}
DISTINCT = {"mnist": 10_000, "scans": 1_000, "snapshots": 300, "photographs": 6}
"""Different images of each kind; more files are copies of them."""
Kind = Literal["all", "mnist", "scans", "snapshots", "photographs"]


@options_dataclass
class Options:
    kind: Kind = "all"
    """kind of files"""
    files: int = 0
    """number of files of each kind; 0: 50,000, 10,000, 10,000 and 100"""
    workers: Annotated[int, Field(ge=0)] = 0
    """processes that read; 0: one, and then one for each core"""
    repeats: Annotated[int, Field(ge=1)] = 1
    """how often each number of processes is measured, taking turns; the table shows medians"""
    run: str = ""
    """the run that answers; the best one for digits if not given"""
    data_dir: Path = DATA_DIR
    """folder of datasets"""
    output_dir: Path = Path("outputs")
    """folder of runs"""


@dataclass(frozen=True)
class Cost:
    """What a call took: seconds, seconds of all processors together, and bytes of all processes together at most."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def main() -> None:
    options = parse(Options(), __doc__)
    machine = hardware("cpu")
    print(f"{machine['processor']}, {machine['cores']} cores, medians of {options.repeats}")
    print(
        f"{'kind':12}{'files':>10}{'workers':>9}{'seconds':>9}{'files/s':>9}{'CPU ms a file':>15}{'peak MB':>9}"
        f"{'times one':>11}"
    )
    digits = load_dataset("mnist", options.data_dir).test_images
    for kind in FILES if options.kind == "all" else [options.kind]:
        number = options.files or FILES[kind]
        processes = [options.workers] if options.workers else sorted({1, cores()})
        with tempfile.TemporaryDirectory() as folder:
            make_files(Path(folder), kind, number, digits)
            costs = [{n: measure(Path(folder), n, options) for n in processes} for _ in range(options.repeats)]
        for n in processes:
            seconds = median(cost[n].seconds for cost in costs)
            each = 1000 * median(cost[n].cpu_seconds for cost in costs) / number
            peak = max(cost[n].peak_bytes for cost in costs) / 1e6
            times = [cost[1].seconds / cost[n].seconds for cost in costs if 1 in cost and n > 1]
            spread = f"{median(times):11.2f} ({min(times):.2f} to {max(times):.2f})" if times else ""
            print(
                f"{kind:12}{number:10,}{n:9}{seconds:9.1f}{number / seconds:9,.0f}{each:15.3f}{peak:9.0f}{spread}",
                flush=True,
            )


def make_files(folder: Path, kind: str, number: int, digits: NDArray[np.uint8]) -> None:
    """Write so many image files of this kind."""
    contents = []
    for i in range(min(number, DISTINCT[kind])):
        image = _image(kind, digits[i], np.random.default_rng([0, i]))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG" if kind == "photographs" else "PNG")
        contents.append(buffer.getvalue())
    suffix = "jpg" if kind == "photographs" else "png"
    for i in tqdm(range(number), desc=f"writing {kind}", disable=None, leave=False):
        (folder / f"{i:07}.{suffix}").write_bytes(contents[i % len(contents)])


def _image(kind: str, digit: NDArray[np.uint8], generator: np.random.Generator) -> Image.Image:
    """Return the digit, uint8 (28, 28), as an image of this kind."""
    if kind == "mnist":
        return Image.fromarray(digit)
    if kind == "scans":
        large = np.asarray(Image.fromarray(digit).resize((100, 100), Image.Resampling.BICUBIC))
        grain = generator.normal(0, 2, large.shape)
        return Image.fromarray(np.clip(245 - 0.85 * large + grain, 0, 255).astype(np.uint8))
    photo = Image.fromarray(photograph([[digit]], "medium", generator))
    return photo.resize((100, 100) if kind == "snapshots" else (3000, 4000), Image.Resampling.BICUBIC)


def measure(folder: Path, workers: int, options: Options) -> Cost:
    """Return what predict_digit.py takes for the folder; UserError where it fails, or does not answer for each file."""
    with tempfile.TemporaryDirectory() as place:
        table = Path(place) / "answers.csv"
        words = [str(folder), "--csv", str(table), "--workers", str(workers), "--output-dir", str(options.output_dir)]
        if options.run:
            words += ["--run", options.run]
        before, started, peak = os.times(), time.perf_counter(), 0
        with subprocess.Popen(
            [sys.executable, str(ROOT / "predict_digit.py"), *words], stdout=subprocess.DEVNULL
        ) as call:
            while call.poll() is None:
                peak = max(peak, _memory(call.pid))
                time.sleep(0.2)
        seconds, after = time.perf_counter() - started, os.times()
        if call.returncode or len(table.read_bytes().splitlines()) != 1 + len(os.listdir(folder)):
            raise UserError("predict_digit.py did not answer for every file; see above.")
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Cost(seconds, cpu, peak)


def _memory(pid: int) -> int:
    """Return the bytes of a process and those that it started; what several share is divided among them."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:  # it has ended
        return 0
    own = sum(1024 * int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own + sum(_memory(int(child)) for child in children.split())


if __name__ == "__main__":
    sys.exit(run_script(main))
