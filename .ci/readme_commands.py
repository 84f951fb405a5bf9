"""Run every command that README.md shows in a ```sh block, in order, and stop at the first that fails.

Left out are fetching and entering the clone, which the caller has done, and `make test`, from which CI comes here.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DONE_BEFORE = ("git clone", "cd ", "make test", "source ")


def commands() -> list[str]:
    """Return the README's commands, comments cut off, lines that end in a backslash joined."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := line.split("  #")[0].strip()) and not command.startswith("#")]


def main() -> int:
    path = f"{ROOT / '.venv' / 'bin'}:"
    for command in commands():
        if command.startswith(DONE_BEFORE):
            continue
        print(f"$ {command}", flush=True)
        started = time.monotonic()
        done = subprocess.run(f"export PATH={path}$PATH; {command}", shell=True, cwd=ROOT, check=False)
        print(f"[{time.monotonic() - started:.0f} s]", flush=True)
        if done.returncode:
            print(f"error: the README's command '{command}' ended with status {done.returncode}.")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
