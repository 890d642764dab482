"""Mattes as files that other programs take: videos with and without alpha, and numbered pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from curation.storage import writing
from pipelines.matting.reading import Packet

BT709 = 1
"""FFmpeg's number for BT.709 as matrix, primaries and transfer curve."""
SRGB = 13
RGB_MATRIX = 0
STILLS = (".png", ".exr")


class Codec(NamedTuple):
    """How a kind of file is encoded."""

    container: str
    name: str
    opaque: str
    """Pixel format without alpha."""
    alpha: str | None
    """Pixel format with alpha; None: it has none."""
    options: dict[str, str]
    sound: str
    """What sound becomes that the container does not take as it is."""
    words: str


CODECS = {
    ".mp4": Codec("mp4", "libx264", "yuv420p", None, {"crf": "17", "preset": "medium"}, "aac", "H.264"),
    ".mov": Codec("mov", "prores_ks", "yuv444p10le", "yuva444p10le",
                  {"profile": "4444", "vendor": "apl0"}, "aac", "ProRes 4444"),
    ".webm": Codec("webm", "libvpx-vp9", "yuv420p", "yuva420p",
                   {"crf": "18", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}, "libopus", "VP9"),
    ".mkv": Codec("matroska", "ffv1", "bgr0", "bgra", {"level": "3", "slicecrc": "1"}, "flac", "FFV1, lossless"),
}  # fmt: skip


class Timing(Protocol):
    """What a file is timed by: a :class:`~pipelines.matting.reading.Clip`, or what stands in for one."""

    rate: Fraction
    """Frames a second."""
    time_base: Fraction
    """A tick in seconds."""
    aspect: Fraction | None
    """Of a pixel, width to height."""
    audio: tuple[AudioStream, ...]

    def seconds(self, pts: int) -> float:
        """A frame's time in seconds."""


class Writer(Protocol):
    """Where finished pictures go."""

    def picture(self, image: NDArray[Any], pts: int, duration: int) -> None:
        """Take the next picture: (H, W), (H, W, 3) or (H, W, 4), uint8 or, for EXR, float32."""

    def sound(self, packet: Packet) -> None:
        """Take a packet of sound."""


class VideoWriter:
    """A video file; :func:`open_writer` makes and closes it."""

    def __init__(self, path: Path, codec: Codec, clip: Timing, alpha: bool) -> None:
        self._clip, self._codec, self._alpha = clip, codec, alpha
        # Sound often starts a little before 0, where its decoder warms up; Matroska would move the pictures for it.
        self._container = av.open(
            str(path), "w", format=codec.container, container_options={"avoid_negative_ts": "disabled"}
        )
        self._video: Any = None
        self._sound: dict[int, Any] = {}
        self._copied: set[int] = set()
        self._waiting: list[Packet] = []

    def _start(self, height: int, width: int) -> None:
        codec = self._codec
        stream: Any = self._container.add_stream(codec.name, rate=self._clip.rate, options=codec.options)
        form = codec.alpha if self._alpha and codec.alpha else codec.opaque
        if form == "yuv420p" and (width % 2 or height % 2):
            form = "yuv444p"  # H.264 halves colour only where sides are even
        stream.width, stream.height, stream.pix_fmt = width, height, form
        stream.time_base = stream.codec_context.time_base = self._clip.time_base
        if self._clip.aspect:
            stream.codec_context.sample_aspect_ratio = self._clip.aspect
        context, plain = stream.codec_context, form.startswith("bgr")
        context.color_range = ColorRange.JPEG if plain else ColorRange.MPEG
        context.colorspace = RGB_MATRIX if plain else Colorspace.ITU709
        context.color_primaries, context.color_trc = BT709, SRGB if plain else BT709
        self._video, self._format = stream, form
        for source in self._clip.audio:
            self._sound[source.index] = self._sounding(source)

    def _sounding(self, source: AudioStream) -> Any:
        if source.codec_context.name in self._container.supported_codecs:
            self._copied.add(source.index)
            return self._container.add_stream_from_template(source)
        rate = 48_000 if self._codec.sound == "libopus" else source.codec_context.sample_rate
        stream: Any = self._container.add_stream(self._codec.sound, rate=rate)
        stream.layout = source.codec_context.layout
        return stream

    def picture(self, image: NDArray[Any], pts: int, duration: int) -> None:
        """Encode the next picture, shown at ``pts`` of the clip's time base."""
        if image.ndim == 2:
            image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        if self._video is None:
            self._start(*image.shape[:2])
            for packet in self._waiting:
                self.sound(packet)
        raw = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgba" if image.shape[2] == 4 else "rgb24")
        if self._format.startswith("bgr"):
            frame = raw.reformat(format=self._format)
        else:
            frame = raw.reformat(format=self._format, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        frame.pts, frame.time_base = pts, self._clip.time_base
        if duration:
            frame.duration = duration
        self._container.mux(self._video.encode(frame))

    def sound(self, packet: Packet) -> None:
        """Pass a packet of sound on, as it is where the container takes it."""
        index = packet.stream.index
        if self._video is None:  # the file's header waits for the first picture
            self._waiting.append(packet)
            return
        stream = self._sound[index]
        if index in self._copied:
            packet.stream = stream
            self._container.mux(packet)
        else:
            for frame in packet.decode():
                self._container.mux(stream.encode(frame))

    def close(self) -> None:
        """Write what the encoders still hold, and the index that makes the file playable."""
        if self._video is not None:
            self._container.mux(self._video.encode(None))
            for index, stream in self._sound.items():
                if index not in self._copied:
                    self._container.mux(stream.encode(None))
        self._container.close()


class PictureWriter:
    """A folder of numbered pictures, with their times beside them."""

    def __init__(self, folder: Path, suffix: str, clip: Timing) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob(f"frame_*{suffix}")):
            raise ValueError(f"{folder} already holds pictures; empty it or name another folder")
        self._folder, self._suffix, self._clip = folder, suffix, clip
        self._times = ["file,seconds\n"]

    def picture(self, image: NDArray[Any], pts: int, duration: int) -> None:
        """Write the next picture."""
        name = f"frame_{len(self._times):06d}{self._suffix}"
        write_picture(self._folder / name, image)
        self._times.append(f"{name},{self._clip.seconds(pts):.6f}\n")

    def sound(self, packet: Packet) -> None:
        """Pictures have no sound."""

    def close(self) -> None:
        """Write ``times.csv``: what a clip of changing rate needs to be put together again."""
        (self._folder / "times.csv").write_text("".join(self._times), encoding="utf-8")


@contextmanager
def open_writer(out: Path, still: str, clip: Timing, alpha: bool) -> Iterator[Writer]:
    """A writer for a name: a video for the endings of ``CODECS``, else a folder of pictures (``still``: their ending).

    A video is whole or not there: it gets its name when it is closed. Raises ValueError for another ending, or for
    alpha in a file that has none.
    """
    suffix = out.suffix.lower()
    if not suffix:
        pictures = PictureWriter(out, still, clip)
        try:
            yield pictures
        finally:
            pictures.close()
        return
    codec = CODECS.get(suffix)
    if codec is None:
        raise ValueError(f"--out {out}: {suffix} is none of {', '.join(CODECS)}; a name without ending is a folder")
    if alpha and codec.alpha is None:
        able = ", ".join(f"{key} ({value.words})" for key, value in CODECS.items() if value.alpha)
        raise ValueError(f"--out {out}: {suffix} holds no alpha; take {able}, a folder, or a composite with --over")
    out.parent.mkdir(parents=True, exist_ok=True)
    with writing(out) as temporary:
        video = VideoWriter(temporary, codec, clip, alpha)
        try:
            yield video
        finally:
            video.close()


def write_picture(path: Path, image: NDArray[Any]) -> None:
    """Write a PNG or JPEG of uint8 (H, W[, 3 or 4]), or an EXR (half floats) of float32 (H, W, 4)."""
    if path.suffix.lower() == ".exr":
        path.write_bytes(_exr(image))
        return
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(path.suffix, image)
    if not done:
        raise ValueError(f"{path} cannot be written; give a name that ends in .png, .exr or .jpg")
    path.write_bytes(data.tobytes())


def _exr(image: NDArray[Any]) -> bytes:
    # FFmpeg's encoder: OpenCV's is switched off unless an environment variable is set before it is imported.
    height, width = image.shape[:2]
    frame = VideoFrame(width, height, "gbrapf32le")
    for plane, channel in zip(frame.planes, (1, 2, 0, 3), strict=True):
        rows = np.zeros((height, plane.line_size // 4), np.float32)
        rows[:, :width] = image[..., channel]
        plane.update(rows.tobytes())
    context: Any = av.CodecContext.create("exr", "w")
    context.width, context.height, context.pix_fmt, context.time_base = width, height, "gbrapf32le", Fraction(1, 25)
    context.options = {"format": "half", "compression": "zip16"}
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
