"""The metrics against the published implementations' numbers, and where those fail."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation.metrics import (
    both_conventions,
    by_region,
    dtssd,
    foreground,
    make_trimap,
    unknown_region,
    whole_image,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())


def read(index: int, name: str) -> np.ndarray:
    image = cv2.imread(str(GOLDEN / f"{index}_{name}.png"), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("expected", EXPECTED, ids=lambda case: str(case["pair"]))
def test_agrees_with_both_published_conventions(expected: dict, dtype: type) -> None:
    names = ("pred", "pred_prev", "true", "true_prev")
    pred, pred_prev, true, true_prev = ((read(expected["pair"], name) / 255).astype(dtype) for name in names)
    whole = {**whole_image(pred, true)._asdict(), "dtssd": dtssd(pred, pred_prev, true, true_prev)}
    assert whole == pytest.approx(expected["whole_image_rvm"], rel=1e-5)
    unknown = unknown_region(pred, true, read(expected["pair"], "trimap"))._asdict()
    assert unknown == pytest.approx(expected["trimap_unknown_bgmv2"], rel=1e-5)


def disc(side: int = 64, radius: float = 20.0, centre: float = 32.0) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.clip(radius - np.hypot(x - centre, y - 32), 0, 1).astype(np.float32)


def test_the_same_matte_is_perfect() -> None:
    assert whole_image(disc(), disc()) == (0, 0, 0, 0)
    assert dtssd(disc(), disc(centre=30), disc(), disc(centre=30)) == 0


def test_mattes_with_nothing_in_common_have_the_natural_limit() -> None:
    # No pixel is connected at any threshold: each counts with its whole alpha, where that is at least 0.15.
    left, right = disc(radius=10, centre=14), disc(radius=10, centre=48)
    found = whole_image(left, right).conn
    assert found == pytest.approx(1e-3 * (left[left >= 0.15].sum() + right[right >= 0.15].sum()), rel=1e-6)


def test_a_common_part_below_a_threshold_only_goes_on_above_it() -> None:
    true, pred = disc(), 0.55 * disc()
    found = whole_image(pred, true).conn
    # Connected up to 0.5: above it true keeps a distance of 0.5, pred one below the tolerance.
    core = (true > 0.999).sum()
    assert found == pytest.approx(1e-3 * 0.5 * core, rel=0.1)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_constant_mattes_have_no_gradient_and_no_failure(value: float) -> None:
    flat = np.full((32, 40), value)
    found = whole_image(flat, np.zeros((32, 40)))
    assert found.grad == 0
    assert found.mad == pytest.approx(1e3 * value)
    assert all(math.isfinite(figure) for figure in found)
    assert whole_image(flat, disc()[:32, :40]).grad == whole_image(np.zeros((32, 40)), disc()[:32, :40]).grad


def test_regions_split_the_error_of_the_whole() -> None:
    true, pred = disc(), np.clip(disc(radius=19.5) + 0.05, 0, 1)
    regions = by_region(pred, true)
    shares = ((true == 0).mean(), ((true > 0) & (true < 1)).mean(), (true == 1).mean())
    total = sum(share * mad for share, mad in zip(shares, regions, strict=True))
    assert total == pytest.approx(whole_image(pred, true).mad, rel=1e-6)
    assert math.isnan(by_region(true, np.ones_like(true)).soft)


def test_foreground_counts_only_where_it_is_seen() -> None:
    pha = disc()
    true = np.zeros((3, 64, 64), np.float32)
    pred = np.where(pha > 0, 0.1, 0.9).astype(np.float32) * np.ones((3, 1, 1), np.float32)
    found = foreground(pred, true, pha)
    assert found.mad == pytest.approx(100, rel=1e-5)
    assert found.mse == pytest.approx(10, rel=1e-5)
    assert math.isnan(foreground(pred, true, np.zeros_like(pha)).mad)


def test_a_trimap_without_unknown_pixels_has_sums_of_zero_and_no_mean() -> None:
    found = unknown_region(disc(), disc(), np.zeros((64, 64), np.uint8))
    assert (found.sad, found.grad, found.conn) == (0, 0, 0)
    assert math.isnan(found.mse)


def test_what_is_no_matte_is_refused() -> None:
    good = disc()
    with pytest.raises(ValueError, match="divide 8-bit values by 255"):
        whole_image((good * 255).astype(np.uint8), good)
    with pytest.raises(ValueError, match="shapes differ"):
        whole_image(good, good[:32])
    with pytest.raises(ValueError, match="1 of 4096 values are not finite"):
        bad = good.copy()
        bad[3, 3] = np.nan
        whole_image(bad, good)
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        whole_image(good[None], good[None])
    with pytest.raises(ValueError, match=r"must be \(3, H, W\)"):
        foreground(np.zeros((64, 64, 3)), np.zeros((64, 64, 3)), good)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 24), st.integers(1, 24))
def test_any_pair_is_symmetric_and_finite(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.random((2, height, width)).round(1)
    there, back = whole_image(one, other), whole_image(other, one)
    assert all(math.isfinite(figure) and figure >= 0 for figure in there)
    assert there == pytest.approx(back, rel=1e-9, abs=1e-12)


def test_the_trimap_is_the_soft_band_with_its_gaps_closed() -> None:
    true = np.zeros((80, 80))
    true[:, 30:] = 1
    true[:, 28], true[:, 29] = 0.5, 0.97
    true[:, 40] = 0.2
    trimap = make_trimap(true)
    # 0.97 counts as known, but lies in the gap of 11 pixels that closes.
    assert (trimap[40] == 128).tolist() == [28 <= x <= 40 for x in range(80)]
    assert trimap[40, 27] == 0 and trimap[40, 41] == 255
    far = np.zeros((80, 80))
    far[:, 20] = far[:, 55] = 0.5
    assert (make_trimap(far)[40] == 128).sum() == 2


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda case: str(case["pair"]))
def test_both_conventions_at_once_are_those_alone(expected: dict) -> None:
    pred, true = (read(expected["pair"], name) / 255 for name in ("pred", "true"))
    trimap = read(expected["pair"], "trimap")
    assert both_conventions(pred, true, trimap) == (whole_image(pred, true), unknown_region(pred, true, trimap))
