"""Writes the miniature of VideoMatte240K: moving drawn people with their exact alpha."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.engine import run_parts
from pipelines.params import SampleParams
from pipelines.sample.figures import draw_figure
from pipelines.sample.render import Painter, to_bytes
from pipelines.sample.video import U8, colour_planes, grey_planes, write_clip
from pipelines.work import link

RATE = 25
"""Frames a second."""
SHUTTER = 0.5 / RATE
"""Seconds that the shutter is open: 180 degrees."""
FGR_QUALITY, PHA_QUALITY = 10, 4
ASPECT = 0.8
"""Width over height."""


@dataclass(frozen=True)
class Clip:
    """One clip to render."""

    seed: int
    split: str
    number: int
    frames: int
    height: int

    @property
    def width(self) -> int:
        """Even, as 4:2:0 needs."""
        return round(self.height * ASPECT / 2) * 2


def render_clip(clip: Clip) -> tuple[list[U8], list[U8]]:
    """Render a clip: straight foreground (h, w, 3) and alpha (h, w) of each frame, uint8."""
    painter = Painter(draw_figure(clip.seed, clip.split, clip.number), clip.width, clip.height)
    fgrs, phas = [], []
    for number in range(clip.frames):
        fgr, pha = painter.frame(number / RATE, SHUTTER)
        fgrs.append(to_bytes(fgr))
        phas.append(to_bytes(pha))
    return fgrs, phas


def write_part(clip: Clip, folder: Path) -> None:
    """Render a clip into ``folder/fgr.mp4`` and ``folder/pha.mp4``."""
    fgrs, phas = render_clip(clip)
    write_clip(folder / "fgr.mp4", map(colour_planes, fgrs), RATE, FGR_QUALITY)
    write_clip(folder / "pha.mp4", map(grey_planes, phas), RATE, PHA_QUALITY)


def write_videomatte(root: Path, params: SampleParams, workers: int) -> None:
    """Write ``root/{train,test}/{fgr,pha}/NNNN.mp4`` as the official release lays them out.

    Finished clips lie in ``matte-parts`` beside ``root``, so that a killed run goes on.
    Raises ValueError where the height is odd, and PartError naming the clip that could not be made.
    """
    if params.height % 2:
        raise ValueError(f"sample.height: {params.height} is odd; 4:2:0 video needs an even number")
    clips = {
        f"{split}-{number:04d}": Clip(params.seed, split, number, params.frames, params.height)
        for split, count in (("train", params.train_clips), ("test", params.test_clips))
        for number in range(count)
    }
    parts = root.parent / "matte-parts"
    folders = run_parts(clips, write_part, parts, "sample: mattes", workers)
    for clip, folder in zip(clips.values(), folders, strict=True):
        for layer in ("fgr", "pha"):
            target = root / clip.split / layer / f"{clip.number:04d}.mp4"
            link(folder / f"{layer}.mp4", target)
