"""The routes of the wall: its page, what it shows, and what only those may do who have its key."""

import html
import secrets
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import fastapi
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from digits.errors import UserError
from digits.web.address import code_as_svg
from digits.web.answers import Networks
from digits.web.guard import MALFORMED
from digits.web.wall import Gone, Wall

TEMPLATES = Path(__file__).parent / "templates"
NO_PHONES = "Phones cannot reach this page. Start it with --host 0.0.0.0 for those in the same network."
POLICY = "default-src 'none'; connect-src 'self'; img-src data:; script-src 'nonce-{0}'; style-src 'nonce-{0}'"
"""Nothing from other sites, and no script but the page's own."""


class Which(BaseModel):
    """A drawing on the wall."""

    number: int


class Label(Which):
    """The true class of a drawing, as the page saw it after that change."""

    change: int
    label: int


def add_wall(app: fastapi.FastAPI, wall: Wall, networks: Networks, addresses: Sequence[str]) -> None:
    """Add /wall and its routes to the application. addresses: where phones find the drawing page, if anywhere."""

    @app.get("/wall")
    def page(request: fastapi.Request) -> HTMLResponse:
        nonce = secrets.token_urlsafe(12)
        address = _address_for_phones(request.url, addresses)
        parts = {
            "NONCE": nonce,
            "CSS": _template("wall.css"),
            "SCRIPT": _template("wall.js"),
            "CODE": code_as_svg(address) if address else "",
            "ADDRESS": html.escape(address.partition("://")[2] or NO_PHONES),
        }
        text = _template("wall.html")
        for name, part in parts.items():
            text = text.replace(f"[[{name}]]", part)
        return HTMLResponse(
            text, headers={"Content-Security-Policy": POLICY.format(nonce), "Cache-Control": "no-store"}
        )

    @app.get("/wall/drawings")
    def drawings(version: str = "") -> JSONResponse:
        return JSONResponse(
            wall.state(networks.find(), version, networks.note()), headers={"Cache-Control": "no-store"}
        )

    def allowed(x_wall_key: Annotated[str, fastapi.Header()] = "") -> None:
        if not secrets.compare_digest(x_wall_key.encode(), wall.key.encode()):
            raise HTTPException(403, "only the wall that draw_digit.py has printed the address of may do that.")

    with_key: Any = [fastapi.Depends(allowed)]

    @app.post("/wall/label", dependencies=with_key)
    def label(sent: Label) -> JSONResponse:
        runs = networks.find()
        try:
            wall.label(sent.number, sent.change, sent.label, runs[0].class_names if runs else ())
        except OSError as error:
            raise HTTPException(
                507, f"the image cannot be saved ({error.strerror}), so the label was not taken."
            ) from None
        return JSONResponse({})

    @app.post("/wall/remove", dependencies=with_key)
    def remove(sent: Which) -> JSONResponse:
        try:
            wall.remove(sent.number)
        except OSError as error:
            raise HTTPException(507, f"the saved image cannot be deleted ({error.strerror}).") from None
        return JSONResponse({})

    @app.post("/wall/clear", dependencies=with_key)
    def clear() -> JSONResponse:
        wall.clear()
        return JSONResponse({})

    @app.exception_handler(HTTPException)
    def refuse(_: fastapi.Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code)

    @app.exception_handler(RequestValidationError)
    def malformed(_: fastapi.Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": MALFORMED}, 400)

    @app.exception_handler(UserError)
    def explain(_: fastapi.Request, error: UserError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 409 if isinstance(error, Gone) else 400)


def _address_for_phones(asked: Any, addresses: Sequence[str]) -> str:
    """Return the address at which phones find the drawing page, '' where they cannot.

    That is the one by which the wall itself was asked for, a proxy's perhaps, unless only this machine has it.
    """
    host = asked.hostname or ""
    try:
        only_here = ip_address(host).is_loopback or ip_address(host).is_unspecified
    except ValueError:
        only_here = host.lower() in ("localhost", socket.gethostname().lower())  # phones may not resolve the latter
    if only_here:
        return addresses[0] if addresses else ""
    return f"{asked.scheme}://{asked.netloc.rpartition('@')[2]}"


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")
