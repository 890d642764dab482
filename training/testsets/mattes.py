"""Mattes in the layouts of the field -> clips that the ``mattes`` stage's code can store.

- ``rgba``: pictures with an alpha channel, nested or not (PhotoMatte85). Each is a clip of one frame.
- ``fg-alpha``: ``fg/`` and ``alpha/`` with pictures of the same name (Adobe Image Matting, Distinctions-646).
- ``videomatte``: VideoMatte240K; of a root with ``test/``, those clips alone.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from compositing.codec import encode_png
from compositing.mattes.videomatte import Clip, Layer, find_clips
from curation.sources import locator_of
from curation.storage import open_store
from curation.storage.local import LocalStore
from training.testsets.pictures import pictures_of, read_raw, to_bytes
from training.testsets.testset import Unusable

FOREGROUNDS, ALPHAS = ("fg", "FG", "fgr"), ("alpha", "GT", "pha", "mask")
ENDINGS = (".png", ".tif", ".tiff", ".webp")
"""Formats that hold an alpha channel."""


class Mattes(NamedTuple):
    """The mattes of a folder."""

    root: Path
    """What the clips' paths are relative to."""
    clips: list[Clip]
    """Sorted by name."""
    unusable: list[Unusable]


def find_mattes(layout: str, root: Path, scratch: Path, frames: int) -> Mattes:
    """Find the mattes of a folder; of a clip of pictures its first ``frames``.

    ``scratch``: an empty folder, which takes the layers of RGBA pictures. Raises FileNotFoundError or ValueError where
    the folder holds none.
    """
    if layout == "rgba":
        return _split(root, scratch)
    if layout == "fg-alpha":
        return _paired(root)
    found = find_clips(open_store(root)).clips
    chosen = [clip for clip in found if clip.folder == "test"] or list(found)
    return Mattes(root, [_shortened(clip, frames) for clip in chosen], [])


def _shortened(clip: Clip, frames: int) -> Clip:
    return Clip(clip.name, clip.folder, *(_first(layer, frames) for layer in (clip.fgr, clip.pha)))


def _first(layer: Layer | None, frames: int) -> Layer | None:
    return layer and Layer(layer.path, layer.frames[:frames], layer.problem)


def _split(root: Path, scratch: Path) -> Mattes:
    clips: list[Clip] = []
    unusable: list[Unusable] = []
    for path in sorted(entry.path for entry in LocalStore(root).list()):
        if not path.lower().endswith(ENDINGS):
            unusable.append(Unusable(path, f"not a picture with an alpha channel ({', '.join(ENDINGS)})"))
            continue
        image = read_raw(root / path)
        if image is None or image.ndim != 3 or image.shape[2] != 4:
            what = "not a readable picture" if image is None else "no alpha channel"
            unusable.append(Unusable(path, f"{what}; expected RGBA"))
            continue
        image = to_bytes(image)
        key = f"{len(clips):06d}"
        for layer in ("fgr", "pha"):
            (scratch / layer).mkdir(parents=True, exist_ok=True)
        # Level 1, and in colour: PNG of the codec is for grey alone.
        cv2.imwrite(str(scratch / "fgr" / f"{key}.png"), image[..., :3], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        (scratch / "pha" / f"{key}.png").write_bytes(encode_png(np.ascontiguousarray(image[..., 3])))
        clips.append(_single(locator_of(path.rsplit(".", 1)[0]), f"fgr/{key}.png", f"pha/{key}.png"))
    return Mattes(scratch, clips, unusable)


def _paired(root: Path) -> Mattes:
    colours, alphas = (_side(root, names) for names in (FOREGROUNDS, ALPHAS))
    clips = [_single(key, colours[key], alphas[key]) for key in sorted(colours.keys() & alphas.keys())]
    unusable = [
        Unusable(side[key], f"no {other} of that name beside it")
        for side, others, other in ((colours, alphas, "alpha"), (alphas, colours, "foreground"))
        for key in sorted(side.keys() - others.keys())
    ]
    return Mattes(root, clips, unusable)


def _side(root: Path, names: tuple[str, ...]) -> dict[str, str]:
    for name in names:
        found = pictures_of(root / name)
        if found:
            return {key: f"{name}/{file}" for key, file in found.items()}
    raise ValueError(
        f"{root} has no pictures in {', '.join(f'{name}/' for name in names)}; expected one of these folders"
    )


def _single(name: str, fgr: str, pha: str) -> Clip:
    return Clip(name, "", Layer(fgr, (fgr,)), Layer(pha, (pha,)))


def problems(clips: list[Clip]) -> Iterator[Unusable]:
    """The clips that have one side only, or one that cannot be used."""
    for clip in clips:
        if not clip.paired:
            side = "fgr" if clip.fgr is None or clip.fgr.problem else "pha"
            layer = getattr(clip, side)
            yield Unusable(clip.name, f"{side}: {layer.problem if layer else 'missing'}")
