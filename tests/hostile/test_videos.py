"""Videos with headers that lie, and texts in a video's place that name other files and addresses."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from compositing.mattes.clipreader import read_clip
from compositing.mattes.videomatte import Clip, Layer
from curation.storage.local import LocalStore
from pipelines.matting import reading
from tests.hostile.contained import Outcome, contained


def film(path: Path, codec: str = "mpeg4", size: tuple[int, int] = (64, 48), frames: int = 6, form: str = "") -> bytes:
    """A small clip, encoded."""
    with av.open(str(path), "w", format=form or None) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def as_clip(folder: Path, data: bytes, suffix: str) -> Outcome:
    """How the reader of green-screen clips takes a file: problems, or shapes of frames."""
    for layer in ("fgr", "pha"):
        (folder / layer).mkdir(exist_ok=True)
        (folder / layer / f"0{suffix}").write_bytes(data)
    clip = Clip("0", "", Layer(f"fgr/0{suffix}"), Layer(f"pha/0{suffix}"))

    def read() -> list[str]:
        return [pair.problem or f"{pair.fgr.shape}" for pair in read_clip(LocalStore(folder), clip)]

    return contained(read, folder=folder)


def as_film(folder: Path, data: bytes, suffix: str) -> Outcome:
    """How ``cleanplate matte`` takes the same file."""
    path = folder / f"film{suffix}"
    path.write_bytes(data)

    def read() -> list[str]:
        with reading.Clip(path) as clip:
            return [f"{frame.image.shape}" for frame in clip.read() if isinstance(frame, reading.Frame)]

    return contained(read, folder=folder)


def patched(data: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    place = data.index(mark) + offset
    return data[:place] + value + data[place + len(value) :]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        yield server


DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S">'
    '<Period><AdaptationSet contentType="video"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL>'
    "<SegmentBase/></Representation></AdaptationSet></Period></MPD>"
)
TEXTS = {
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{file}\n#EXT-X-ENDLIST\n",
    "playlist of addresses": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
    "edit list": "ffconcat version 1.0\nfile secret.mp4\n",
    "edit list of paths": "ffconcat version 1.0\nfile {file}\n",
    "edit list of addresses": "ffconcat version 1.0\nfile {url}\n",
    "streams": DASH,
    "session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "picture list": "P6\n64 48\n255\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_names_other_files_is_no_video(
    name: str, tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(tmp_path / "secret.mp4")
    port = listener.getsockname()[1]
    text = TEXTS[name].format(file=tmp_path / "secret.mp4", url=f"http://127.0.0.1:{port}/x.mp4").encode()
    monkeypatch.chdir(tmp_path)  # where a name without a folder would be found
    for take in (as_clip, as_film):
        outcome = take(tmp_path, text, ".mp4")
        assert outcome.refused("cannot be read"), outcome
    with pytest.raises(TimeoutError):
        listener.accept()


def lying(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Clips with one field of their header changed, and the suffix they go by."""
    mp4, avi = film(folder / "v.mp4"), film(folder / "v.avi")
    mjpeg = film(folder / "m.avi", "mjpeg", frames=1)
    million = struct.pack(">I", 2**31 - 1)
    return {
        "picture size, mp4": (patched(mp4, b"mp4v", 28, struct.pack(">HH", 65_000, 65_000)), ".mp4"),
        "picture size, avi": (patched(avi, b"strf", 12, struct.pack("<II", 60_000, 60_000)), ".avi"),
        "picture size, frame": (patched(mjpeg, b"\xff\xc0", 5, struct.pack(">HH", 65_000, 65_000)), ".avi"),
        "samples": (patched(mp4, b"stsz", 12, million), ".mp4"),
        "times": (patched(mp4, b"stts", 8, struct.pack(">I", 1) + 2 * million), ".mp4"),
        "duration": (patched(mp4, b"mvhd", 16, struct.pack(">II", 1, 2**32 - 1)), ".mp4"),
        "frame count": (patched(avi, b"avih", 24, struct.pack("<I", 2**31 - 1)), ".avi"),
        "cut in the middle": (mp4[: len(mp4) // 2], ".mp4"),
        "cut at the end": (mp4[:-100], ".mp4"),
        "nothing": (b"", ".mp4"),
        "noise": (np.random.default_rng(1).bytes(5000), ".mkv"),
    }


def test_a_header_that_lies_ends_in_frames_or_a_named_error(tmp_path: Path) -> None:
    for name, (data, suffix) in lying(tmp_path).items():
        for take in (as_clip, as_film):
            outcome = take(tmp_path, data, suffix)
            assert outcome.harmless and outcome.megabytes < 200, (name, outcome)
            assert outcome.refused(f"0{suffix}") or outcome.refused(f"film{suffix}") or outcome.error == "", outcome
            assert len(outcome.value or ()) <= 7, (name, outcome)
            sizes = {told for told in outcome.value or () if told.startswith("(")}
            assert sizes <= {"(48, 64, 3)"}, (name, outcome)


def test_a_stream_that_changes_its_size_is_frames_of_two_sizes(tmp_path: Path) -> None:
    small = film(tmp_path / "s.ts", "mpeg2video", form="mpegts")
    large = film(tmp_path / "l.ts", "mpeg2video", size=(96, 80), form="mpegts")
    outcome = as_clip(tmp_path, small + large, ".mkv")
    assert outcome.error == "" and {"(48, 64, 3)", "(80, 96, 3)"} == set(outcome.value)


def test_a_frame_beyond_the_limit_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = film(tmp_path / "v.mp4")
    assert as_film(tmp_path, data, ".mp4").value == ["(48, 64, 3)"] * 6
    monkeypatch.setattr("compositing.mattes.videofile.MOST_MEGAPIXELS", 64 * 47 / 1e6)
    outcome = as_film(tmp_path, data, ".mp4")
    assert outcome.refused("cannot be decoded"), outcome
