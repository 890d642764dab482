from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from compositing.calibration.captured import find_pairs
from compositing.calibration.compression import blockiness, jpeg_quality
from compositing.calibration.measure import free_of_people, measure, measure_bytes
from compositing.calibration.ranges import propose
from compositing.codec import encode_jpeg
from compositing.light import to_bytes, to_display, to_linear
from tests.compositing.composite_world import photograph

WIDTH, HEIGHT = 480, 320
DRAWN = {"x": 2.3, "y": -1.4, "rotate": 0.35, "scale": 1.004, "gain": 0.15, "red": 0.06, "blue": -0.05, "gamma": 1.08}
STILL = {"x": 0.0, "y": 0.0, "rotate": 0.0, "scale": 1.0, "gain": 0.0, "red": 0.0, "blue": 0.0, "gamma": 1.0}


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A room with bare wall (smooth) and detail, (H, W, 3) display values."""
    image = cv2.resize(photograph(5), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    image = cv2.GaussianBlur(image, (0, 0), 1.2) * 0.8 + 0.05
    image[:, WIDTH // 2 :] = cv2.GaussianBlur(image, (0, 0), 12)[:, WIDTH // 2 :]
    return image


def noise(seed: int, sigma: float, spread: float = 0.0) -> np.ndarray:
    field = np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH, 3)).astype(np.float32)
    if spread:
        field = cv2.GaussianBlur(field, (0, 0), spread)
        field /= field.std()
    return field * np.float32(sigma / 255)


def capture(scene, drawn=STILL, src_noise=2.0, bgr_noise=2.0, spread=0.0, person=True):
    """A source with somebody in it, and a plate that differs by ``drawn``, written here apart from the renderer."""
    src = scene.copy()
    if person:
        cv2.ellipse(src, (200, 200), (45, 110), 0, 0, 360, (0.1, 0.12, 0.5), -1)
    matrix = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), drawn["rotate"], drawn["scale"])
    matrix[:, 2] += drawn["x"], drawn["y"]
    plate = cv2.warpAffine(scene, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    gains = 2.0 ** np.array([drawn["gain"] + drawn["red"], drawn["gain"], drawn["gain"] + drawn["blue"]])
    plate = to_display(to_linear(plate) * gains.astype(np.float32)) ** np.float32(drawn["gamma"])
    return to_bytes(src + noise(1, src_noise, spread)), to_bytes(plate + noise(2, bgr_noise, spread))


def test_what_was_drawn_is_found_again(scene):
    found = measure(*capture(scene, DRAWN))
    scale = 512 / WIDTH
    assert found["shift_x"] == pytest.approx(DRAWN["x"] * scale, abs=0.08)
    assert found["shift_y"] == pytest.approx(DRAWN["y"] * scale, abs=0.08)
    assert found["rotate"] == pytest.approx(DRAWN["rotate"], abs=0.03)
    assert found["scale"] == pytest.approx(DRAWN["scale"], abs=5e-4)
    assert found["gain"] == pytest.approx(DRAWN["gain"], abs=0.03)
    assert found["gain_red"] == pytest.approx(DRAWN["red"], abs=0.01)
    assert found["gain_blue"] == pytest.approx(DRAWN["blue"], abs=0.01)
    assert found["gamma"] == pytest.approx(DRAWN["gamma"], abs=0.02)


def test_a_camera_that_did_nothing_is_found_still(scene):
    found = measure(*capture(scene, STILL))
    assert found["shift"] < 0.05 and abs(found["rotate"]) < 0.02 and abs(found["scale"] - 1) < 3e-4
    assert abs(found["gain"]) < 0.01 and abs(found["gain_red"]) < 0.01 and abs(found["gamma"] - 1) < 0.01
    assert found["shading"] < 0.01 and found["perspective"] == found["focus"] == 0


@pytest.mark.parametrize(("src", "bgr"), [(2.0, 2.0), (1.0, 4.0), (5.0, 1.5)])
def test_the_noise_of_each_picture_is_told_apart(scene, src, bgr):
    found = measure(*capture(scene, STILL, src, bgr))
    rounding = 1 / 12
    assert found["src_noise"] == pytest.approx(np.sqrt(src**2 + rounding), rel=0.08)
    assert found["bgr_noise"] == pytest.approx(np.sqrt(bgr**2 + rounding), rel=0.08)
    assert abs(found["noise_correlation"]) < 0.05


def test_noise_is_found_also_where_the_camera_moved(scene):
    found = measure(*capture(scene, DRAWN, 3.0, 3.0))
    assert found["src_noise"] == pytest.approx(3.0, rel=0.15)
    assert found["bgr_noise"] == pytest.approx(3.0, rel=0.15)


def test_correlation_of_neighbours_is_found(scene):
    spread = 0.6
    field = noise(9, 3.0, spread)
    expected = np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1]
    assert expected > 0.3
    found = measure(*capture(scene, STILL, 3.0, 3.0, spread))
    assert found["noise_correlation"] == pytest.approx(expected, abs=0.06)


def test_noise_by_brightness_falls_where_it_was_made_to_fall():
    ramp = np.tile(np.linspace(0.1, 0.9, WIDTH, dtype=np.float32)[None, :, None], (HEIGHT, 1, 3))
    rng = np.random.default_rng(3)
    for y, x in rng.integers(10, 300, (150, 2)):  # marks to register by
        cv2.circle(ramp, (int(x * WIDTH / 310), int(y)), 3, (0.5, 0.5, 0.5), -1)
    level = (4.0 - 3.0 * ramp) * 1.0
    one, two = (to_bytes(ramp + noise(seed, 1.0) * level) for seed in (1, 2))
    found = [v for v in measure(one, two)["noise_by_brightness"] if v is not None]
    assert len(found) >= 6
    assert found[0] > 3.0 and found[-1] < 2.0 and found == sorted(found, reverse=True)


def test_the_person_is_left_out_and_little_else(scene):
    src, bgr = capture(scene, STILL)
    free = free_of_people(src, bgr)
    person = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(person, (200, 200), (45, 110), 0, 0, 360, 1, -1)
    assert not free[person > 0].any()
    assert free.mean() > 0.6
    box = ((0.75, 0.1, 0.2, 0.5),)
    assert not free_of_people(src, bgr, box)[60:150, 380:450].any()


def test_a_large_person_does_not_move_what_is_measured(scene):
    src, bgr = capture(scene, DRAWN)
    cv2.rectangle(src, (250, 40), (440, HEIGHT), (150, 60, 40), -1)
    found = measure(src, bgr)
    assert found["gain"] == pytest.approx(DRAWN["gain"], abs=0.05)
    assert found["shift_x"] == pytest.approx(DRAWN["x"] * 512 / WIDTH, abs=0.2)


def test_pairs_that_cannot_be_measured_say_why(scene):
    src, bgr = capture(scene, STILL)
    with pytest.raises(ValueError, match="source is 480x320 and plate 240x160"):
        measure(src, np.ascontiguousarray(bgr[::2, ::2]))
    with pytest.raises(ValueError, match="too dark"):
        measure(src // 40, bgr)
    with pytest.raises(ValueError, match="texture"):
        measure(np.full_like(src, 120), np.full_like(bgr, 120))
    other = cv2.resize(photograph(77), (WIDTH, HEIGHT))
    with pytest.raises(ValueError, match=r"different scenes|free of people|well exposed|flat"):
        measure(other, bgr)


@pytest.mark.parametrize("quality", [30, 61, 75, 92, 100])
def test_jpeg_quality_is_read_from_the_tables(scene, quality):
    data = encode_jpeg(to_bytes(scene), quality)
    assert jpeg_quality(data) == quality
    found = measure_bytes(data, encode_jpeg(to_bytes(scene), 80))
    assert (found["src_quality"], found["bgr_quality"]) == (quality, 80)


def test_blocks_show_without_tables(scene):
    src, _ = capture(scene)
    blocky = cv2.imdecode(np.frombuffer(encode_jpeg(src, 20), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert jpeg_quality(cv2.imencode(".png", src)[1].tobytes()) is None
    assert blockiness(src) == pytest.approx(1, abs=0.03)
    assert blockiness(np.ascontiguousarray(blocky)) > 1.3


def folder(base: Path, *names: str) -> Path:
    base.mkdir()
    for name in names:
        (base / name).touch()
    return base


@pytest.mark.parametrize(
    ("src", "bgr", "expected"),
    [
        (["a.jpg", "b.jpg"], ["a.png", "b.png"], ["a.png", "b.png"]),
        (["x.jpg", "y.jpg"], ["room.png"], ["room.png", "room.png"]),
        (["f_005.png", "f_120.png"], ["p_010.png", "p_100.png"], ["p_010.png", "p_100.png"]),
        (["left.png", "right.png"], ["one.png", "two.png"], ["one.png", "two.png"]),
        (["left.png", "two.png", "up.png"], ["one.png", "two.png"], [None, "two.png", None]),
    ],
)
def test_each_source_gets_its_plate(tmp_path, src, bgr, expected):
    pairs = find_pairs(folder(tmp_path / "src", *src), folder(tmp_path / "bgr", *bgr, "notes.txt"))
    assert [pair.bgr.name if pair.bgr else None for pair in pairs] == expected


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"--bgr: .*none"):
        find_pairs(folder(tmp_path / "src", "a.png"), tmp_path / "none")
    with pytest.raises(ValueError, match=r"--src: .*holds no pictures"):
        find_pairs(folder(tmp_path / "empty"), tmp_path / "none")


def rows(count: int, **columns) -> pd.DataFrame:
    names = (
        "shift", "rotate", "scale", "gain", "gain_red", "gain_blue", "gamma", "src_noise", "bgr_noise",
        "noise_correlation", "src_quality", "bgr_quality", "perspective", "focus", "shading", "subject", "subject_red",
        "subject_blue",
    )  # fmt: skip
    table = pd.DataFrame({name: columns.get(name, np.full(count, np.nan)) for name in names})
    return table.assign(status="ok")


def test_ranges_span_the_quantiles_and_widen_for_few_pairs():
    gains = np.linspace(-0.1, 0.3, 400)
    many = {each.key: each for each in propose(rows(400, gain=gains, src_noise=np.full(400, 5.1)))}
    assert set(many) == {"gain", "noise"}
    assert (many["gain"].low, many["gain"].high) == (-many["gain"].high, pytest.approx(0.28 * 1.1, abs=0.002))
    assert many["noise"].low < 0.02 < many["noise"].high and many["noise"].pairs == 400
    few = {each.key: each for each in propose(rows(4, gain=gains[::133][:4]))}
    assert few["gain"].high > 1.7 * float(np.abs(gains[::133][:4]).max())


def test_quality_stays_a_quality_and_bad_rows_do_not_count():
    table = rows(9, src_quality=np.full(9, 99.0), bgr_quality=np.linspace(60, 99, 9))
    (found,) = propose(table)
    assert found.key == "quality" and 1 <= found.low < 60 and found.high == 99
    assert propose(table.assign(status="too dark")) == []


def test_what_happens_now_and_then_has_a_probability():
    focus = np.array([0, 0, 0, 0, 0.1, 0.9, 1.1, 1.3, -0.2, -2.0])
    found = {each.key: each for each in propose(rows(10, focus=focus, shading=np.zeros(10)))}
    assert set(found) == {"focus", "focus_probability", "breathing", "breathing_probability", "shading_probability"}
    assert (found["focus_probability"].low, found["breathing_probability"].high) == (0.3, 0.1)
    assert found["focus"].low < 0.9 and 1.3 < found["focus"].high < 3 and found["focus"].pairs == 3
    assert found["breathing"].low < 2 < found["breathing"].high
    assert found["shading_probability"].low == found["shading_probability"].high == 0


def test_an_exposure_that_followed_people_is_no_drift():
    subject = np.linspace(-0.8, 0.8, 30)
    drift = 0.02 * np.sin(np.arange(30))
    colour = {
        "subject_red": subject / 2,
        "subject_blue": -subject / 2,
        "gain_red": np.zeros(30),
        "gain_blue": drift / 9,
    }
    table = rows(30, subject=subject, gain=0.5 * subject + drift, **colour)
    found = {each.key: each for each in propose(table)}
    assert found["metering"].low == 1 and found["coupling"].low < 0.5 < found["coupling"].high
    assert found["coupling"].high - found["coupling"].low < 0.1, "colour, set by hand, has no part in it"
    assert found["gain"].high < 0.05
    by_hand = {each.key: each for each in propose(table.assign(gain=drift))}
    assert by_hand["metering"].low == 0 and "coupling" not in by_hand
    alike = {each.key: each for each in propose(table.assign(subject=0.3, subject_red=0.0, subject_blue=0.0))}
    assert "metering" not in alike, "people who all did the same tell nothing"
    assert alike["gain"].high > 0.3


@pytest.mark.realset
def test_a_real_fixed_camera(realset):
    pairs = find_pairs(realset / "pairs/intel_onebyone/src", realset / "pairs/intel_onebyone/bgr")
    found = [measure_bytes(p.src.read_bytes(), p.bgr.read_bytes()) for p in pairs[:2] if p.bgr]
    assert all(each["shift"] < 0.2 and abs(each["gain"]) < 0.3 and 0.6 < each["outside"] < 0.9 for each in found)
    levels = found[0]["noise_by_brightness"]
    assert 1.3 < levels[1] < 3.5 and 0.3 < levels[6] < 1.5, "noise falls with brightness"
    assert 0.3 < found[0]["noise_correlation"] < 0.8
