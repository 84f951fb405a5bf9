"""The page of draw_digit.py: a canvas, photos and the webcam, answered by trained networks, and a wall for a class.

May import: files, data, photos and prediction. `export` writes the page that needs no server.
"""
