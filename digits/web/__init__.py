"""The page of draw_digit.py: a canvas, photos and the webcam, answered by trained networks.

May import: photos and inference. `page` is imported by module, since Gradio takes seconds and reads its settings then.
"""

from digits.web.answers import Networks
