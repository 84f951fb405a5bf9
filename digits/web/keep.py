"""Write labelled images into a folder of PNG files, one by one, which `download_mnist.py --from-images` takes."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from digits.data.image_folder import NAME, labels_for_files
from digits.errors import UserError
from digits.files import check_place, naming


class Keep:
    """A folder of {label}_{index}.png. Images that lie there stay, and the new ones are numbered after them."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing. UserError where it cannot be written, or is divided into parts."""
        if folder.exists() and not folder.is_dir():
            raise UserError(f"'{folder}' is not a folder; give --keep another one.")
        if parts := [part for part in ("train", "test") if (folder / part).exists()]:
            raise UserError(f"'{folder}' has '{parts[0]}' in it, the only images that are read then; give another one.")
        check_place(folder / "0_0.png")
        self.folder = folder
        matches = (NAME.fullmatch(path.name) for path in folder.iterdir())
        self._index = max((int(match["index"]) for match in matches if match), default=0)

    def add(self, image: NDArray[np.uint8], label: int, class_names: Sequence[str]) -> Path:
        """Write an image, uint8 (28, 28), of the class with this number; return its file. OSError names the file."""
        name = labels_for_files(class_names)[label]
        data = cv2.imencode(".png", image)[1].tobytes()
        while True:
            self._index += 1
            path = self.folder / f"{name}_{self._index:05}.png"
            try:
                with naming(path), path.open("xb") as file:
                    file.write(data)
            except FileExistsError:  # of another process that writes into the same folder
                continue
            except OSError:
                path.unlink(missing_ok=True)
                raise
            return path

    def remove(self, path: Path | None) -> None:
        """Delete a file that `add` has written, if it is still there."""
        if path:
            path.unlink(missing_ok=True)
