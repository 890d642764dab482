"""Composites rendered with known numbers are measured: what was drawn is found again."""

import cv2
import numpy as np
import pandas as pd
import pytest

from compositing.calibration.measure import measure, outside_alpha
from compositing.calibration.metering import fit_coupling
from compositing.calibration.ranges import propose
from compositing.render import render
from tests.compositing.composite_world import figure, photograph, recipe

WIDTH, HEIGHT = 480, 360
AT_512 = 512 / WIDTH
CLOTHES = [(20, 25, 30), (230, 220, 210), (90, 60, 160), (160, 150, 60), (40, 120, 50), (250, 250, 250)]


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Half of it detailed, half bare."""
    image = photograph(5, 700, 900).astype(np.float32) * 0.75 + 20
    image[:, 450:] = cv2.GaussianBlur(image, (0, 0), 14)[:, 450:]
    return image.astype(np.uint8)


def measured(scene, clothes=CLOTHES[0], known=True, **drawn):
    fgr, pha = figure()
    fgr = np.where(pha[:, :, None] > 0, np.uint8(clothes), fgr)
    at = {"crop_x": 60.0, "crop_y": 40.0, "crop_w": WIDTH + 48.0, "crop_h": HEIGHT + 48.0, "margin": 24}
    where = {"width": WIDTH, "height": HEIGHT, "fgr_scale": 1.6, "fgr_x": 200.0, "fgr_y": 220.0, "noise_key": 36}
    noise = {"src_noise": 0.01, "bgr_noise": 0.01, "src_quality": 92, "bgr_quality": 92, "src_correlation": 0.3}
    made = render(recipe(**(at | where | noise | drawn)), fgr, pha, scene)
    return measure(made.src, made.bgr, outside_alpha(made.pha) if known else None)


def test_a_neutral_pair_is_found_neutral(scene):
    found = measured(scene, known=False)
    assert found["perspective"] == found["focus"] == 0 and found["shading"] < 0.01
    assert found["shift"] < 0.05 and abs(found["gain"]) < 0.02


@pytest.mark.parametrize("more", [{}, {"shift_x": 2.0, "shift_y": -1.0, "shift_rotate": 0.4, "shift_scale": 1.003}])
def test_perspective_is_found_beside_what_else_moved(scene, more):
    found = measured(scene, tilt_x=0.9, tilt_y=-1.2, **more)
    assert found["perspective"] == pytest.approx(np.sqrt(2) * 1.5 * AT_512, abs=0.2)
    assert found["shift"] == pytest.approx(np.hypot(2, 1) * AT_512 if more else 0, abs=0.06)
    assert found["rotate"] == pytest.approx(more.get("shift_rotate", 0), abs=0.03)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [({"focus": 1.0}, 1.0), ({"focus": 1.8}, 1.8), ({"bgr_blur": 1.0}, -1.0), ({"bgr_blur": 1.8}, -1.8)],
)
def test_what_is_softer_is_found(scene, drawn, expected):
    assert measured(scene, **drawn)["focus"] == pytest.approx(expected * AT_512, abs=0.3)


@pytest.mark.parametrize(("stops", "angle"), [(0.1, 0.0), (0.2, 70.0), (0.4, 200.0)])
def test_uneven_light_is_found_and_is_no_gain(scene, stops, angle):
    found = measured(scene, known=False, shading=stops, shading_angle=angle)
    assert found["shading"] == pytest.approx(stops, abs=0.02)
    assert abs(found["gain"]) < 0.03 and abs(found["gamma"] - 1) < 0.02
    assert found["perspective"] == 0 and found["shift"] < 0.06


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_what_a_meter_takes_back_is_found(scene, share):
    rows = [
        measured(scene, clothes, metering=share, metering_colour=share / 2, gain=0.05, fgr_scale=1.6 + 0.2 * n)
        for n, clothes in enumerate(CLOTHES)
    ]
    pairs = pd.DataFrame(rows).assign(status="ok", src_quality=np.nan, bgr_quality=np.nan)
    exposure, colour = fit_coupling(pairs)
    assert exposure and exposure.share == pytest.approx(share, abs=0.08)
    assert colour and colour.share == pytest.approx(share / 2, abs=0.03)
    found = {each.key: each for each in propose(pairs)}
    assert found["metering"].low == float(share > 0)
    assert ("coupling" in found) == (share > 0)
    assert found["gain"].high < 0.15, "what the meter did is no drift"
    if share:
        assert (found["coupling"].low, found["coupling"].high) == pytest.approx((share / 2, share), abs=0.05)
    assert found["perspective_probability"].low == found["shading_probability"].low == 0 and "shading" not in found
