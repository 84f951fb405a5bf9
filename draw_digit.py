"""Open a page to draw digits on, upload photos or hold a digit to the webcam, and see how both networks read it.

    python draw_digit.py                        # then open http://127.0.0.1:7860
    python draw_digit.py --host 0.0.0.0         # for the phones in the same network, with a wall for the projector
    python draw_digit.py --export site          # a page that needs no server: for GitHub Pages, say
    curl --data-binary @photo.jpg http://127.0.0.1:7860/predict

Shows the best two runs, one of each framework and otherwise alike, or those that --run names. Ctrl-C ends it. Nothing
is fetched from the internet.
"""

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import Field
from rich.console import Console

from digits.command_line import options_dataclass, parse
from digits.errors import UserError, run_script
from digits.prediction import TRAIN_FIRST
from digits.web import Keep, Networks, Wall
from digits.web.export import export_site
from digits.web.guard import own_hosts


@options_dataclass
class Options:
    host: Annotated[str, Field(title="ADDRESS")] = "127.0.0.1"
    """address to listen at: 127.0.0.1 is this machine alone, 0.0.0.0 lets in everybody who can reach it"""
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    """port to listen at; 0 takes any free one"""
    allow_host: Annotated[tuple[str, ...], Field(title="NAME")] = ()
    """further names that browsers may ask for the page by, as a proxy's"""
    run: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """runs to show, by name or folder; the best two that differ in their framework alone if none is given"""
    output_dir: Path = Path("outputs")
    """folder of runs"""
    keep: Annotated[Path | None, Field(title="DIR")] = None
    """folder that receives each drawing whose true digit is stated at the wall, as a PNG file of 28x28 pixels"""
    export: Annotated[Path | None, Field(title="DIR")] = None
    """write the page into this folder, as one that evaluates the networks itself and needs no server, and end"""


def main() -> int:
    options = parse(Options(), __doc__)
    networks = Networks(options.run, options.output_dir)
    if options.export:
        return export(networks, options.export)
    wall = Wall(Keep(options.keep) if options.keep else None)
    listener = listen(options.host, options.port)
    hosts = own_hosts(options.host, listener.getsockname()[0], options.allow_host)
    # Service managers end processes by SIGTERM: uploads are deleted then too. 143 is the shell's convention for it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="draw-digit-") as uploads:
            serve(networks, wall, listener, Path(uploads), hosts)
    except KeyboardInterrupt:
        print("\nstopped")
    return 130  # the shell's convention for Ctrl-C, as all scripts here have it


def export(networks: Networks, folder: Path) -> int:
    """Write the page that needs no server, and say what it is made of; return the exit status."""
    runs = networks.find()
    if not runs:
        raise UserError(f"there is no trained run; {TRAIN_FIRST}, then export again.")
    size = export_site(runs, folder)
    print(
        f"wrote '{folder}': {', '.join(run.name for run in runs)}; {size / 1e6:.1f} MB. Open '{folder / 'index.html'}'."
    )
    if note := networks.note():
        print(note)
    return 0


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at the address; UserError where it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        if sys.platform != "win32":  # there it lets two programs share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except (OSError, UnicodeError) as error:  # the latter for text that cannot be a host's name
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"cannot listen at {host}, port {port} ({why}); choose another with --port or --host."
        ) from None
    return listener


def serve(networks: Networks, wall: Wall, listener: socket.socket, uploads: Path, hosts: set[str]) -> None:
    """Serve the page under the names in `hosts`, until Ctrl-C; `uploads` is a folder for Gradio's temporary files."""
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Only now: importing Gradio takes seconds, and it reads these variables.
    import uvicorn

    from digits.web.address import code_as_text, page_addresses, web_address
    from digits.web.page import build_app

    # Browsers hold connections open; they get two seconds to notice that this ends.
    addresses = page_addresses(listener)
    app = build_app(networks, uploads, hosts, wall, addresses)
    settings = uvicorn.Config(app, ws="none", log_level="critical", timeout_graceful_shutdown=2)
    host, port = listener.getsockname()[:2]
    address, *others = addresses or [web_address("127.0.0.1" if host in ("0.0.0.0", "::") else host, port)]
    runs = ", ".join(run.name for run in networks.find()) or "no network yet; the page says what to run"
    print(f"drawing page at {address} ({runs}); Ctrl-C ends it")
    if note := networks.note():
        print(note)
    if others:
        print(f"if phones do not find that: {', '.join(others)}")
    print(f"wall for the projector at {address}/wall#{wall.key}", flush=True)
    if addresses and sys.stdout.isatty():
        Console(highlight=False).print(code_as_text(address), style="bright_white on black", end="")
    uvicorn.Server(settings).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(run_script(main))
