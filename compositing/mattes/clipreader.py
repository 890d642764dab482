"""Decodes a clip once, in order, ``fgr`` and ``pha`` in lockstep."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import av
import numpy as np
from av.video.frame import VideoFrame

from compositing.codec import Image
from compositing.mattes.levels import Alpha, luma_to_alpha
from compositing.mattes.videofile import open_video
from compositing.mattes.videomatte import Clip, Layer
from curation.images import MOST_MEGAPIXELS, decode_rgb, max_bytes
from curation.storage import OversizeError, Store

FULL_RANGE = 2  # AVCOL_RANGE_JPEG
LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
PLANAR_LUMA = ("yuv4", "yuva4", "yuvj4", "gray", "nv12", "nv16", "nv21")
COLOURED = 4.0
"""Mean difference between channels, 0 to 255, above which a ``pha`` frame is no matte."""


class ClipError(ValueError):
    """A whole clip cannot be read; the text is its rows' status."""


class FrameError(ValueError):
    """One frame cannot be read; the text is its row's status."""


@dataclass(frozen=True)
class Pair:
    """A frame of a clip: both layers, or the problem."""

    number: int
    """Frame number in the clip: the name of a frame's file where that is a number, else its position from 0."""
    time: float | None
    """Seconds from the clip's start; None for folders of frames."""
    fgr: Image | None = None
    """(H, W, 3) uint8 RGB."""
    pha: Alpha | None = None
    """(H, W) uint8."""
    problem: str | None = None
    """Why there are none."""
    jpeg: str | None = None
    """Path of the foreground's own file where that is a JPEG."""


def read_clip(store: Store, clip: Clip, every: int = 1) -> Iterator[Pair]:
    """Yield each ``every``-th frame of a clip; one that cannot be used comes with its problem.

    Raises ClipError where the clip as a whole cannot be read: a side missing or unreadable.
    """
    sides: list[Layer] = []
    for name, layer in (("fgr", clip.fgr), ("pha", clip.pha)):
        if layer is None:
            raise ClipError(f"{name}: missing; the other side of {clip.name} has no {name} beside it")
        if layer.problem is not None:
            raise ClipError(f"{name}: {layer.problem}")
        sides.append(layer)
    fgr, pha = sides
    if bool(fgr.frames) != bool(pha.frames):
        raise ClipError(f"pha: {pha.path} and {fgr.path} must both be videos or both folders of frames")
    yield from (_read_folders if fgr.frames else _read_videos)(store, fgr, pha, every)


def _checked(
    number: int, time: float | None, fgr: Callable[[], Image], pha: Callable[[], Alpha], jpeg: str | None = None
) -> Pair:
    try:
        image, alpha = fgr(), pha()
    except FrameError as error:
        return Pair(number, time, problem=str(error))
    if image.shape[:2] != alpha.shape:
        sizes = f"fgr is {image.shape[1]}x{image.shape[0]}, pha {alpha.shape[1]}x{alpha.shape[0]}"
        return Pair(number, time, problem=f"size: {sizes}")
    return Pair(number, time, image, alpha, jpeg=jpeg)


def _read_folders(store: Store, fgr: Layer, pha: Layer, every: int) -> Iterator[Pair]:
    colours, alphas = _by_stem("fgr", fgr), _by_stem("pha", pha)
    stems = sorted(colours.keys() | alphas.keys())
    numbered = all(stem.isascii() and stem.isdigit() for stem in stems)
    if numbered:
        stems.sort(key=int)
        numbered = len({int(stem) for stem in stems}) == len(stems)
    for position, stem in list(enumerate(stems))[::every]:
        number = int(stem) if numbered else position
        colour, alpha = colours.get(stem), alphas.get(stem)
        if colour is None or alpha is None:
            name, path, other = ("fgr", fgr.path, alpha) if colour is None else ("pha", pha.path, colour)
            yield Pair(number, None, problem=f"{name}: frame '{stem}' is missing in {path}, beside {other}")
            continue
        jpeg = colour if colour.lower().endswith((".jpg", ".jpeg")) else None
        yield _checked(number, None, partial(_image, store, colour), partial(_matte, store, alpha), jpeg)


def _by_stem(name: str, layer: Layer) -> dict[str, str]:
    stems: dict[str, str] = {}
    for path in layer.frames:
        stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        if stem in stems:
            raise ClipError(f"{name}: {stems[stem]} and {path} are the same frame; keep one")
        stems[stem] = path
    return stems


def _read_image(store: Store, name: str, path: str) -> Image:
    try:
        return decode_rgb(store.read(path, most=max_bytes(MOST_MEGAPIXELS)), MOST_MEGAPIXELS)
    except OversizeError as error:
        raise FrameError(f"{name}: {path}: too large: {error}") from error
    except (OSError, ValueError) as error:
        raise FrameError(f"{name}: {path}: {error}") from error


def _image(store: Store, path: str) -> Image:
    return _read_image(store, "fgr", path)


def _matte(store: Store, path: str) -> Alpha:
    image = _read_image(store, "pha", path)
    middle = image[..., 1]
    if any(float(np.abs(image[..., c].astype(np.int16) - middle).mean()) > COLOURED for c in (0, 2)):
        raise FrameError(f"pha: {path} is a colour image, not a matte; are fgr and pha swapped?")
    return np.ascontiguousarray(middle)


class _Video:
    """One side of a video clip, decoded in order; remembers why it ended."""

    def __init__(self, store: Store, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self.end: str | None = None
        """Why there are no more frames, once there are none."""
        self.failed = False
        self.count = 0
        self._file = store.open(path)
        try:
            self._container, self._stream = open_video(self._file)
        except (av.FFmpegError, ValueError) as error:
            self._file.close()
            raise ClipError(f"{name}: {path} cannot be read: {error}") from error
        self._frames: Iterator[VideoFrame] = self._container.decode(self._stream)
        self._start: float | None = None

    def next(self) -> VideoFrame | None:
        if self.end is not None:
            return None
        try:
            frame = next(self._frames, None)
        except av.FFmpegError as error:
            self.failed = True
            self.end = f"{self.name}: {self.path} fails after {self.count} frames: {error}"
            return None
        if frame is not None:
            self.count += 1
            return frame
        self.end = f"{self.name}: {self.path} ends after {self.count} frames"
        if self._stream.frames > self.count:  # what the container announced; 0 where it does not say
            self.failed = True
            self.end += f", its header announces {self._stream.frames}"
        return None

    def time(self, frame: VideoFrame, number: int) -> float | None:
        seconds = frame.time
        if seconds is None:
            rate = self._stream.average_rate
            return number / float(rate) if rate else None
        if self._start is None:
            self._start = seconds
        return seconds - self._start

    def image(self, frame: VideoFrame) -> Image:
        self._check(frame)
        return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)

    def matte(self, frame: VideoFrame) -> Alpha:
        self._check(frame)
        return alpha_of(frame)

    def _check(self, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            raise FrameError(f"{self.name}: the decoder calls a frame of {self.path} corrupt")

    def close(self) -> None:
        self._container.close()
        self._file.close()


def _read_videos(store: Store, fgr: Layer, pha: Layer, every: int) -> Iterator[Pair]:
    colours = _open(store, "fgr", fgr.path)
    try:
        alphas = _open(store, "pha", pha.path)
        try:
            yield from _lockstep(colours, alphas, every)
        finally:
            alphas.close()
    finally:
        colours.close()


def _open(store: Store, name: str, path: str) -> _Video:
    try:
        return _Video(store, name, path)
    except OSError as error:
        raise ClipError(f"{name}: {path} cannot be read: {error}") from error


def _lockstep(colours: _Video, alphas: _Video, every: int) -> Iterator[Pair]:
    number, told = 0, False
    while True:
        colour, alpha = colours.next(), alphas.next()
        if colour is None and alpha is None:
            break
        time = colours.time(colour, number) if colour is not None else None
        if number % every == 0:
            if colour is None or alpha is None:
                told = True
                yield Pair(number, time, problem=colours.end if colour is None else alphas.end)
            else:
                yield _checked(number, time, partial(colours.image, colour), partial(alphas.matte, alpha))
        number += 1
    if number == 0:
        raise ClipError(f"{colours.end}; {alphas.end}")
    short = [str(side.end) for side in (colours, alphas) if side.failed or side.count < number]
    if short and not told:  # both were cut at one place, or the difference falls between the kept frames
        yield Pair(number, None, problem="; ".join(short))


def alpha_of(frame: VideoFrame) -> Alpha:
    """Take the alpha out of a frame of a ``pha`` video: its luma plane as (H, W) uint8, 0 to 255.

    Limited range unless the frame is tagged full; grey and RGB frames are full range unless tagged limited.
    """
    kind = frame.format
    if kind.is_rgb:
        return np.ascontiguousarray(frame.to_ndarray(format="rgb24")[..., 1])
    if not kind.name.startswith(PLANAR_LUMA):
        frame = frame.reformat(format="yuv444p")  # packed luma: spread it into planes of its own
    grey = kind.name.startswith("gray")
    full = frame.color_range == FULL_RANGE or "yuvj" in kind.name or (grey and frame.color_range != LIMITED_RANGE)
    bits = frame.format.components[0].bits
    kind_of_sample = np.uint8 if bits == 8 else ">u2" if frame.format.name.endswith("be") else "<u2"
    plane = frame.planes[0]
    samples = np.frombuffer(bytes(plane), kind_of_sample)
    rows = samples.reshape(-1, plane.line_size // samples.itemsize)[: frame.height, : frame.width]
    return luma_to_alpha(rows, bits, full)
