import numpy as np
import pytest

from compositing.chain.shadow import cast_shadow, contact_shadow
from compositing.chain.subject import warp_subject
from tests.compositing.composite_world import figure, recipe


def shadow(**changes):
    fgr, pha = figure()
    row = recipe(width=256, height=256, fgr_scale=1.0, fgr_x=128.0, fgr_y=120.0, shadow_strength=0.5, **changes)
    subject = warp_subject(fgr, pha, row)
    factor = cast_shadow(row, subject, pha.shape)
    assert factor is not None and factor.shape == (256, 256)
    return 1 - factor, subject.layer[:, :, 3]


def test_no_strength_no_shadow():
    fgr, pha = figure()
    row = recipe()
    assert cast_shadow(row, warp_subject(fgr, pha, row), pha.shape) is None


@pytest.mark.parametrize("side", [-1, 1])
def test_a_ground_shadow_starts_at_the_foot_and_leans_aside(side):
    dark, _ = shadow(shadow_lean=side * 0.3, shadow_scale=0.4, shadow_blur=0.006)
    foot = 120 + 55
    rows = np.flatnonzero(dark.max(axis=1) > 0.1)
    # 110 pixels high, squashed to 0.4, standing on the foot.
    assert rows.max() == pytest.approx(foot, abs=5)
    assert rows.min() == pytest.approx(foot - 44, abs=5)
    x = np.arange(256)
    near, far = (float((dark[y] * x).sum() / dark[y].sum()) for y in (foot - 4, foot - 40))
    assert near == pytest.approx(128 + side * 0.3 * 256 * 4 / 44, abs=4)
    assert far == pytest.approx(128 + side * 0.3 * 256 * 40 / 44, abs=4)


def test_a_negative_scale_falls_towards_the_camera():
    dark, _ = shadow(shadow_lean=0.0, shadow_scale=-0.4, shadow_blur=0.006)
    rows = np.flatnonzero(dark.max(axis=1) > 0.1)
    assert rows.min() == pytest.approx(175, abs=5)
    assert rows.max() == pytest.approx(175 + 44, abs=5)


def test_a_wall_shadow_is_the_outline_moved_aside_not_a_halo():
    dark, alpha = shadow(shadow_lean=0.0, shadow_scale=1.0, shadow_x=0.2, shadow_blur=0.01)
    moved = np.roll(alpha, round(0.2 * 256), axis=1)
    assert np.corrcoef(dark.ravel(), moved.ravel())[0, 1] > 0.97
    assert dark[120, 98:104].max() < 0.02  # nothing on the other side


@pytest.mark.parametrize("blur", [0.005, 0.02, 0.05])
def test_the_grid_it_was_drawn_on_is_not_seen(blur):
    dark, _ = shadow(shadow_lean=0.2, shadow_scale=0.5, shadow_blur=blur)
    assert dark.max() == pytest.approx(1 - 0.5**2.2, abs=0.02)
    steps = np.abs(np.diff(dark, n=2, axis=1))
    assert steps.max() < 0.5 / max(1.0, blur * 256) ** 1.2


def test_where_the_frame_cut_the_subject_off_the_shadow_goes_on():
    pha = np.zeros((100, 60), np.uint8)
    pha[30:, 10:50] = 255  # cut off at the bottom
    fgr = np.full((100, 60, 3), 100, np.uint8)
    row = recipe(
        box_x=10,
        box_y=30,
        box_w=40,
        box_h=70,
        fgr_scale=1.0,
        fgr_x=64.0,
        fgr_y=65.0,
        shadow_strength=0.5,
        shadow_blur=0.01,
    )
    row |= {"shadow_lean": 0.0, "shadow_scale": 1.0, "shadow_x": 0.3, "shadow_y": -0.2}
    factor = cast_shadow(row, warp_subject(fgr, pha, row), pha.shape)
    assert factor is not None
    column = 1 - factor[:, 105]
    assert column[-1] == pytest.approx(column[60], abs=0.02) and column[-1] > 0.7
    assert column[2] < 0.02


def contact(**changes):
    fgr, pha = figure()
    row = recipe(width=256, height=256, fgr_scale=1.0, fgr_x=128.0, fgr_y=120.0, contact_strength=0.5) | changes
    alpha = warp_subject(fgr, pha, row).layer[:, :, 3]
    left = np.ones((256, 256), np.float32)
    found = contact_shadow(row, alpha)
    if found is not None:
        left[found[1]] = found[0]
    return 1 - left


def test_a_contact_shadow_lies_where_the_subject_stands():
    dark = contact()
    foot = 120 + 55
    rows, columns = np.nonzero(dark > 0.1)
    assert foot - 12 <= rows.min() and rows.max() <= foot + 6
    assert columns.mean() == pytest.approx(128, abs=1)
    assert dark.max() == pytest.approx(1 - 0.5**2.2, abs=0.02)
    assert dark[: foot - 20].max() == 0 and dark[:, :90].max() < 0.05
    assert np.abs(np.diff(dark, axis=1)).max() < 0.1


@pytest.mark.parametrize("change", [{"contact_strength": 0.0}, {"fgr_y": 230.0}, {"fgr_x": -300.0}])
def test_no_contact_without_a_foot_in_the_picture(change):
    assert contact(**change).max() == 0
