import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.identity import rng
from training.evaluation import alignment, baseline
from training.evaluation.alignment import align, match_tone

SIDE = 224


def scene(seed: int) -> np.ndarray:
    """A wall with pictures: large and small structure, soft light; float32 in [0, 1]."""
    draw = rng(seed, "scene")
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    for size, weight in ((4, 0.35), (16, 0.2), (56, 0.15)):
        layer = draw.random((size, size, 3)).astype(np.float32)
        image += weight * cv2.resize(layer, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y, w, h = (int(v) for v in draw.integers(8, SIDE - 48, 4) // (1, 1, 4, 4))
        cv2.rectangle(image, (x, y), (x + w, y + h), [float(v) for v in draw.uniform(0.2, 0.8, 3)], -1)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.8), 0.05, 0.95)


def figure(seed: int, radius: float = 0.22) -> tuple[np.ndarray, np.ndarray]:
    """A spotted body with a soft edge: colour and alpha, float32."""
    draw = rng(seed, "figure")
    pha = np.zeros((SIDE, SIDE), np.float32)
    centre = (SIDE // 2 + int(draw.integers(-30, 30)), SIDE // 2 + 10)
    cv2.ellipse(pha, centre, (int(SIDE * radius), int(SIDE * radius * 1.6)), 0, 0, 360, 1.0, -1)
    spots = cv2.resize(draw.random((9, 9, 3)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.clip(spots * np.float32([1.0, 0.4, 0.3]), 0, 1), cv2.GaussianBlur(pha, (0, 0), 1.2)


def to_bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def warp_of(shift: tuple[float, float], degrees: float = 0.0) -> np.ndarray:
    centre = (SIDE / 2 - 0.5, SIDE / 2 - 0.5)
    warp = cv2.getRotationMatrix2D(centre, degrees, 1.0)
    warp[:, 2] += shift
    return warp.astype(np.float32)


def pair(seed: int, warp: np.ndarray, gain=(1.0, 1.0, 1.0), radius: float = 0.22):
    """Source, captured background (``warp`` takes source pixels to background pixels) and alpha."""
    wall = scene(seed)
    colour, pha = figure(seed, radius)
    src = colour * pha[..., None] + wall * (1 - pha[..., None])
    moved = cv2.warpAffine(wall, warp, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    noise = rng(seed, "noise").normal(0, 0.008, (2, SIDE, SIDE, 3))
    return to_bytes(src + noise[0]), to_bytes(moved * np.float32(gain) + noise[1]), to_bytes(pha)


def miss(found: np.ndarray, true: np.ndarray) -> float:
    x, y = np.meshgrid(np.linspace(0, SIDE - 1, 5), np.linspace(0, SIDE - 1, 5))
    points = np.stack([x.ravel(), y.ravel(), np.ones(25)])
    return float(np.hypot(*((found - true).astype(np.float64) @ points)).mean())


@pytest.mark.parametrize(
    ("shift", "degrees"), [((3.3, -1.7), 0.0), ((-0.6, 0.4), 0.0), ((2.0, 3.0), 0.6), ((-5.5, 2.2), -0.4)]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_alignment_recovers_a_known_motion_behind_a_person_and_a_change_of_exposure(shift, degrees, seed):
    true = warp_of(shift, degrees)
    src, bgr, _ = pair(seed, true, gain=(0.8, 0.85, 0.9))
    found = align(src, bgr)
    assert miss(found.warp, true) < 0.4
    assert found.offset == pytest.approx(miss(true, np.eye(2, 3)), abs=0.4)


def test_alignment_leaves_alone_what_lies_right():
    src, bgr, _ = pair(3, warp_of((0, 0)))
    assert align(src, bgr).offset < 0.1


@pytest.mark.parametrize("kind", ["flat", "unrelated"])
def test_alignment_does_no_harm_where_nothing_can_be_found(kind):
    src, *_ = pair(4, warp_of((0, 0)))
    other = np.full_like(src, 90) if kind == "flat" else to_bytes(scene(99))
    before = np.abs(src.astype(int) - other).clip(max=20).mean()
    found = align(src, other)
    after = np.abs(src.astype(int) - alignment.apply(found, other)).clip(max=20).mean()
    assert np.isfinite(found.warp).all()
    assert after <= before + 1


def test_alignment_names_sizes_that_differ():
    with pytest.raises(ValueError, match=r"\(224, 224, 3\).*\(8, 8, 3\).*resize"):
        align(np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("radius", [0.15, 0.3, 0.42])  # up to most of the frame
@pytest.mark.parametrize("gain", [(0.75, 0.8, 0.85), (1.1, 1.05, 1.0)])
def test_tone_is_matched_per_channel_however_large_the_person(gain, radius):
    src, bgr, pha = pair(5, warp_of((0, 0)), gain, radius)
    behind = pha == 0
    before = np.abs(src.astype(int) - bgr)[behind].mean()
    after = np.abs(src.astype(int) - match_tone(src, bgr))[behind].mean()
    assert after < 3 < before  # the noise alone makes 2.3


def test_tone_curve_is_matched():
    src, bgr, pha = pair(6, warp_of((0, 0)))
    bent = np.rint(255 * (bgr / 255.0) ** 1.15).astype(np.uint8)
    assert np.abs(src.astype(int) - match_tone(src, bent))[pha == 0].mean() < 3


def test_tone_is_left_alone_where_there_is_no_light():
    dark = np.zeros((64, 64, 3), np.uint8)
    assert np.array_equal(match_tone(dark, dark), dark)


@pytest.fixture(scope="module")
def hard_pairs():
    draw = rng(1, "pairs")
    return [
        pair(seed, warp_of(tuple(draw.uniform(-3, 3, 2)), draw.uniform(-0.4, 0.4)), draw.uniform(0.8, 1.1, 3))
        for seed in range(10, 16)
    ]


@pytest.fixture(scope="module")
def tuned(hard_pairs):
    mean = baseline.mean_matte([p for _, _, p in hard_pairs[:3]], SIDE, SIDE)
    measured = [baseline.measure(*sample, mean) for sample in hard_pairs[:3]]
    return baseline.tune(measured), mean


def mad(alpha: np.ndarray, pha: np.ndarray) -> float:
    return float(np.abs(alpha - pha / 255.0).mean())


def test_baseline_is_strong_on_pairs_it_was_not_tuned_on(hard_pairs, tuned):
    winner, mean = tuned
    for src, bgr, pha in hard_pairs[3:]:
        alpha = baseline.matte(src, bgr, winner, mean)
        assert alpha.shape == pha.shape
        assert alpha.dtype == np.float32
        assert 0 <= alpha.min() <= alpha.max() <= 1
        assert mad(alpha, pha) < 0.25 * mad(np.zeros_like(alpha), pha)


def test_alignment_and_tone_are_what_makes_it_strong(hard_pairs, tuned):
    winner, _ = tuned
    answer = baseline.response(winner.low, winner.high)
    for src, bgr, pha in hard_pairs[3:]:
        raw = answer[baseline.difference(src, bgr, winner.feature)]
        matched = answer[baseline.difference(src, baseline.prepare(src, bgr), winner.feature)]
        assert mad(matched, pha) < 0.6 * mad(raw, pha)


def test_tuned_mad_is_the_mad_of_its_mattes(hard_pairs, tuned):
    winner, mean = tuned
    measured = np.mean([mad(baseline.matte(src, bgr, winner, mean), pha) for src, bgr, pha in hard_pairs[:3]])
    assert winner.mad[winner.rival] == pytest.approx(measured, abs=2e-6)
    assert winner.mad["zero"] == pytest.approx(np.mean([p.mean() / 255 for *_, p in hard_pairs[:3]]), abs=2e-6)
    assert winner.mad[winner.rival] == min(winner.mad.values())


def test_zero_and_mean_win_where_the_difference_says_nothing():
    src, _, _ = pair(7, warp_of((0, 0)))
    faint = np.zeros((SIDE, SIDE), np.uint8)
    faint[:40] = 30  # a matte of which nothing is seen
    empty = np.zeros((SIDE, SIDE), np.float32)
    zero = baseline.tune([baseline.measure(src, src, faint, empty + 0.5)])
    assert zero.rival == "zero"
    assert not baseline.matte(src, src, zero, empty + 0.5).any()
    mean = baseline.mean_matte([faint], SIDE, SIDE)
    known = baseline.tune([baseline.measure(src, src, faint, mean)])
    assert known.rival == "mean"
    assert np.array_equal(baseline.matte(src, src, known, mean), mean)


def test_mattes_do_not_depend_on_threads(hard_pairs, tuned):
    winner, mean = tuned
    src, bgr, _ = hard_pairs[4]
    many = baseline.matte(src, bgr, winner, mean)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        assert np.array_equal(baseline.matte(src, bgr, winner, mean), many)
    finally:
        cv2.setNumThreads(threads)


def test_settings_survive_json(tuned):
    winner, _ = tuned
    assert baseline.Tuned.from_json(json.loads(json.dumps(winner.to_json()))) == winner


def test_slack_forgives_half_a_pixel():
    wall = to_bytes(scene(8))
    moved = cv2.warpAffine(wall, warp_of((0.5, 0.5)), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    strict, lenient = (baseline.distance(wall, moved, "rgb", slack).mean() for slack in (0, 1))
    assert lenient < 0.2 * strict


@given(st.integers(0, 200), st.integers(1, 55))
def test_response_rises_from_zero_to_one(low, width):
    values = baseline.response(low, low + width)
    assert (values[: low + 1] == 0).all()
    assert (values[low + width :] == 1).all()
    assert (np.diff(values) >= 0).all()


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(ValueError, match=r"plan\.refine\.count"):
        baseline.mean_matte([], 4, 4)
    with pytest.raises(ValueError, match=r"plan\.valid\.count"):
        baseline.tune([])
