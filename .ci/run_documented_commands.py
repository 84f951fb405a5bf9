"""Run every command in a ```sh block of README.md and docs/*.md, each once, and stop at the first that fails.

README.md comes first, then the pages in the order in which it links to them. Left out is `make test`, from which CI
comes here. Commands that take hours, or never end, stand in indented blocks instead.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DONE_BEFORE = ("make test",)


def pages() -> list[Path]:
    """Return README.md and all pages of docs/ that it links to, in that order; ValueError if it leaves one out."""
    readme = ROOT / "README.md"
    linked = re.findall(
        r"\]\((docs/\w+\.md)[)#]", readme.read_text(encoding="utf-8").partition("## Where to read on")[2]
    )
    found = list(dict.fromkeys(ROOT / path for path in linked))
    if missing := set(ROOT.glob("docs/*.md")) - set(found):
        raise ValueError(f"README.md has no link to {', '.join(sorted(path.name for path in missing))}")
    return [readme, *found]


def sh_commands(text: str) -> list[str]:
    """Return the commands in the text's ```sh blocks, without comments, lines that end in a backslash joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := re.split(r"(?:^|\s\s+)#", line)[0].strip())]


def main() -> int:
    commands = dict.fromkeys(command for page in pages() for command in sh_commands(page.read_text(encoding="utf-8")))
    environment = os.environ | {"PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for command in commands:
        if command in DONE_BEFORE:
            continue
        print(f"$ {command}", flush=True)
        started = time.monotonic()
        done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, check=False)
        print(f"[{time.monotonic() - started:.0f} s]", flush=True)
        if done.returncode:
            print(f"error: the documented command '{command}' ended with status {done.returncode}.")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
