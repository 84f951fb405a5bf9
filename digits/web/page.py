"""The page to draw on, made with Gradio, /predict beside it for programs, and the wall."""

import base64
import io
import os
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fastapi
import gradio as gr
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from digits.errors import UserError
from digits.photos import decode_photo, read_photo
from digits.photos.read import MAX_PIXELS, Photo, TooManyPixels
from digits.prediction import TRAIN_FIRST
from digits.web.answers import Networks, Reading, as_html, as_json, message, read_digit
from digits.web.guard import MAX_BYTES, Guard
from digits.web.room import Busy, Room
from digits.web.wall import Wall
from digits.web.wall_page import add_wall

KEPT_SECONDS = 10
"""An upload is deleted when it is this old, which is checked as often; until then the page that sent it shows it."""
ORDINARY_PIXELS = 4_000_000  # larger photos are read one at a time; a drawing or a frame of a webcam has fewer
KEPT_SESSIONS = 20  # Gradio keeps the last photo that each open page sent, for so many pages; none is needed later
TITLE = "# Draw a digit"
NOTE = """\
Two networks, one trained in PyTorch and one in TensorFlow, read what you draw. Drawings appear on [the wall](/wall)
too, until somebody clears it; photos and the webcam's images do not."""
MARK = re.compile("[0-9a-f]{32}")
"""By which the page names a drawing. No other page can guess it, and change what is not its own."""
Answer = TypeVar("Answer")


class Reader:
    """Reads photos in threads: a few ordinary ones at a time, and beside them one large one."""

    def __init__(self) -> None:
        self._ordinary = Room(min(4, os.cpu_count() or 1))
        self._large = Room(1)

    async def run(self, read: Callable[[int], Answer]) -> Answer:
        """Return what `read` does, given the number of pixels that it may decode. Busy after too long a wait."""
        try:
            async with self._ordinary.take(1):
                return await run_in_threadpool(read, ORDINARY_PIXELS)
        except TooManyPixels:
            async with self._large.take(1):
                return await run_in_threadpool(read, MAX_PIXELS)


def build_app(
    networks: Networks, uploads: Path, hosts: Collection[str], wall: Wall, addresses: Sequence[str] = ()
) -> fastapi.FastAPI:
    """Return the application: /predict, the wall and the page.

    Gradio puts uploads into `uploads`; for `hosts` see Guard, for `addresses` add_wall.
    """
    reader = Reader()
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/predict")
    async def predict(request: fastapi.Request) -> JSONResponse:
        try:
            return JSONResponse(await reader.run(partial(_predict, await request.body(), networks)))
        except UserError as error:
            return JSONResponse({"error": str(error)}, 503 if isinstance(error, Busy) else 400)

    add_wall(app, wall, networks, addresses)
    gr.mount_gradio_app(
        app,
        _build_page(networks, reader, uploads.resolve(), wall),
        path="/",
        max_file_size=MAX_BYTES,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        footer_links=[],
        css=_template("answer.css"),
        head=f"<style>{_template('phone.css')}</style>",  # `css` reaches only what is inside the page's frame
        # System fonts: Gradio's own themes load theirs from Google.
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    app.add_middleware(Guard, uploads=uploads.resolve(), hosts=hosts)
    return app


def _template(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text("utf-8")


def _predict(data: bytes, networks: Networks, max_pixels: int) -> dict[str, Any]:
    if not data:
        raise UserError("the request has no body; send the photo's bytes.")
    if not networks.find():
        raise Busy(f"no network is trained yet; {TRAIN_FIRST}.")
    return as_json(read_digit(decode_photo(io.BytesIO(data), True, max_pixels), networks))


def _build_page(networks: Networks, reader: Reader, uploads: Path, wall: Wall) -> gr.Blocks:
    def read(sent: object, max_pixels: int) -> str:
        mark, sent = _mark(sent)
        reading = read_digit(_photo(sent, uploads, max_pixels), networks)
        if mark and reading.digit:
            wall.put(mark, reading.digit.image, reading.runs, reading.probabilities)
        elif mark:  # undone, or a mere dash by now
            wall.withdraw(mark)
        return as_html(reading, networks.note())

    def start() -> str:
        return as_html(Reading(networks.find(), None, []), networks.note())

    async def answer_to(sent: object) -> str:
        try:
            return await reader.run(partial(read, sent))
        except UserError as error:
            return message(f"The photo cannot be read: {error}")

    page = gr.Blocks(title="Draw a digit", analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS))
    # Gradio 6.31 leaves this unset where a page is mounted, and then reads any file that a request names.
    page.has_launched = True
    page.state_session_capacity = KEPT_SESSIONS
    with page:
        gr.Markdown(TITLE, elem_id="title")
        with gr.Row():
            with gr.Column(min_width=300):
                with gr.Tab("Draw") as draw_tab:
                    html, css, script = (_template(f"canvas.{kind}") for kind in ("html", "css", "js"))
                    drawing = gr.HTML("", html_template=html, css_template=css, js_on_load=script, elem_id="drawing")
                with gr.Tab("Photo") as photo_tab:
                    photo = gr.Image(
                        label="A photo or scan of a digit",
                        sources=["upload", "clipboard"],
                        height=400,
                        buttons=[],
                        elem_id="photo",
                    )
                with gr.Tab("Webcam") as webcam_tab:
                    webcam = gr.Image(
                        label="Hold a digit to the camera",
                        sources=["webcam"],
                        streaming=True,
                        elem_id="webcam",
                        webcam_options=gr.WebcamOptions(mirror=False),
                        buttons=[],
                    )
            with gr.Column(min_width=300):
                answer = gr.HTML(start(), elem_id="answer")
        gr.Markdown(NOTE)
        # Without the queue: an answer takes milliseconds, and only the latest drawing counts. Without Gradio's own
        # reading of photos: it has no limit on pixels.
        quietly: dict[str, Any] = {"preprocess": False, "show_progress": "hidden"}
        at_once = partial(gr.on, queue=False, **quietly)
        at_once(drawing.input, answer_to, drawing, answer, api_name="draw", trigger_mode="always_last")
        at_once(photo.change, answer_to, photo, answer, api_name="photo")
        at_once(draw_tab.select, answer_to, drawing, answer)
        at_once([photo_tab.select, webcam_tab.select], lambda: (None, start()), None, [photo, answer])
        at_once(page.load, start, None, answer)
        webcam.stream(answer_to, webcam, answer, stream_every=0.5, concurrency_limit=None, **quietly)
    return page


def _mark(sent: object) -> tuple[str | None, object]:
    """Return the mark of a drawing and its data URL, '' for one that was undone; anything else as it is, unmarked."""
    if isinstance(sent, dict) and MARK.fullmatch(str(sent.get("drawing"))):
        return str(sent["drawing"]), sent.get("url") or ""
    return None, sent


def _photo(sent: Any, uploads: Path, max_pixels: int) -> Photo | None:
    """Return the photo that the page sent, a data URL or the name of a file that it uploaded; None for no photo."""
    if not sent:
        return None
    if isinstance(sent, dict):
        path, sent = sent.get("path"), sent.get("url")
        if isinstance(path, str):
            with suppress(OSError, ValueError):  # no file can have such a name
                # Gradio checks this too, but we do not rely on it.
                if Path(path).resolve().is_relative_to(uploads):
                    return read_photo(Path(path), True, max_pixels)
            raise UserError("it was not uploaded; choose it again.")
    if not (isinstance(sent, str) and sent.startswith("data:image/")):
        raise UserError("it is not an image; draw or choose one.")
    try:
        data = base64.b64decode(sent.partition(",")[2], validate=True)
        return decode_photo(io.BytesIO(data), True, ORDINARY_PIXELS)
    except ValueError:
        raise UserError("it did not arrive completely; try again.") from None
    except TooManyPixels as error:  # only photos may wait to be read as large ones: drawings would wait for them
        raise UserError(str(error)) from None
