"""Clips as they are: every frame upright with its own time, and the packets of sound between them."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

import av
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet as AnyPacket
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from compositing.mattes.videofile import open_video
from curation.images import MOST_MEGAPIXELS, decode_rgb

Bytes = NDArray[np.uint8]
Packet: TypeAlias = "AnyPacket[Any]"
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".ogv")
UNSPECIFIED = 2
"""FFmpeg's number for a colour matrix that the file does not name."""
HD_HEIGHT = 720
"""From this height on, a file that does not say is BT.709, below BT.601: what players take it for."""


class Frame(NamedTuple):
    """One picture of a clip."""

    image: Bytes
    """(H, W, 3) RGB uint8, upright."""
    pts: int
    """When it is shown, in the clip's time base."""
    duration: int
    """For how long, 0 where the file does not say."""


class Clip:
    """A video file that is read once, in order. Close it, or use it in a ``with``."""

    def __init__(self, path: Path) -> None:
        """Open a file. Raises ValueError where it holds no video that can be read."""
        self.path = path
        try:
            self._container, self._video = open_video(path)
        except (OSError, av.FFmpegError, ValueError) as error:
            raise ValueError(f"{path} cannot be read as a video: {error}") from error
        self._video.thread_type = "AUTO"
        self.audio: tuple[AudioStream, ...] = tuple(self._container.streams.audio)
        self.rate = Fraction(self._video.average_rate or self._video.guessed_rate or 25)
        self.time_base = Fraction(self._video.time_base or 1 / self.rate)
        self.aspect = self._video.sample_aspect_ratio
        self.length = self._seconds()
        """Seconds that the file says it takes; 0 where it does not."""
        self.frames = int(self._video.frames) or round(self.length * float(self.rate))
        """How many frames there probably are: counted by the file or from its length; 0 where nothing says."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self._container.close()

    def seconds(self, pts: int) -> float:
        """A frame's time in seconds."""
        return float(pts * self.time_base)

    def read(self, sound: bool = False) -> "Iterator[Frame | Packet]":
        """Every frame in order; with ``sound`` the packets of sound among them, where the file has them.

        A frame whose time is missing or not later than the last one's is put right after that. Raises ValueError
        where decoding fails.
        """
        last: int | None = None
        wanted = [self._video, *(self.audio if sound else ())]
        try:
            for packet in self._container.demux(wanted):
                if packet.stream.type == "audio":
                    if packet.size:
                        yield packet
                    continue
                for frame in packet.decode():
                    assert isinstance(frame, VideoFrame)
                    pts = frame.pts
                    if pts is None:
                        pts = 0 if last is None else last + max(1, round(1 / self.rate / self.time_base))
                    last = pts if last is None else max(pts, last + 1)
                    yield Frame(upright(frame), last, int(frame.duration or 0))
        except av.FFmpegError as error:
            raise ValueError(f"{self.path} cannot be decoded at {self._at(last)}: {error}") from error

    def keyframes(self, count: int) -> list[Bytes]:
        """Up to ``count`` keyframes spread over the clip, found by seeking; fewer where there are fewer."""
        length = self.length
        found: dict[int, Bytes] = {}
        try:
            for place in range(count if length else 0):
                when = int(length * place / count / self.time_base) + int(self._video.start_time or 0)
                self._container.seek(when, stream=self._video)
                frame = next(self._container.decode(self._video), None)
                if isinstance(frame, VideoFrame) and frame.pts is not None and frame.pts not in found:
                    found[frame.pts] = upright(frame)
        except av.FFmpegError:
            pass  # a file that cannot be sought is read in order instead
        return list(found.values())

    def _seconds(self) -> float:
        if self._video.duration:
            return float(self._video.duration * self.time_base)
        return float(self._container.duration or 0) / 1e6

    def _at(self, pts: int | None) -> str:
        return "its start" if pts is None else f"{self.seconds(pts):.2f} s"


def upright(frame: VideoFrame) -> Bytes:
    """Pixels of a decoded frame, (H, W, 3) RGB uint8: its colour matrix heeded, turned as the camera was held."""
    guess: dict[str, Any] = {}
    if int(frame.colorspace) == UNSPECIFIED and not frame.format.is_rgb:
        guess["src_colorspace"] = Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601
    image = np.asarray(frame.reformat(format="rgb24", **guess).to_ndarray(), np.uint8)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def is_video(path: Path) -> bool:
    """Whether a file's name says that it is a clip."""
    return path.suffix.lower() in VIDEOS


def read_picture(path: Path) -> Bytes:
    """A photograph, (H, W, 3) RGB uint8. Raises ValueError naming a file that is none."""
    try:
        return decode_rgb(path.read_bytes(), MOST_MEGAPIXELS)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def spread(path: Path, count: int) -> list[Bytes]:
    """Up to ``count`` frames spread evenly over a clip, at least half as many where it has them.

    Keyframes, where there are enough; else the whole clip is decoded. Raises ValueError where there are no frames.
    """
    with Clip(path) as clip:
        found = clip.keyframes(count)
    if len(found) >= (count + 1) // 2:
        return found
    kept: list[Bytes] = []
    stride = 1
    with Clip(path) as clip:
        for number, frame in enumerate(clip.read()):
            assert isinstance(frame, Frame)
            if number % stride == 0:
                kept.append(frame.image)
            if len(kept) > count:  # an even spread, whose length need not be known
                kept, stride = kept[::2], 2 * stride
    if not kept:
        raise ValueError(f"{path} holds no frames")
    return kept
