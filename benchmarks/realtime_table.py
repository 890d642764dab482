"""Milliseconds of each step of a frame, by backend, precision and size."""

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import plain
from training.export import export_onnx
from training.network import RefineNetwork
from training.network.inference import for_inference
from training.network.resize import resize
from training.realtime import kernels
from training.realtime.precision import precisions
from training.realtime.runtime import Runtime

Bytes = NDArray[np.uint8]
Row = dict[str, Any]
STEPS = ("decode", "base", "refine", "composite", "encode")
ROUNDS = 5


@torch.inference_mode()
def table(hd: RefineNetwork, small: RefineNetwork, plate: Bytes, frames: list[Bytes], threads: int) -> list[Row]:
    """Rows of backend, precision, size, milliseconds of each step and of base and refine together."""
    rows: list[Row] = []
    for network, (height, width) in ((hd, plate.shape[:2]), (small, (360, 640))):
        bgr, *pictures = (
            np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            for image in (plate, *frames)
        )
        around = _around(bgr, pictures)
        common = {"size": f"{width}x{height}", "scale": network.backbone_scale}
        for backend, precision, base, whole in _backends(network, bgr, pictures[0], threads):
            row: Row = {"backend": backend, "precision": precision, **common, **around}
            row["total"] = _milliseconds(whole)
            if base is not None:
                row["base"] = min(_milliseconds(base), row["total"])
                row["refine"] = row["total"] - row["base"]
            rows.append(row)
    return rows


def print_table(rows: list[Row]) -> None:
    """Milliseconds, and each step's share of all five."""
    print(f"{'backend':14} {'precision':10} {'size':10} {'matte ms':>9}  share of " + ", ".join(STEPS))
    for row in rows:
        shares = "not split"
        if "base" in row:
            steps = [float(row[step]) for step in STEPS]
            shares = "  ".join(f"{100 * step / sum(steps):3.0f} %" for step in steps)
        print(f"{row['backend']:14} {row['precision']:10} {row['size']:10} {row['total']:9.1f}  {shares}")


def _backends(
    network: RefineNetwork, bgr: Bytes, src: Bytes, threads: int
) -> list[tuple[str, str, Callable[[], object] | None, Callable[[], object]]]:
    source, background = (
        torch.from_numpy(image).permute(2, 0, 1)[None].float().div(255).contiguous() for image in (src, bgr)
    )
    folded = for_inference(network)
    size = network._coarse_size(*bgr.shape[:2])

    def coarse(one: RefineNetwork) -> object:
        return one._coarse(torch.cat([resize(source, size), resize(background, size)], dim=1))

    def mixed(action: Callable[[], object]) -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return action()

    found: list[tuple[str, str, Callable[[], object] | None, Callable[[], object]]] = [
        ("eager", "float32", lambda: coarse(network), lambda: plain.refine(network, source, background)),
        ("folded", "float32", lambda: coarse(folded), lambda: folded(source, background)),
        (
            "folded",
            "autocast",
            lambda: mixed(lambda: coarse(folded)),
            lambda: mixed(lambda: folded(source, background)),
        ),
        ("onnxruntime", "float32", None, _onnx(network, src, bgr, threads)),
    ]
    for precision in precisions():
        runtime = Runtime(network, bgr.shape[0], bgr.shape[1], precision, threads)
        runtime.set_background(bgr)
        found.append(("runtime", precision, partial(runtime.base, src), partial(runtime, src)))
    return found


def _onnx(network: RefineNetwork, src: Bytes, bgr: Bytes, threads: int) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "refine.onnx"
        export_onnx(network, path, *bgr.shape[:2])
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {
        name: np.ascontiguousarray(image.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        for name, image in (("src", src), ("bgr", bgr))
    }
    return lambda: session.run(["pha", "fgr"], feed)


def _around(bgr: Bytes, pictures: list[Bytes]) -> dict[str, float]:
    """Milliseconds a frame of H.264 decoding and encoding, and of compositing."""
    out = np.zeros_like(bgr)
    alpha = np.ascontiguousarray(pictures[0][..., 0])
    film = io.BytesIO()
    count = 12
    start = time.perf_counter()
    with av.open(film, "w", format="mp4") as made:
        stream = made.add_stream("libx264", rate=30, options={"preset": "veryfast"})
        stream.height, stream.width = bgr.shape[:2]
        stream.pix_fmt = "yuv420p"
        for number in range(count):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(pictures[number % len(pictures)], format="rgb24")))
        made.mux(stream.encode())
    encode = time.perf_counter() - start
    film.seek(0)
    start = time.perf_counter()
    with av.open(film, "r") as clip:
        for frame in clip.decode(video=0):
            frame.to_ndarray(format="rgb24")
    decode = time.perf_counter() - start
    composite = _milliseconds(lambda: kernels.lay_over(alpha, pictures[0], bgr, out, 0, bgr.shape[0]))
    return {"decode": 1000 * decode / count, "composite": composite, "encode": 1000 * encode / count}


def _milliseconds(action: Callable[[], object]) -> float:
    action()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)
