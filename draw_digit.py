"""Open a page to draw digits on, upload photos or hold a digit to the webcam, and see how both networks read it.

    python draw_digit.py                        # then open http://127.0.0.1:7860
    python draw_digit.py --host 0.0.0.0         # for the phones in the same network, with a wall for the projector
    python draw_digit.py --export site          # a page that needs no server: for GitHub Pages, say
    curl --data-binary @photo.jpg http://127.0.0.1:7860/predict

Shows the best two runs that differ only in their framework, or those that --run names. Ctrl-C stops it. Nothing is
loaded from the internet.
"""

import logging
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

from mnist_twice.command_line import Field, options_dataclass, parse
from mnist_twice.errors import UserError, run_script


@options_dataclass
class Options:
    host: Annotated[str, Field(title="ADDRESS")] = "127.0.0.1"
    """address to listen at; 127.0.0.1: only this machine; 0.0.0.0: everybody who can reach it"""
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    """port to listen at; 0 takes any free one"""
    allow_host: Annotated[tuple[str, ...], Field(title="NAME")] = ()
    """more host names under which browsers may open the page, such as a proxy's"""
    run: Annotated[tuple[str, ...], Field(title="RUN")] = ()
    """runs to show, by name or folder; if none is given, the best two that differ only in their framework"""
    output_dir: Path = Path("outputs")
    """folder of runs"""
    keep: Annotated[Path | None, Field(title="DIR")] = None
    """folder to save each drawing that gets a label on the wall, as a PNG file of 28x28 pixels"""
    export: Annotated[Path | None, Field(title="DIR")] = None
    """export a page that works without a server into this folder, then exit"""


def main() -> int:
    options = parse(Options(), __doc__)
    # Only now, so that a missing package is reported in a sentence.
    from mnist_twice.web.answers import runs_to_show
    from mnist_twice.web.guard import own_hosts
    from mnist_twice.web.page import build_app
    from mnist_twice.web.wall import Wall, check_keep

    runs, note = runs_to_show(options.run, options.output_dir)
    names = ", ".join(run.name for run in runs)
    if note:
        print(note)
    if options.export:
        from mnist_twice.web.export import export_site

        size = export_site(runs, options.export)
        print(f"wrote '{options.export / 'index.html'}': {names}; {size / 1e6:.1f} MB. Open it, or publish the folder.")
        return 0
    if options.keep:
        check_keep(options.keep)
    wall = Wall(runs, note, options.keep)
    listener = listen(options.host, options.port)
    address = say_where_it_is(listener, names, wall.key)
    hosts = own_hosts(options.host, listener.getsockname()[0], options.allow_host)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # service managers end processes by it; the shell's status
    try:
        serve(build_app(runs, hosts, wall, address), listener)
    except KeyboardInterrupt:
        print("\nstopped")
    return 130  # the shell's convention for Ctrl-C, as all scripts here have it


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at the address; raises UserError if it cannot."""
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


def say_where_it_is(listener: socket.socket, names: str, key: str) -> str:
    """Print the addresses of the page and the wall; return that at which phones find the page, '' where they cannot."""
    from rich.console import Console

    from mnist_twice.web.address import code_as_text, page_address

    address, for_phones = page_address(listener)
    print(f"drawing page at {address} ({names}); Ctrl-C stops it")
    print(f"wall for the projector at {address}/wall#{key}", flush=True)
    if for_phones and sys.stdout.isatty():
        Console(highlight=False).print(code_as_text(address), style="bright_white on black", end="")
    return address if for_phones else ""


def serve(app: Any, listener: socket.socket) -> None:
    """Serve the application until Ctrl-C."""
    import uvicorn

    from mnist_twice.web.guard import Protocol

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # of a client that breaks off there is nothing to say
    config = uvicorn.Config(
        app, http=Protocol, loop="asyncio", ws="none", lifespan="off", limit_concurrency=500, log_level="critical"
    )
    config.timeout_graceful_shutdown = 2  # browsers hold connections open, and have to notice that this ends
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(run_script(main))
