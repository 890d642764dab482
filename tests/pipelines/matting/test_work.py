import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.matting import work
from pipelines.matting.reading import Clip, Frame, spread
from pipelines.matting.work import Wanted, matte_clip
from pipelines.matting.writing import VideoWriter
from tests.pipelines.matting.conftest import BASE, TIMES, decoded, packets, room, shots, write_clip
from training.realtime.finish import Finish

SECONDS = [float(when * BASE) for when in TIMES]


def test_every_frame_comes_out_at_its_own_time_with_the_sound(clip, predictor, tmp_path):
    done = matte_clip(clip, tmp_path / "out.mkv", predictor, Wanted("rgba"), None)
    assert done == (len(TIMES), False, None, 0)
    found, times = decoded(tmp_path / "out.mkv", "rgba")
    assert np.abs(np.subtract(times, SECONDS)).max() <= 0.0005  # Matroska counts in milliseconds
    with Clip(clip) as source:
        frames = [item.image for item in source.read() if isinstance(item, Frame)]
    assert len(frames) == len(found)
    for frame, rgba in zip(frames, found, strict=True):
        matte = predictor.predict(frame)
        assert np.array_equal(rgba[..., 3], matte.alpha)
        assert np.array_equal(rgba[..., :3], matte.foreground)
    assert packets(tmp_path / "out.mkv") == packets(clip)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.mkv"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_times_are_exact_where_the_container_can(clip, predictor, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    assert matte_clip(clip, out, predictor, Wanted("alpha"), None).frames == len(TIMES)
    assert decoded(out)[1] == SECONDS
    assert packets(out) == packets(clip)


def test_sound_that_the_container_does_not_take_is_encoded_anew(clip, predictor, tmp_path):
    matte_clip(clip, tmp_path / "out.webm", predictor, Wanted("rgba"), None)
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio[0].codec_context.name == "opus"
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(heard) / 48_000 == pytest.approx(0.4, abs=0.05)
    assert np.abs(heard).max() > 0.1


def test_a_composite_is_the_predictors(clip, predictor, tmp_path):
    scene = np.full((*room().shape,), (10, 200, 90), np.uint8)
    asked = []

    def backdrop(seconds):
        asked.append(seconds)
        return scene

    matte_clip(clip, tmp_path / "out.mkv", predictor, Wanted("composite"), backdrop)
    assert asked == pytest.approx(SECONDS)
    found, _ = decoded(tmp_path / "out.mkv")
    frame = next(item for item in Clip(clip).read() if isinstance(item, Frame)).image
    assert np.array_equal(found[0], predictor.composite(predictor.predict(frame), scene))
    with pytest.raises(ValueError, match="--over"):
        matte_clip(clip, tmp_path / "none.mkv", predictor, Wanted("composite"), None)


def test_finishing_reaches_the_file(clip, predictor, tmp_path):
    for name, finish in (("plain", Finish()), ("grown", Finish(choke=-3.0))):
        matte_clip(clip, tmp_path / f"{name}.mkv", predictor, Wanted("alpha", finish=finish, limit=2), None)
    plain, grown = (decoded(tmp_path / f"{name}.mkv")[0] for name in ("plain", "grown"))
    assert len(plain) == len(grown) == 2
    assert (grown[1] >= plain[1]).all()
    assert (grown[1] > plain[1]).any()


class Interrupting:
    """A predictor during whose fourth frame somebody presses Ctrl-C."""

    def __init__(self, predictor):
        self.predictor, self.count = predictor, 0

    def predict(self, frame):
        self.count += 1
        if self.count == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return self.predictor.predict(frame)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_stopped_work_is_a_playable_file(clip, predictor, tmp_path, suffix):
    before = signal.getsignal(signal.SIGINT)
    done = matte_clip(clip, tmp_path / f"out{suffix}", Interrupting(predictor), Wanted("alpha"), None)
    assert done == (4, True, None, 0)
    assert decoded(tmp_path / f"out{suffix}")[1] == SECONDS[:4]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("no such pixel")])
def test_writing_that_fails_ends_the_work_with_its_message(clip, predictor, tmp_path, monkeypatch, error):
    def picture(self, image, pts, duration):
        if pts >= TIMES[2]:
            raise error
        plain(self, image, pts, duration)

    plain = VideoWriter.picture
    monkeypatch.setattr(VideoWriter, "picture", picture)
    with pytest.raises(type(error), match=str(error)):
        matte_clip(clip, tmp_path / "out.mkv", predictor, Wanted("alpha"), None)
    assert not list(tmp_path.iterdir())
    assert not [thread for thread in threading.enumerate() if thread.name in ("read ahead", "write behind")]


def test_matting_that_fails_ends_the_work(clip, predictor, tmp_path):
    class Failing(Interrupting):
        def predict(self, frame):
            self.count += 1
            if self.count == 3:
                raise RuntimeError("out of memory")
            return self.predictor.predict(frame)

    with pytest.raises(RuntimeError, match="out of memory"):
        matte_clip(clip, tmp_path / "out.mkv", Failing(predictor), Wanted("alpha"), None)
    assert not list(tmp_path.iterdir())
    assert not [thread for thread in threading.enumerate() if thread.name in ("read ahead", "write behind")]


def test_works_outside_the_main_thread(clip, predictor, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(matte_clip, clip, tmp_path / "out.mkv", predictor, Wanted("alpha", limit=1), None).result()
    assert done.frames == 1


def test_a_clip_that_breaks_off_keeps_what_was_done(clip, predictor, tmp_path, monkeypatch):
    class Broken(Clip):
        def read(self, sound=False):
            for number, item in enumerate(super().read()):
                if number == 3:
                    raise ValueError("broken at 0.13 s")
                yield item

    monkeypatch.setattr(work, "Clip", Broken)
    done = matte_clip(clip, tmp_path / "out.mov", predictor, Wanted("rgba"), None)
    assert done == (3, False, "broken at 0.13 s", 0)
    assert len(decoded(tmp_path / "out.mov")[0]) == 3


def test_a_file_that_was_cut_off_is_noticed(predictor, tmp_path):
    whole = write_clip(tmp_path / "whole.mkv", shots(30), [3000 * n for n in range(30)], codec="ffv1", form="bgr0")
    data = whole.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    done = matte_clip(tmp_path / "cut.mkv", tmp_path / "out.mkv", predictor, Wanted("alpha"), None)
    assert 10 < done.frames < 20
    assert done.frames / 30 + done.early == pytest.approx(1.0, abs=0.08)
    assert len(decoded(tmp_path / "out.mkv")[0]) == done.frames


def test_a_turned_camera_gives_upright_frames(clip, tmp_path):
    upright = [item.image for item in Clip(clip).read() if isinstance(item, Frame)]
    identity = b"\0\1\0\0" + b"\0" * 12 + b"\0\1\0\0"
    turned = b"\0\0\0\0" + b"\0\1\0\0" + b"\0" * 4 + b"\xff\xff\0\0" + b"\0" * 4  # a quarter clockwise
    data = clip.read_bytes()
    place = data.index(identity, data.index(b"tkhd"))
    assert len(turned) == len(identity)
    (tmp_path / "turned.mp4").write_bytes(data[:place] + turned + data[place + len(turned) :])
    found = [item.image for item in Clip(tmp_path / "turned.mp4").read() if isinstance(item, Frame)]
    assert np.array_equal(found[0], np.rot90(upright[0], -1))


def test_frames_spread_over_a_clip_with_and_without_keyframes(tmp_path):
    images = [np.full((32, 32, 3), 20 + 4 * number, np.uint8) for number in range(40)]
    times = [number * 3000 for number in range(40)]
    seekable = spread(write_clip(tmp_path / "many.mp4", images, times), 5)
    assert len(seekable) == 5
    one = spread(write_clip(tmp_path / "one.mkv", images, times, group=100), 8)
    assert 4 <= len(one) <= 8
    for found in (seekable, one):
        levels = [int(image.mean()) for image in found]
        assert levels == sorted(levels)
        assert levels[-1] - levels[0] > 90


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"text\.mp4"):
        Clip(tmp_path / "text.mp4")
    with pytest.raises(ValueError, match=r"nothing\.mp4"):
        Clip(Path(tmp_path / "nothing.mp4"))


def test_shots_differ():
    assert not np.array_equal(*shots()[:2])
