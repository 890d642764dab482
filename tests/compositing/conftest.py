"""Tiny clips in the layouts of VideoMatte240K."""

from collections.abc import Callable, Iterable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

WriteVideo = Callable[..., Path]


@pytest.fixture(scope="session")
def write_fgr() -> WriteVideo:
    """Writes RGB frames (H, W, 3) as an H.264 video, as the official clips are."""

    def write(path: Path, frames: Iterable[np.ndarray], rate: int = 25) -> Path:
        encode(path, (av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames), rate, "18")
        return path

    return write


@pytest.fixture(scope="session")
def write_pha() -> WriteVideo:
    """Writes luma planes (H, W) as the luma of a lossless H.264 video; ``full`` tags it as full range."""

    def write(path: Path, planes: Iterable[np.ndarray], rate: int = 25, full: bool = False) -> Path:
        def frames():
            for luma in planes:
                chroma = np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)
                yield av.VideoFrame.from_ndarray(np.vstack([luma, chroma]), format="yuv420p")

        encode(path, frames(), rate, "0", full)
        return path

    return write


def encode(path: Path, frames: Iterable[av.VideoFrame], rate: int, quality: str, full: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"qp": quality, "preset": "ultrafast"})
        stream.pix_fmt = "yuv420p"
        if full:
            stream.codec_context.color_range = 2
        for frame in frames:
            if not stream.codec_context.is_open:
                stream.width, stream.height = frame.width, frame.height
            if full:
                frame.color_range = 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def to_luma(alpha: np.ndarray) -> np.ndarray:
    """What an encoder of limited range makes of alpha 0-255."""
    return np.rint(16 + alpha.astype(np.float64) * 219 / 255).astype(np.uint8)


@pytest.fixture(scope="session")
def disc() -> Callable[..., np.ndarray]:
    """Draws a soft-edged disc as alpha (H, W) uint8."""

    def draw(width: int = 96, height: int = 64, x: float = 48, y: float = 32, radius: float = 18, soft: float = 3):
        across, down = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        distance = np.hypot(across - x, down - y)
        return np.rint(255 * np.clip((radius - distance) / soft + 0.5, 0, 1)).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def write_clip(write_fgr: WriteVideo, write_pha: WriteVideo, disc) -> Callable[..., None]:
    """Writes one clip, a disc that moves over extended colours: two videos, or two folders of frames."""

    def write(
        root: Path, name: str, frames: int = 4, folder: str = "train", video: bool = True, pha_frames: int | None = None
    ) -> None:
        colours = [np.full((64, 96, 3), (200, 40 + 10 * i, 60), np.uint8) for i in range(frames)]
        alphas = [disc(x=30 + 5 * i) for i in range(frames if pha_frames is None else pha_frames)]
        base = root / folder
        if video:
            write_fgr(base / "fgr" / f"{name}.mp4", colours)
            write_pha(base / "pha" / f"{name}.mp4", [to_luma(alpha) for alpha in alphas])
            return
        for layer, images, suffix in (("fgr", colours, "jpg"), ("pha", alphas, "png")):
            (base / layer / name).mkdir(parents=True, exist_ok=True)
            for number, image in enumerate(images):
                picture = image[..., ::-1] if image.ndim == 3 else image
                cv2.imwrite(str(base / layer / name / f"{number:05d}.{suffix}"), picture)

    return write
