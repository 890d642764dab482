import numpy as np
import pytest

from compositing.plan.drawing import draw_camera, draw_subject
from compositing.plan.draws import Draws
from compositing.tables import PLAN
from tests.compositing.composite_world import plan_params, recipe

COUNT = 4000
NOBODY = np.zeros(COUNT, bool)


def draws():
    return Draws(5, "base", np.arange(COUNT))


def camera(long_side=512, cut=NOBODY, empty=NOBODY, **changes):
    return draw_camera(draws(), plan_params().train.model_copy(update=changes), long_side, cut, empty)


def test_every_number_has_a_column_and_a_place_in_a_recipe():
    names = set(camera()) | set(draw_subject(draws(), plan_params().look, 512))
    assert names <= set(PLAN.columns) and names <= set(recipe())


@pytest.mark.parametrize(
    ("column", "switch", "limits"),
    [
        ("focus", "focus_probability", "focus"),
        ("shading", "shading_probability", "shading"),
        ("metering", "metering", "coupling"),
        ("metering_colour", "metering", "coupling"),
        ("shake", "shake_probability", "shake"),
        ("change_w", "change", "change_size"),
        ("contact_strength", "contact", "contact_strength"),
        ("bgr_blur", "breathing_probability", "breathing"),
    ],
)
def test_each_step_happens_as_often_and_as_far_as_stated(column, switch, limits):
    low, high = getattr(plan_params().train, limits)
    values = camera(**{switch: 0.3})[column]
    on = values[values != 0]
    assert len(on) / COUNT == pytest.approx(0.3, abs=0.03)
    assert low <= on.min() < low + 0.05 * (high - low) and high - 0.05 * (high - low) < on.max() <= high
    assert (camera(**{switch: 0.0})[column] == 0).all()


@pytest.mark.parametrize(("columns", "switch"), [("tilt", "perspective"), ("parallax", "parallax")])
def test_a_camera_moves_in_any_direction_no_further_than_stated(columns, switch):
    found = camera(**{f"{switch}_probability": 1.0, switch: (1.0, 2.0)})
    length = np.hypot(found[f"{columns}_x"], found[f"{columns}_y"]) * (np.sqrt(2) if columns == "tilt" else 1)
    assert length.min() >= 1.0 and length.max() <= 2.0
    for axis in "xy":
        assert found[f"{columns}_{axis}"].mean() == pytest.approx(0, abs=0.1)
    still = camera(**{f"{switch}_probability": 0.0})
    assert not still[f"{columns}_x"].any() and not still[f"{columns}_y"].any()


def test_pixels_grow_with_the_composite_and_shares_do_not():
    small, large = camera(512), camera(2048)
    for name in ("focus", "shake", "tilt_x", "parallax_y", "bgr_blur"):
        assert large[name] == pytest.approx(4 * small[name])
    for name in ("breathing", "change_w", "shading", "tone"):
        assert large[name] == pytest.approx(small[name])


def test_only_who_stands_in_the_picture_touches_the_ground():
    cut, empty = np.arange(COUNT) % 2 == 0, np.arange(COUNT) % 3 == 0
    dark = camera(contact=1.0, cut=cut, empty=empty)["contact_strength"] > 0
    assert (dark == ~cut & ~empty).all()


def test_exact_perturbs_nothing_but_noise():
    exact = draw_camera(draws(), plan_params().strengths.exact, 512, NOBODY, NOBODY)
    clean = recipe()
    for name, values in exact.items():
        if name in ("read", "motion_angle", "change_x", "change_y", "change_turn") or name.endswith("_angle"):
            continue
        assert (values == clean[name]).all() or name.startswith("change_from"), name
    assert not exact["change_w"].any()
