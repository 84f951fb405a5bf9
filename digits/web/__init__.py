"""The page of draw_digit.py: a canvas, photos and the webcam, answered by trained networks.

May import: photos and inference.
"""

from digits.web.answers import Networks
from digits.web.page import build_app

__all__ = [
    "Networks",
    "build_app",
]
