"""A clip frame by frame through the predictor into a file; reading, matting and writing overlap."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.matting.backdrops import Backdrop
from pipelines.matting.overlap import Ahead, Behind
from pipelines.matting.reading import Clip, Frame
from pipelines.matting.writing import open_writer
from pipelines.progress import Progress
from training.devices.interrupt import Interrupt
from training.predictor import Matte, MattingPredictor
from training.realtime.finish import Finish, Finisher
from training.realtime.layers import linear_rgba, premultiply, rgba

Bytes = NDArray[np.uint8]
ROUNDED = 0.05
"""Share of a clip's length; by less, pictures may end before it in a whole file."""
What = Literal["composite", "rgba", "alpha", "foreground"]


@dataclass(frozen=True)
class Wanted:
    """What is to come out."""

    what: What
    premultiplied: bool | None = None
    """Colours times alpha; None: as the format is used to, which is straight but for EXR."""
    still: Literal[".png", ".exr"] = ".png"
    """Ending of pictures in a folder."""
    finish: Finish = field(default_factory=Finish)
    limit: int | None = None
    """Frames after which to stop; None: all."""


class Done(NamedTuple):
    """What became of a clip."""

    frames: int
    stopped: bool
    """Whether somebody asked to stop before its end."""
    trouble: str | None
    """Why it could not be read to its end; None: it could."""
    early: float = 0.0
    """Seconds by which the pictures end before the length that the file states; 0 where they are few (``ROUNDED``)."""


def matte_clip(src: Path, out: Path, predictor: MattingPredictor, wanted: Wanted, backdrop: Backdrop | None) -> Done:
    """Matte every frame of a clip into a file or folder, each at its own time, sound kept.

    Asked to stop, or where the clip breaks off, what is done is closed into a whole file. Raises ValueError where the
    output cannot hold what is wanted, and what writing raises.
    """
    finisher = Finisher(wanted.finish)
    count, trouble, start, seconds = 0, None, None, 0.0
    linear = not out.suffix and wanted.still == ".exr"
    with Clip(src) as clip, Interrupt() as stop:
        total = min(clip.frames or 0, wanted.limit or clip.frames or 0)
        with (
            open_writer(out, wanted.still, clip, wanted.what == "rgba") as writer,
            Progress("matte", total) as progress,
            Behind() as behind,
            Ahead(clip.read(sound=bool(out.suffix))) as items,
        ):
            try:
                for item in items:
                    if stop.asked or (wanted.limit is not None and count >= wanted.limit):
                        break
                    if not isinstance(item, Frame):
                        behind.do(partial(writer.sound, item))
                        continue
                    start = item.pts if start is None else start
                    seconds = clip.seconds(item.pts - start)
                    scene = None if backdrop is None else partial(backdrop, seconds)
                    image = picture(item.image, predictor, finisher, wanted, scene, linear)
                    behind.do(partial(writer.picture, image, item.pts, item.duration))
                    count += 1
                    progress.advance()
            except ValueError as error:
                if not count or error is behind.error:
                    raise
                trouble = str(error)
        early = clip.length - seconds
        whole = not stop.asked and trouble is None and wanted.limit is None
    return Done(count, stop.asked, trouble, early if whole and early > ROUNDED * clip.length + 1 / clip.rate else 0.0)


def picture(
    frame: Bytes,
    predictor: MattingPredictor,
    finisher: Finisher,
    wanted: Wanted,
    behind: Callable[[], Bytes] | None,
    linear: bool = False,
) -> NDArray[Any]:
    """What is wanted of one frame, (H, W, 3) RGB uint8: uint8, or for ``linear`` float32 with alpha.

    Raises ValueError where a composite is wanted and there is nothing ``behind``.
    """
    matte = predictor.predict(frame)
    alpha, foreground = finisher(frame, matte.alpha, matte.foreground)
    if linear:
        return linear_rgba(foreground, alpha, wanted.premultiplied is not False)
    match wanted.what:
        case "alpha":
            return alpha
        case "foreground":
            return premultiply(foreground, alpha) if wanted.premultiplied else foreground
        case "rgba":
            return rgba(foreground, alpha, bool(wanted.premultiplied))
    if behind is None:
        raise ValueError("a composite needs something behind the person; say what with --over")
    return predictor.composite(Matte(alpha, foreground), behind())
