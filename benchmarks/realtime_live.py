"""A camera of 30 frames a second in front of the runtime: what comes out, and how late.

A clip with known alpha is composited over one background and encoded as a film. One thread decodes it, a frame each
1/30 s; another mattes the newest frame there is and lays it over another backdrop. What is not newest is never matted.
A result's latency runs from the moment its frame was due, before it was decoded, until its composite is there.
"""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from training.network import RefineNetwork
from training.realtime import kernels
from training.realtime.precision import best_precision, precisions
from training.realtime.runtime import Runtime

Bytes = NDArray[np.uint8]
RATE = 30
HEIGHT, WIDTH = 360, 640


def dancer(realset: Path) -> tuple[Bytes, list[Bytes], list[Bytes]]:
    """Background, frames of a person before it, and their true alphas; of 640x360 pixels."""
    with av.open(str(realset / "clips" / "fixed_camera.mp4")) as clip:
        plate = next(iter(clip.decode(video=0))).to_ndarray(format="rgb24")
    plate = np.asarray(cv2.resize(plate, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
    frames, alphas = [], []
    for path in sorted((realset / "mattes" / "fgr" / "0000").iterdir()):
        fgr = cv2.cvtColor(_read(path), cv2.COLOR_BGR2RGB)
        alpha = _read(realset / "mattes" / "pha" / "0000" / path.name)[..., 0]
        share = alpha[..., None] / np.float32(255)
        frames.append((share * fgr + (1 - share) * plate + 0.5).astype(np.uint8))
        alphas.append(alpha)
    return plate, frames, alphas


def _read(path: Path) -> Bytes:
    found = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if found is None:
        raise SystemExit(f"{path} cannot be read")
    return np.asarray(cv2.resize(found, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def film(frames: list[Bytes], path: Path) -> None:
    """Encode frames there and back again, so that the film can be looped without a jump."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "18", "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in [*frames, *frames[-2:0:-1]]:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())


class Camera(threading.Thread):
    """Decodes a film for ever, paced; keeps only the newest frame."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(daemon=True)
        self.path, self.seconds = path, seconds
        self.there = threading.Condition()
        self.newest: tuple[int, float, Bytes] | None = None
        self.ended = False

    def run(self) -> None:
        """Hand over frames until the time is over."""
        start, number = time.perf_counter(), 0
        while number < self.seconds * RATE:
            with av.open(str(self.path)) as clip:
                for frame in clip.decode(video=0):
                    due = start + number / RATE
                    time.sleep(max(0.0, due - time.perf_counter()))
                    picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    with self.there:
                        self.newest = (number, due, picture)
                        self.there.notify()
                    number += 1
                    if number >= self.seconds * RATE:
                        break
        with self.there:
            self.ended = True
            self.there.notify()

    def take(self) -> tuple[int, float, Bytes] | None:
        """The newest frame, each at most once: its number, when it was due, and itself; None at the end."""
        with self.there:
            self.there.wait_for(lambda: self.newest is not None or self.ended)
            found, self.newest = self.newest, None
            return found


def live_figures(
    network: RefineNetwork, whole: RefineNetwork, realset: Path, seconds: float, threads: int
) -> dict[str, Any]:
    """Distinct results a second and latency; and MAD at this scale over that of ``whole``, which has scale 1."""
    plate, frames, alphas = dancer(realset)
    mads = []
    fastest = precisions()[-1]
    for one, precision in ((network, fastest), (whole, best_precision())):
        runtime = Runtime(one, HEIGHT, WIDTH, precision, threads)
        runtime.set_background(plate)
        errors = [
            np.abs(runtime(frame).alpha.astype(float) - alpha).mean()
            for frame, alpha in zip(frames, alphas, strict=True)
        ]
        mads.append(1000 / 255 * float(np.mean(errors)))
    runtime = Runtime(network, HEIGHT, WIDTH, fastest, threads)
    runtime.set_background(plate)
    backdrop = np.ascontiguousarray(plate[:, ::-1])
    out = np.zeros_like(plate)

    def show(frame: Bytes) -> None:
        found = runtime(frame)
        kernels.lay_over(found.alpha, found.foreground, backdrop, out, 0, HEIGHT)

    for frame in frames:  # warm: each number of patches prepares a convolution of its own
        show(frame)
    late: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "camera.mp4"
        film(frames, path)
        camera = Camera(path, seconds)
        start = time.perf_counter()
        camera.start()
        while (taken := camera.take()) is not None:
            show(taken[2])
            late.append(time.perf_counter() - taken[1])
        lasted = time.perf_counter() - start
    return {
        "precision_640x360": fastest,
        "results_per_second_640x360": len(late) / lasted,
        "p95_ms": 1000 * float(np.percentile(late, 95)),
        "median_ms": 1000 * float(np.median(late)),
        "mad_640x360": mads[0],
        "mad_640x360_scale_1": mads[1],
        "mad_ratio_640x360": mads[0] / mads[1],
    }
