"""A real headless Chromium, asked for what a page does: its console, its requests, its looks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--disable-extensions", "--hide-scrollbars", "--disable-dev-shm-usage"),
    # Whatever name a page asks for does not exist, so that no request leaves the machine.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def open_page(page: Path, work: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open the page in a browser without a history, as `options` say; its console is in stderr."""
    assert CHROMIUM is not None
    return subprocess.run(
        [CHROMIUM, *QUIET, f"--user-data-dir={work / 'profile'}", "--enable-logging=stderr", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def take_screenshot(page: Path, file: Path, width: int, height: int, *, dark: bool = False) -> str:
    """Save how the page looks at this size; return what its console said, a line each."""
    options = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    result = open_page(page, file.parent, f"--window-size={width},{height}", f"--screenshot={file}", *options)
    return "\n".join(line for line in result.stderr.splitlines() if "CONSOLE" in line)


def read_elements(page: Path, work: Path) -> str:
    """Return the page's elements as the browser understood them, as HTML."""
    return open_page(page, work, "--dump-dom").stdout


def requested(page: Path, work: Path) -> list[str]:
    """Return the addresses that the page made the browser ask for, apart from the page itself and data in it."""
    log = work / "net.json"
    open_page(page, work, f"--log-net-log={log}", "--dump-dom")
    text = log.read_text(encoding="utf-8")
    events: list[dict[str, Any]] = json.loads(
        text if text.rstrip().endswith("}") else text.rstrip().rstrip(",") + "]}"
    )["events"]
    urls = {str(event.get("params", {}).get("url", "")) for event in events}
    # Chromium itself asks Google for the time and for updates; no name is ever resolved (QUIET).
    own = re.compile(r"https?://[a-z0-9.]*\.google(apis)?\.com/")
    return sorted(url for url in urls if re.match(r"(https?|wss?|ftp):", url) and not own.match(url))
