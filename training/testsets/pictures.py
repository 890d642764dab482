"""Test sets of pictures that lie ready: folders ``src, bgr, pha[, fgr]``, and Robust Video Matting's layout.

What cannot be paired is named with its reason, and never left out silently.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from compositing.calibration.captured import SUFFIXES, find_pairs
from compositing.codec import Image, decode_rgb_layer
from compositing.shards.reader import Sample
from training.testsets.testset import CAPTURED, Unusable


class Member(NamedTuple):
    """One sample: its files, relative to the root."""

    name: str
    """As tables and errors name it."""
    clip: str
    frame: int | None
    """Number in the clip; None where that is not known."""
    src: str
    bgr: str
    pha: str
    fgr: str | None
    follows: bool
    """Whether it is the next frame after the member before it."""


class PictureSet:
    """Samples whose pictures lie in a folder. Picklable."""

    def __init__(self, name: str, root: Path, members: Sequence[Member], unusable: Sequence[Unusable]) -> None:
        """Raise ValueError where there is no sample, with the first reasons."""
        if not members:
            reasons = "; ".join(f"{each.name}: {each.reason}" for each in unusable[:3]) or "it holds no pictures"
            raise ValueError(f"test set '{name}': no sample in {root}: {reasons}")
        self.name, self.unusable = name, tuple(unusable)
        self._root, self._members = root, tuple(members)

    def __len__(self) -> int:
        return len(self._members)

    def follows(self, position: int) -> bool:
        """Whether the sample is the next frame of the clip."""
        return self._members[position].follows

    def read(self, position: int) -> Sample:
        """Read a sample; ``fgr`` is the source where the true foreground is not known.

        Raises ValueError naming the file that cannot be read, or the sizes that differ.
        """
        member = self._members[position]
        src, bgr = (self._picture(path) for path in (member.src, member.bgr))
        fgr = src if member.fgr is None else self._picture(member.fgr)
        pha = read_alpha(self._root / member.pha)
        sizes = {"src": src, "bgr": bgr, "pha": pha, "fgr": fgr}
        if len({image.shape[:2] for image in sizes.values()}) > 1:
            words = ", ".join(f"{layer} {image.shape[1]}x{image.shape[0]}" for layer, image in sizes.items())
            raise ValueError(f"{member.name}: sizes differ: {words}; bring them to one size")
        recipe = {
            "composite_id": f"{self.name}/{member.name}",
            "ordinal": position,
            "strength": CAPTURED,
            "clip": member.clip,
            "frame": member.frame,
            "fgr_known": member.fgr is not None,
        }
        return Sample(src, bgr, fgr, pha, recipe)

    def _picture(self, path: str) -> Image:
        file = self._root / path
        try:
            return decode_rgb_layer(file.read_bytes())
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error


def read_alpha(file: Path) -> Image:
    """Read alpha as grey levels, (H, W) uint8; 16-bit files are rounded.

    Raises ValueError naming the file where it is unreadable, coloured, or has an alpha channel of its own.
    """
    image = read_raw(file)
    if image is None:
        raise ValueError(f"{file} is not a readable picture")
    if image.ndim == 3 and image.shape[2] == 4:
        raise ValueError(f"{file} has an alpha channel of its own; expected alpha as grey levels")
    if image.ndim == 3:
        spread = image.max(axis=2).astype(np.float64) - image.min(axis=2)
        # JPEG of grey levels may differ by a level or two.
        if spread.mean() > 4 * (image.dtype.itemsize**2):
            raise ValueError(f"{file} is a colour picture, not alpha; are fgr and pha swapped?")
        image = image[..., 1]
    return to_bytes(image)


def read_raw(file: Path) -> np.ndarray | None:
    """Read a picture with all its channels and bits; None where it is none, or of more pixels than any camera makes."""
    try:
        return cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def to_bytes(image: np.ndarray) -> Image:
    """Round an 8- or 16-bit picture to 8 bits. Raises ValueError for other types."""
    if image.dtype == np.uint16:
        return np.asarray(np.rint(image / 257), dtype=np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f"a picture of {image.dtype}; expected 8 or 16 bits a channel")
    return np.ascontiguousarray(image)


def pictures_of(folder: Path) -> dict[str, str]:
    """Names of the pictures directly in a folder by stem. Raises ValueError for two of one stem."""
    found: dict[str, str] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.suffix.lower() in SUFFIXES:
            if file.stem in found:
                raise ValueError(f"{folder} holds two pictures '{file.stem}'; remove one")
            found[file.stem] = file.name
    return found


def open_folder(name: str, root: Path) -> PictureSet:
    """Open ``src/``, ``bgr/``, ``pha/`` and perhaps ``fgr/`` with pictures of the same name.

    A plate may serve many sources (``compositing.calibration.captured``): those count as one clip, and as consecutive
    frames where their numbers are. A source with a plate of its own is a clip of its own. Raises FileNotFoundError or
    ValueError naming the folder that is missing or empty.
    """
    pha, fgr = pictures_of(root / "pha"), pictures_of(root / "fgr")
    if not pha:
        raise ValueError(f"test set '{name}': {root / 'pha'} holds no pictures ({', '.join(SUFFIXES)})")
    members: list[Member] = []
    unusable = []
    pairs = find_pairs(root / "src", root / "bgr")
    for pair in pairs:
        key = pair.src.stem
        if pair.bgr is None:
            unusable.append(Unusable(f"src/{pair.src.name}", pair.reason))
        elif key not in pha:
            unusable.append(Unusable(f"src/{pair.src.name}", f"no alpha: pha/ holds no picture '{key}'"))
        else:
            clip, frame = pair.bgr.stem, _number(key)
            last = members[-1] if members else None
            follows = last is not None and last.clip == clip and frame is not None and last.frame == frame - 1
            truth = f"fgr/{fgr[key]}" if key in fgr else None
            member = Member(
                key, clip, frame, f"src/{pair.src.name}", f"bgr/{pair.bgr.name}", f"pha/{pha[key]}", truth, follows
            )
            members.append(member)
    sources = {pair.src.stem for pair in pairs}
    for layer, there in (("pha", pha), ("fgr", fgr)):
        unusable += [
            Unusable(f"{layer}/{file}", "no source: src/ holds no picture of that name")
            for key, file in there.items()
            if key not in sources
        ]
    return PictureSet(name, root, members, unusable)


def open_rvm(name: str, root: Path) -> PictureSet:
    """Open Robust Video Matting's evaluation layout: ``com/CLIP/FRAME``, ``pha/CLIP/FRAME`` and ``fgr/CLIP/FRAME``.

    Captured backgrounds, which that layout leaves out, are ``bgr/CLIP/FRAME``, one picture in ``bgr/CLIP/``, or
    ``bgr/CLIP.*``. Raises ValueError where no sample is whole, with the first reasons.
    """
    members: list[Member] = []
    unusable: list[Unusable] = []
    folders = {layer: _clips(root / layer) for layer in ("com", "pha")}
    for clip in sorted(folders["com"] | folders["pha"]):
        for problem in _clip(root, clip, members):
            unusable.append(problem)
    return PictureSet(name, root, members, unusable)


def _clips(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir() if each.is_dir()} if folder.is_dir() else set()


def _clip(root: Path, clip: str, members: list[Member]) -> Iterator[Unusable]:
    com, pha, fgr, bgr = (pictures_of(root / layer / clip) for layer in ("com", "pha", "fgr", "bgr"))
    single = pictures_of(root / "bgr").get(clip)
    plate = f"bgr/{single}" if single else f"bgr/{clip}/{next(iter(bgr.values()))}" if len(bgr) == 1 else None
    if plate is None and not bgr:
        yield Unusable(f"com/{clip}", f"no captured background: expected bgr/{clip}/ or a picture bgr/{clip}.png")
        return
    before = None
    for place, key in enumerate(sorted(com.keys() | pha.keys())):
        missing = [layer for layer, there in (("com", com), ("pha", pha)) if key not in there]
        if plate is None and key not in bgr:
            missing.append("bgr")
        if missing:
            yield Unusable(f"{clip}/{key}", f"missing in {' and '.join(missing)}")
            continue
        behind = plate or f"bgr/{clip}/{bgr[key]}"
        truth = f"fgr/{clip}/{fgr[key]}" if key in fgr else None
        name, follows = f"{clip}/{key}", before == place - 1
        src, alpha = f"com/{clip}/{com[key]}", f"pha/{clip}/{pha[key]}"
        members.append(Member(name, clip, place, src, behind, alpha, truth, follows))
        before = place


def _number(stem: str) -> int | None:
    digits = re.findall(r"\d+", stem)
    return int(digits[-1]) if digits else None
