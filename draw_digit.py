"""Open a page to draw digits on, upload photos or hold a digit to the webcam, and see how both networks read it.

    python draw_digit.py                        # then open http://127.0.0.1:7860
    python draw_digit.py --host 0.0.0.0         # for the phones in the same network as well
    curl --data-binary @photo.jpg http://127.0.0.1:7860/predict

Shows the best run of each framework, or those that --run names. Ctrl-C ends it. Nothing is fetched from the internet.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import tyro

from digits.errors import UserError, run_script
from digits.web_answers import Networks


@dataclass(frozen=True)
class Options:
    """Open a page to draw digits on."""

    host: str = "127.0.0.1"
    """The address to listen at. 127.0.0.1 is this machine alone, 0.0.0.0 everybody who can reach it."""
    port: int = 7860
    """The port to listen at; 0 takes any free one."""
    run: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A run to show, by its name in the outputs folder or by its folder; may be given several times."""
    outputs: Path = Path("outputs")
    """The folder that the training scripts write runs into."""


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    networks = Networks(options.run, options.outputs)
    listener = listen(options.host, options.port)
    with tempfile.TemporaryDirectory(prefix="draw-digit-") as uploads:
        serve(networks, listener, uploads)
    return 0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at the address; UserError where it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot listen at {host}, port {port} ({getattr(error, 'strerror', None) or error}); "
            f"choose another with --port or --host."
        ) from None
    return listener


def serve(networks: Networks, listener: socket.socket, uploads: str) -> None:
    """Serve the page until Ctrl-C. `uploads` is a folder for what Gradio must put down for a moment."""
    os.environ["GRADIO_TEMP_DIR"] = uploads
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Only now: importing Gradio takes seconds, and it reads these variables.
    import uvicorn

    from digits.web_page import build_app

    # Browsers hold connections open; they get two seconds to notice that this ends.
    settings = uvicorn.Config(build_app(networks), log_level="error", timeout_graceful_shutdown=2)
    host, port = listener.getsockname()[:2]
    runs = ", ".join(run.name for run in networks.find()) or "no network yet; the page says what to run"
    print(f"drawing page at http://{host}:{port} ({runs}); Ctrl-C ends it", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(settings).run(sockets=[listener])
    print("stopped")


if __name__ == "__main__":
    sys.exit(run_script(main))
