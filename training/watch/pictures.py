"""Predictions as pictures, as training goes on: written by DVCLive where 'dvc plots' finds them."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

# Before DVCLive is imported: it would report to DVC Studio where a token is configured.
os.environ.setdefault("DVC_STUDIO_OFFLINE", "true")

from dvclive import Live

from compositing.shards.reader import Sample
from curation.storage import writing
from training.config import TrainParams
from training.watch.errormap import error_map, error_words

Bytes = NDArray[np.uint8]
Picture = Callable[[str, int, Bytes], None]
"""Told the name, the step and the picture, RGB."""

PICTURED = 6
"""Samples pictured, at most, shared out over the strengths."""
SIDE = 192
"""Panels are shrunk to this long side, pixels: pictures of two experiments then fit beside each other on a page."""
COLUMNS = 3
SCREEN = (0, 177, 64)
"""RGB of what the cut-out stands on."""
HEADER = 20
"""Height of the line of text over the panels, pixels."""


class Pictures:
    """The pictures of a run: one a sample and step, ``NAME/STEP.jpg``, which DVC's tools show as a slider.

    DVC deletes a stage's outputs before each run, and a checkpoint holds no pictures: what was drawn is kept without
    loss beside the checkpoints, and a resumed run writes it again. The same network gives the same bytes.
    """

    def __init__(self, folder: Path, kept: Path, step: int, also: Picture | None = None) -> None:
        """Open the folders.

        Args:
            folder: DVCLive's.
            kept: of the run's work folder.
            step: steps done; pictures of later ones, of a run that was killed, are forgotten.
            also: told of each new picture.
        """
        self._kept = kept
        self._also = also
        self._live = Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None)
        for path in sorted(kept.glob("*/*.png")):
            if int(path.stem) > step:
                path.unlink()
            else:
                self._show(path)

    def add(self, name: str, step: int, sample: Sample, pha: Bytes) -> None:
        """Draw a sample with its predicted alpha (H, W)."""
        picture = draw(sample, pha, step)
        path = self._kept / name / f"{step:07d}.png"
        with writing(path) as temporary:
            done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            if not done:
                raise ValueError(f"{path}: a picture of shape {picture.shape} cannot be encoded")
            temporary.write_bytes(data.tobytes())
        self._show(path)
        if self._also is not None:
            self._also(name, step, picture)

    def _show(self, path: Path) -> None:
        self._live.log_image(f"{path.parent.name}/{path.stem}.jpg", path)


def pictured(step: int, params: TrainParams) -> bool:
    """Whether the validation after ``step`` steps is the first since ``images_every`` came round, or the last."""
    if params.images_every is None:
        return False
    before = (step - 1) // params.validate_every * params.validate_every
    return step == params.steps or step // params.images_every > before // params.images_every


def names(chosen: Mapping[str, list[int]]) -> dict[str, int]:
    """Name the chosen samples (strength -> positions): ``hard-1`` -> position."""
    return {
        f"{strength}-{number}": position
        for strength, positions in chosen.items()
        for number, position in enumerate(positions, 1)
    }


def draw(sample: Sample, pha: Bytes, step: int) -> Bytes:
    """Source, captured background and true alpha; below them predicted alpha, its error and the cut-out; RGB."""
    mad = 1000 * float(np.abs(pha.astype(np.float64) - sample.pha).mean()) / 255
    share = pha[..., None] / np.float32(255)
    cut = (sample.src * share + np.array(SCREEN, np.float32) * (1 - share)).round().astype(np.uint8)
    panels = {
        "source": sample.src,
        "captured background": sample.bgr,
        "true alpha": sample.pha,
        f"step {step}, MAD {mad:.1f}": pha,
        error_words().replace(" of alpha", ""): error_map(pha, sample.pha),
        "cut out": cut,
    }
    drawn = [_panel(image, words) for words, image in panels.items()]
    rows = [np.concatenate(drawn[i : i + COLUMNS], axis=1) for i in range(0, len(drawn), COLUMNS)]
    return np.concatenate(rows)


def _panel(image: Bytes, words: str) -> Bytes:
    scale = min(1.0, SIDE / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    rgb = small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2RGB)
    panel = np.full((size[1] + HEADER, SIDE + 4, 3), 255, np.uint8)  # as wide as the words need, whatever the picture
    panel[HEADER:, : size[0]] = rgb
    cv2.putText(panel, words, (2, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return panel
