"""The page to draw on, made with Gradio, and /predict beside it, for programs."""

from __future__ import annotations

import io
import warnings
from functools import partial
from pathlib import Path

import fastapi
import gradio as gr
import numpy as np
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from numpy.typing import NDArray
from PIL import Image

from digits.errors import UserError
from digits.picture_files import MAX_PIXELS, decode_picture, read_picture
from digits.trained import TRAIN_FIRST
from digits.web_answers import CSS, Networks, as_html, as_json, message

MAX_BYTES = 20_000_000
"""Largest upload. Phone photographs have 2 to 12 MB."""
KEPT_SECONDS = 60
"""How long Gradio keeps an upload: it must outlast the page's own showing of it."""
TAKE_BRUSH = """() => setInterval(() => {
    if (!document.querySelector('#drawing button.highlight'))
        document.querySelector('#drawing button[aria-label="Brush"]')?.click();
}, 200)"""
"""Gradio's canvas waits for a tool to be chosen, at first and whenever it was cleared: take the brush where none is."""
HELP = """# Draw a digit
Two networks, one trained in PyTorch and one in TensorFlow, read it as you draw. For programs there is `/predict`."""


def build_app(networks: Networks) -> fastapi.FastAPI:
    """Return the web application: /predict, and the page everywhere else."""
    # Gradio opens uploads itself; twice this limit is an error.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/predict")
    async def predict(request: fastapi.Request) -> JSONResponse:
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > MAX_BYTES:
                return JSONResponse({"error": f"the picture has more than {MAX_BYTES:,} bytes."}, 413)
        if not data:
            return JSONResponse({"error": "the request has no body; send the picture's bytes."}, 400)
        runs = await run_in_threadpool(networks.find)
        if not runs:
            return JSONResponse({"error": f"no network is trained yet; {TRAIN_FIRST}."}, 503)
        try:
            pixels = await run_in_threadpool(decode_picture, io.BytesIO(data))
        except UserError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(await run_in_threadpool(as_json, pixels, runs))

    gr.mount_gradio_app(
        app,
        _build_page(networks),
        path="/",
        max_file_size=MAX_BYTES,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        footer_links=[],
        css=CSS,
        # System fonts: Gradio's own themes ask Google for theirs.
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    return app


def _build_page(networks: Networks) -> gr.Blocks:
    def on_drawing(drawing: dict[str, NDArray[np.uint8]] | None) -> str:
        return _answer(None if drawing is None else drawing["composite"])

    def on_frame(frame: NDArray[np.uint8] | None) -> str:
        return _answer(frame)

    def on_photo(path: str | None) -> str:
        if path is None:
            return _welcome()
        try:
            return _answer(read_picture(Path(path)))
        except UserError as error:
            return message(f"The picture cannot be read: {error}")

    def _answer(pixels: NDArray[np.uint8] | None) -> str:
        return _welcome() if pixels is None else as_html(pixels, networks.find())

    def _welcome() -> str:
        # An empty picture gets the right sentence, whether or not something is trained.
        return as_html(np.zeros((28, 28), np.uint8), networks.find())

    page = gr.Blocks(title="Draw a digit", analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS))
    with page:
        gr.Markdown(HELP)
        with gr.Row():
            with gr.Column(min_width=320):
                with gr.Tab("Draw"):
                    drawing = gr.Sketchpad(
                        label="Draw a digit here",
                        elem_id="drawing",
                        image_mode="L",
                        canvas_size=(400, 400),
                        height=480,
                        fixed_canvas=True,
                        layers=False,
                        transforms=(),
                        buttons=[],
                        brush=gr.Brush(default_size=22, colors=["#000000"], color_mode="fixed"),
                    )
                with gr.Tab("Photo"):
                    photo = gr.Image(
                        label="A photograph or scan of a digit",
                        sources=["upload", "clipboard"],
                        type="filepath",
                        image_mode=None,
                        buttons=[],
                    )
                with gr.Tab("Webcam"):
                    webcam = gr.Image(
                        label="Hold a digit to the camera",
                        sources=["webcam"],
                        streaming=True,
                        webcam_options=gr.WebcamOptions(mirror=False),
                        buttons=[],
                    )
            with gr.Column(min_width=320):
                answer = gr.HTML(_welcome(), elem_id="answer")
        # Without the queue: an answer takes milliseconds, and the latest drawing is the one that counts.
        at_once = partial(gr.on, outputs=answer, queue=False, show_progress="hidden")
        at_once(drawing.change, on_drawing, drawing, api_name="draw", trigger_mode="always_last")
        at_once(photo.change, on_photo, photo, api_name="photo")
        at_once(page.load, _welcome, api_name="welcome", js=TAKE_BRUSH)
        webcam.stream(on_frame, webcam, answer, stream_every=0.5, show_progress="hidden", concurrency_limit=None)
    return page
