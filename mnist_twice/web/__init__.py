"""The page of draw_digit.py: a canvas, photos and the webcam, answered by trained networks, and a wall for a class."""

import uvicorn
