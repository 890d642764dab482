"""Video files, which come from anywhere: opened as containers of pictures, and as nothing else that FFmpeg knows."""

from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer

from curation.images import MOST_MEGAPIXELS

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "mpegvideo", "m4v", "asf", "ogg", "flv",
    "h264", "hevc", "ivf",
)  # fmt: skip
"""What is opened, told by content. FFmpeg knows playlists, edit lists and session descriptions besides, which name
other files and addresses: a clip would show what lies beside it, or listen on the network."""
OPTIONS = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}


def open_video(source: Path | BinaryIO) -> tuple[InputContainer, Any]:
    """Open a video's container and its first stream of pictures, none larger than MOST_MEGAPIXELS decoded.

    Raises ValueError where it holds no pictures, OSError or av.FFmpegError where it cannot be read.
    """
    container = av.open(str(source) if isinstance(source, Path) else source, mode="r", options=dict(OPTIONS))
    if not container.streams.video:
        container.close()
        raise ValueError("it holds no video")
    stream = container.streams.video[0]
    stream.codec_context.options = {"max_pixels": str(int(MOST_MEGAPIXELS * 1e6))}
    return container, stream
