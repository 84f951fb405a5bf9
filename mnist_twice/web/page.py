"""The application: the page to draw on, /predict for programs, and the wall."""

import ctypes
import io
import re
import secrets
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from mnist_twice.errors import UserError
from mnist_twice.names import spelled
from mnist_twice.photos import read_photo
from mnist_twice.prediction import TrainedRun
from mnist_twice.web.address import address_for_phones, code_as_svg
from mnist_twice.web.answers import answer_image, answer_photo
from mnist_twice.web.guard import Guard, Lane
from mnist_twice.web.wall import Wall

TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
PHOTO_BYTES = 20_000_000  # phones make photos of 2 to 12 MB
DRAWING_BYTES = 28 * 28  # the page has made MNIST's form of the sheet
HERE = "the page is at /, its wall at /wall, and /predict takes photos"
MALFORMED = "the page does not send requests like this one; reload the page and try again."
BYTES_ALONE = "programs send the file's bytes alone: curl --data-binary @photo.jpg URL."
MARK = re.compile("[0-9a-f]{32}")
"""By which the page names a drawing. No other page can guess it, and change what is not its own."""
POLICY = "default-src 'none'; connect-src 'self'; img-src data: blob:; script-src 'nonce-{0}'; style-src 'nonce-{0}'"
"""Nothing from other sites, and no script but the page's own."""


def build_app(runs: Sequence[TrainedRun], hosts: Collection[str], wall: Wall, address: str) -> Starlette:
    """Return the application. hosts: see Guard. address: where phones find the page, '' where they cannot."""
    photos = Lane(PHOTO_BYTES, 6, 1)  # reading one takes up to 512 MB
    drawings = Lane(DRAWING_BYTES, 50, 2)  # they never wait for photos

    def read(data: bytes) -> dict[str, Any]:
        try:
            start = data[:64]
            if start.isascii() and start.decode().isprintable() and not start.startswith(b"P"):  # as PGM files may
                raise UserError(f"it is not an image file but text, perhaps base64; {BYTES_ALONE}")
            return answer_photo(read_photo(io.BytesIO(data), shrink=True), runs)
        finally:
            with suppress(AttributeError, OSError, TypeError):  # only glibc keeps memory that was freed, and has this
                ctypes.CDLL(None).malloc_trim(0)

    def read_drawing(data: bytes) -> dict[str, Any]:  # without data all strokes were undone
        return answer_image(np.frombuffer(data, np.uint8).reshape(28, 28) if data else None, runs)

    async def page(request: Request) -> HTMLResponse:
        return _html("page.html", note=wall.note)

    async def predict(request: Request) -> JSONResponse:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.startswith("multipart/") or kind.endswith("json"):
            raise HTTPException(415, f"this is {kind}; {BYTES_ALONE}")
        return JSONResponse(await photos.answer(request, read))

    async def drawing(request: Request) -> JSONResponse:
        mark = request.query_params.get("mark", "")
        if not MARK.fullmatch(mark) or request.headers.get("content-length") not in ("0", str(DRAWING_BYTES)):
            raise HTTPException(400, MALFORMED)
        answer = await drawings.answer(request, read_drawing)
        wall.put(mark, answer)
        return JSONResponse(answer)

    async def wall_page(request: Request) -> HTMLResponse:
        found = address_for_phones(request.url, address)
        names: dict[str, Any] = {"classes": runs[0].class_names, "frameworks": [spelled(run.framework) for run in runs]}
        names |= {"code": found and code_as_svg(found), "address": found.partition("://")[2]}
        return _html("wall.html", note=wall.note, kept=wall.keep is not None, **names)

    async def wall_drawings(request: Request) -> JSONResponse:
        return JSONResponse(wall.state(request.query_params.get("version", "")))

    async def wall_change(request: Request) -> JSONResponse:
        if not secrets.compare_digest(request.headers.get("x-wall-key", "").encode(), wall.key.encode()):
            raise HTTPException(403, "only the wall whose address draw_digit.py printed may do that.")
        try:
            number, change, label = (int(request.query_params.get(name, 0)) for name in ("number", "change", "label"))
        except ValueError:
            raise HTTPException(400, MALFORMED) from None
        try:
            match request.path_params["what"]:
                case "label":
                    wall.label(number, change, label)
                case "remove":
                    wall.remove(number)
                case "clear":
                    wall.clear()
                case _:
                    raise HTTPException(404)
        except OSError as error:
            raise HTTPException(507, f"the image cannot be saved or deleted ({error.strerror}).") from None
        return JSONResponse({})

    routes = [
        Route("/", page),
        Route("/drawing", drawing, methods=["POST"]),
        Route("/predict", predict, methods=["POST"]),
        Route("/wall", wall_page),
        Route("/wall/drawings", wall_drawings),
        Route("/wall/{what}", wall_change, methods=["POST"]),
    ]
    handlers: Any = {HTTPException: _refuse, UserError: _refuse}
    return Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts)], exception_handlers=handlers)


def _html(template: str, **values: Any) -> HTMLResponse:
    nonce = secrets.token_urlsafe(12)
    headers = {"Content-Security-Policy": POLICY.format(nonce), "Cache-Control": "no-store"}
    return HTMLResponse(TEMPLATES.get_template(template).render(nonce=nonce, **values), headers=headers)


def _refuse(request: Request, error: Any) -> JSONResponse:
    status = getattr(error, "status_code", 400)
    sentence = {404: f"there is nothing here; {HERE}.", 405: f"this is not asked for in this way; {HERE}."}
    return JSONResponse({"error": sentence.get(status) or getattr(error, "detail", str(error))}, status)
