"""A real headless Chromium, asked what it complains about in a page and what the page makes it ask for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-default-apps"),
    *("--disable-extensions", "--disable-dev-shm-usage"),
    # Whatever name a page asks for does not exist, so that no request leaves the machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def complaints(page: Path, work: Path) -> list[str]:
    """Return what the console said of the page, and the addresses it asked for apart from itself and data in it."""
    log = work / "net.json"
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={work / 'profile'}", f"--log-net-log={log}", "--dump-dom"]
    done = subprocess.run(
        [*command, "--enable-logging=stderr", page.as_uri()], capture_output=True, text=True, timeout=120
    )
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    urls = set(re.findall(r'"url": ?"((?:https?|wss?|ftp):[^"]*)"', log.read_text(encoding="utf-8")))
    # Chromium itself asks Google for the time and for updates.
    return said + sorted(url for url in urls if not re.match(r"https?://[a-z0-9.]*\.google(apis)?\.com/", url))
