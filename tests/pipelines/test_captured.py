import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from curation.detectors.build import build_observer
from curation.identity import rng
from curation.tables import PEOPLE, write_table
from pipelines import captured as shell
from pipelines.cli import app
from pipelines.detectors import choose, people_finder
from training.evaluation.plain import PlainDifference
from training.network import build_refine
from training.network.weights import save

SIZE = (96, 128)
BOX = (0.3125, 0.25, 0.25, 0.5)  # x 40 to 72, y 24 to 72


def scene(extra: int = 0) -> np.ndarray:
    nodes = rng(2, "room", extra).uniform(60, 120, (6, 8, 3)).astype(np.float32)
    return np.clip(cv2.resize(nodes, SIZE[::-1], interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def with_person(plate: np.ndarray, move: int = 0) -> np.ndarray:
    src = plate.copy()
    src[24:72, 40 + move : 72 + move] = (220, 30, 40)
    return src


def write_image(path, rgb):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        write_image(tmp_path / f"src/{number}.png", with_person(scene()))
    write_image(tmp_path / "bgr/plate.png", scene())
    person = {"score": 0.9, **dict(zip("xywh", BOX, strict=True))}
    rows = [
        dict.fromkeys(PEOPLE.columns) | person | {"locator": f"{n}.png", "rank": 0, "status": "ok"} for n in range(2)
    ]
    write_table(PEOPLE, rows, tmp_path / "boxes.parquet")
    return tmp_path


def people(name, image):
    """Finds the red: what a detector would."""
    red = (image[:, :, 0] > 150) & (image[:, :, 1] < 90)
    if red.sum() < 50:
        return ()
    x, y, w, h = cv2.boundingRect(red.astype(np.uint8))
    return ((x / SIZE[1], y / SIZE[0], w / SIZE[1], h / SIZE[0]),)


def film(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "8", "x264-params": "threads=1"})
        stream.height, stream.width, stream.pix_fmt, stream.time_base = *SIZE, "yuv420p", Fraction(1, 10)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def test_pairs_give_a_table_a_sheet_and_figures(here):
    torch.manual_seed(0)
    save(build_refine("mobilenetv2", 0.5, "sampling", 512), here / "mine.safetensors", {})
    asked = ["captured", "--src", "src", "--bgr", "bgr", "--people", "boxes.parquet", "--weights", "mine.safetensors"]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert "the tuned baseline is left out" in done.output and "plate.png (the only plate)" in done.output
    values = json.loads((here / "captured/captured.json").read_text())
    plain, mine = values["methods"]
    assert (plain["method"], mine["method"]) == ("difference", "mine")
    assert plain["outside"] == 0 and plain["holes"] < 20 and plain["outside_shots"] == 2
    assert plain["flicker"] is None and plain["flicker_shots"] == 0
    assert 0 <= mine["outside"] <= 1000 and "mine" in done.output
    assert len(values["shots"]) == 4 and {shot["people"] for shot in values["shots"]} == {1}
    sheet = cv2.imread(str(here / "captured/sheet.jpg"))
    assert sheet.shape[1] == 5 * (shell.WIDTH + 4)


def test_given_masks_take_the_place_of_the_segmentation(here):
    mask = np.zeros(SIZE, np.uint8)
    mask[:, :40] = 255  # where nobody stands: a plain difference gives 0 there
    cv2.imwrite(str(here / "0.png"), mask)
    shots = list(shell.pairs(here / "src", here / "bgr"))
    _, rows = shell.look(shots, [PlainDifference()], people, here)
    assert list(rows["trust"]) == [1.0, 0.0]
    assert rows["holes"][0] == pytest.approx(1000) and np.isnan(rows["holes"][1])


def test_a_clip_without_a_plate_takes_the_median_of_its_empty_frames(here):
    frames = [with_person(scene()) for _ in range(14)] + [scene() for _ in range(6)]
    film(here / "clip.mp4", frames)
    shots = list(shell.clip(here / "clip.mp4", None, 2, 3, people))
    assert [shot.name for shot in shots] == ["clip.mp4 2", "clip.mp4 3", "clip.mp4 4"]
    assert [shot.follows for shot in shots] == [False, True, True]
    assert shots[0].plate == "recovered from 6 empty frames"
    assert np.abs(shots[0].bgr.astype(int) - scene()).mean() < 3
    # A detector that finds somebody everywhere leaves the median of all: the person is in it.
    (alone,) = shell.clip(here / "clip.mp4", None, 2, 1, lambda name, image: (BOX,))
    assert alone.plate == "recovered from 20 frames, 20 of them with people"
    assert np.abs(alone.bgr.astype(int) - scene()).mean() > 10


def test_flicker_of_a_clip_is_where_nothing_moves(here):
    film(here / "clip.mp4", [with_person(scene(), move) for move in (0, 0, 20)])
    shots = list(shell.clip(here / "clip.mp4", here / "bgr/plate.png", 0, 9, people))
    _, rows = shell.look(shots, [PlainDifference()], people, None)
    assert len(rows) == 3 and np.isnan(rows["flicker"][0])
    assert rows["flicker"][1] < 20 and rows["flicker"][2] < 20  # the person moved, and alpha with it
    (line,) = shell.summed(rows)
    assert line["flicker_shots"] == 2 and line["outside"] < 5


def test_what_cannot_be_looked_at_says_why(here):
    write_image(here / "small/plate.png", scene()[::2, ::2])
    with pytest.raises(ValueError, match=r"0\.png and its plate .* are 128x96 and 64x48"):
        list(shell.pairs(here / "src", here / "small"))
    film(here / "clip.mp4", [scene()])
    with pytest.raises(ValueError, match="no frame 5; lower --start"):
        list(shell.clip(here / "clip.mp4", here / "bgr/plate.png", 5, 1, people))
    (here / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match="cannot be read as a video"):
        list(shell.clip(here / "broken.mp4", here / "bgr/plate.png", 0, 1, people))
    with pytest.raises(ValueError, match="--bgr: give the folder of plates"):
        CliRunner().invoke(app, ["captured", "--src", "src"], catch_exceptions=False)
    asked = ["captured", "--src", "clip.mp4", "--people", "boxes.parquet"]
    with pytest.raises(ValueError, match="--people names pictures"):
        CliRunner().invoke(app, asked, catch_exceptions=False)


@pytest.mark.realset
def test_real_pairs_show_drift_to_a_plain_difference_and_people_to_the_segmentation(realset):
    pairs = realset / "pairs/intel_onebyone"
    shots = [s for s in shell.pairs(pairs / "src", pairs / "bgr") if s.name in ("0313.png", "0522.png")]
    choice = choose("onnx", [str(realset / "models/yolox_nano.onnx")])
    boxes = shell.detected(people_finder(build_observer(choice.spec), choice.threshold))
    _, rows = shell.look(shots, [PlainDifference()], boxes, None)
    assert list(rows["people"]) == [1, 1] and (rows["trust"] > 0.9).all()
    assert (rows["holes"] < 60).all()
    drifted, steady = rows["outside"]
    assert drifted > 200 > 100 > steady
