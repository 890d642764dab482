"""Writes clips as MP4 with fixed encoder settings, so that the same frames give the same bytes."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
_LUMA = np.array([0.2126, 0.7152, 0.0722])
"""ITU-R BT.709, section 3.2."""


# The macroblock tree of x264 reads memory that it never wrote (seen with AVX-512: MALLOC_PERTURB_ changes the bytes of
# small clips), and its result differs between instruction sets. Without it and without B frames the bytes are the same.
_FIXED = "threads=1:lookahead-threads=1:mbtree=0:bframes=0"


def colour_planes(image: U8) -> U8:
    """Convert RGB (h, w, 3) to planar 4:2:0 (h * 3 / 2, w), BT.709 in limited range; h and w are even."""
    blue = -0.5 * _LUMA / (1 - _LUMA[2])
    red = -0.5 * _LUMA / (1 - _LUMA[0])
    blue[2], red[0] = 0.5, 0.5
    matrix = np.stack([_LUMA * 219, blue * 224, red * 224]) / 255
    planes = cv2.transform(image.astype(np.float32), matrix) + np.array([16, 128, 128], np.float32)
    height, width = image.shape[:2]
    chroma = cv2.resize(planes[..., 1:], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    flat = [planes[..., 0].reshape(-1), chroma[..., 0].reshape(-1), chroma[..., 1].reshape(-1)]
    return np.clip(np.rint(np.concatenate(flat)), 0, 255).astype(np.uint8).reshape(height * 3 // 2, width)


def grey_planes(image: U8) -> U8:
    """Convert grey (h, w) to planar 4:2:0 (h * 3 / 2, w) in limited range: 0 is 16, 255 is 235."""
    height, width = image.shape
    luma = np.rint(16 + image.astype(np.float32) * (219 / 255)).astype(np.uint8)
    return np.concatenate([luma, np.full((height // 2, width), 128, np.uint8)])


def write_clip(path: Path, frames: Iterable[U8], rate: int, quality: int) -> None:
    """Encode planar 4:2:0 frames (h * 3 / 2, w) with x264 at constant ``quality`` (CRF; lower is better)."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate)
        context = stream.codec_context
        started = False
        for number, planes in enumerate(frames):
            if not started:
                context.width, context.height = planes.shape[1], planes.shape[0] * 2 // 3
                context.pix_fmt = "yuv420p"
                context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
                context.color_primaries, context.color_trc = 1, 1
                context.thread_count = 1  # more threads would make other bytes
                context.bit_rate = 0
                context.options = {
                    "crf": str(quality),
                    "preset": "faster",
                    "x264-params": _FIXED,
                }
                started = True
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            frame.color_range, frame.colorspace = ColorRange.MPEG, Colorspace.ITU709
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
