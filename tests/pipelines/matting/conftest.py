"""Short clips of a drawn room: times of their own, sound, somebody who walks through."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from curation.identity import rng
from training.network import build_refine
from training.network.weights import save
from training.predictor import MattingPredictor

SIZE = (72, 96)
BASE = Fraction(1, 90_000)
TIMES = [0, 3000, 6100, 12_000, 13_001, 21_000, 24_000, 30_011]
"""Of a camera whose rate changes, in BASE."""


def room(number=0):
    draws = rng(5, "matting room", number)
    image = np.full((*SIZE, 3), 120, np.uint8)
    for _ in range(30):
        x, y = int(draws.integers(0, SIZE[1])), int(draws.integers(0, SIZE[0]))
        w, h = (int(v) for v in draws.integers(6, 30, 2))
        cv2.rectangle(image, (x, y), (x + w, y + h), tuple(int(v) for v in draws.integers(40, 200, 3)), -1)
    return image


def shots(count=8):
    taken = []
    for number in range(count):
        shot = room()
        x = 4 + number * 64 // max(1, count - 1)
        shot[20:64, x : x + 20] = (220, 30, 40)
        taken.append(shot)
    return taken


def write_clip(path, images, times=TIMES, base=BASE, sound=False, codec="libx264", form="yuv420p", group=4):
    with av.open(str(path), "w") as container:
        video = container.add_stream(
            codec, rate=30, options={"crf": "4", "g": str(group)} if codec == "libx264" else {}
        )
        video.width, video.height, video.pix_fmt = images[0].shape[1], images[0].shape[0], form
        video.time_base = video.codec_context.time_base = base
        heard = container.add_stream("aac", rate=44_100, layout="mono") if sound else None
        for image, when in zip(images, times, strict=False):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=form)
            frame.pts, frame.time_base = when, base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if heard is not None:
            wave = (8000 * np.sin(np.arange(17_640) / 16)).astype(np.int16)[None]
            tone = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            tone.sample_rate, tone.pts = 44_100, 0
            container.mux(heard.encode(tone))
            container.mux(heard.encode(None))
    return path


def decoded(path, form="rgb24"):
    """Frames and their seconds; VP9's alpha needs libvpx, FFmpeg's own decoder leaves it out."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if stream.codec_context.name == "vp9":
            reader = av.CodecContext.create("libvpx-vp9", "r")
            found = [f for packet in container.demux(stream) if packet.size for f in reader.decode(packet)]
            found += reader.decode(None)
        else:
            found = list(container.decode(stream))
        return [f.reformat(format=form).to_ndarray() for f in found], [float(f.pts * stream.time_base) for f in found]


def packets(path):
    """The sound of a file as it is stored."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "refine.safetensors"
    save(build_refine("mobilenetv2", 0.5, "sampling", 512), path, {"space": "display"})
    return path


@pytest.fixture(scope="session")
def predictor(weights):
    return MattingPredictor.from_pretrained(weights, fitting="never").set_background(room())


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "walk.mp4", shots(), sound=True)
