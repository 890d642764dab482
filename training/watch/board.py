"""The curves and pictures of a run for TensorBoard, where somebody asks for them."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ASKED = "CLEANPLATE_TENSORBOARD"
"""Environment variable that names the folder of all runs. No parameter, for it changes no byte of any output."""


class Board:
    """One run's event files. Steps behind ``step``, of a run that was killed there, are shown once."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write values of a step; a name's part before the slash is its group."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, name: str, step: int, image: NDArray[np.uint8]) -> None:
        """Write a picture (H, W, 3), RGB."""
        self._writer.add_image(f"valid/{name}", image, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def open_board(name: str, step: int) -> Board | None:
    """Open the board of the run ``name`` after ``step`` steps, or None where nobody asked for one.

    Raises ImportError with the line that installs TensorBoard where it is missing.
    """
    folder = os.environ.get(ASKED)
    if not folder:
        return None
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            f"{ASKED} is '{folder}', but tensorboard is not installed; run: pip install tensorboard, or unset {ASKED}"
        )
    return Board(Path(folder) / name, step)
