"""The page of draw_digit.py: a canvas, photos and the webcam, answered by trained networks, and a wall for a class.

May import: files, data, photos and prediction. `page` is imported by module, since Gradio takes seconds and reads its
settings then. `export` writes the page that needs no server: `graph` makes what its JavaScript evaluates.
"""

from digits.web.answers import Networks
from digits.web.keep import Keep
from digits.web.wall import Wall
