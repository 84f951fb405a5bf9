"""The page's doorkeeper: lets requests through that the page itself makes, of a bounded size, and no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi.responses import JSONResponse

MAX_BYTES = 20_000_000
"""Largest request. Phone photographs have 2 to 12 MB."""
NEEDED = (
    *("", "predict", "config", "theme.css", "favicon.ico", "manifest.json", "assets/.+", "static/.+"),
    *("gradio_api/heartbeat/.+", "gradio_api/upload", "gradio_api/upload_progress", "gradio_api/run/.+"),
    *("gradio_api/queue/(join|data)", "gradio_api/stream/.+", "gradio_api/startup-events"),
)
"""What the page asks for. Gradio answers to much more: it fetches addresses on demand, and counts its visitors."""


class Guard:
    """ASGI middleware. Beyond NEEDED, files of the folder `uploads` may be asked for, which the page shows."""

    def __init__(self, app: Any, uploads: Path) -> None:
        self.app = app
        self.needed = re.compile(f"/({'|'.join(NEEDED)}|gradio_api/file={re.escape(str(uploads))}/.+)/?")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        refusal = self._refuse(scope) if scope["type"] == "http" else None
        if refusal is not None:
            # Who is still sending does not listen: its request is read to the end, but kept nowhere.
            left = 5 * MAX_BYTES
            while left > 0 and (part := await receive()).get("more_body"):
                left -= len(part["body"])
            await refusal(scope, receive, send)
        elif scope["type"] in ("http", "lifespan"):
            await self.app(scope, receive, send)

    def _refuse(self, scope: Any) -> JSONResponse | None:
        path = scope["path"]
        if not self.needed.fullmatch(path) or ".." in path:
            return JSONResponse({"error": "there is nothing here; the page is at /, and /predict takes pictures."}, 404)
        if scope["method"] == "POST":
            length = dict(scope["headers"]).get(b"content-length", b"")
            if not length.isdigit():
                return JSONResponse({"error": "the request does not say its length; send Content-Length."}, 411)
            if int(length) > MAX_BYTES:
                return JSONResponse({"error": f"the picture has more than {MAX_BYTES:,} bytes; shrink it first."}, 413)
        return None
