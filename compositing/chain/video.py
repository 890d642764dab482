"""What a video codec leaves of a picture: webcams, phones and capture cards send H.264, not photographs."""

from fractions import Fraction
from typing import Any, Literal

import av
import cv2
import numpy as np

from compositing.codec import Image

ENCODER = "libx264"
_OPTIONS = {
    "preset": "veryfast",
    # A picture at a time, and nothing that hangs on what the processor can do or how many cores it has.
    "tune": "zerolatency",
    "x264-params": "cpu-independent=1:threads=1:sliced-threads=0",
}
_RATE = Fraction(1, 30)


def filmed(rgb: Image, factor: int) -> Image:
    """Send a picture through H.264 as a key frame, and return what a player shows of it.

    ``rgb``: (H, W, 3) uint8, sides even; ``factor``: the encoder's constant rate factor, 1 (fine) to 51. Colour at half
    the resolution (4:2:0, BT.601, limited range), transforms of 4 and 8 pixels coarsely quantised where the picture is
    busy, intra prediction, deblocking. Pure: single-threaded, and with no code path of the processor's own. Raises
    ValueError for odd sides, or where PyAV comes without x264.
    """
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        raise ValueError(f"a picture of {width}x{height}: video halves colour, so that both sides must be even")
    planes = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)
    packets = _encode(planes, width, height, factor)
    decoder = _context("h264", "r")
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    shown = frames[-1].to_ndarray()
    return np.asarray(cv2.cvtColor(shown, cv2.COLOR_YUV2RGB_I420), np.uint8)


def _encode(planes: Image, width: int, height: int, factor: int) -> list[Any]:
    encoder = _context(ENCODER, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = _RATE
    encoder.options = {**_OPTIONS, "crf": str(factor)}
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = 0
    return [*encoder.encode(frame), *encoder.encode(None)]


def _context(codec: str, mode: Literal["r", "w"]) -> av.VideoCodecContext:
    try:
        context = av.CodecContext.create(codec, mode)
    except av.codec.codec.UnknownCodecError as error:
        raise ValueError(
            f"this PyAV, {av.__version__}, has no {codec}: install its wheel (pip install --only-binary av av), or set "
            "video_probability to 0 under plan in params.yaml and plan again"
        ) from error
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    return context
