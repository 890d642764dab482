import numpy as np
import pytest

from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_bytes, to_display
from tests.training.evaluation.exact_world import SIDE, make_sample
from training.evaluation import changes


@pytest.fixture(scope="module")
def sample():
    return make_sample()


@pytest.fixture(scope="module")
def chance():
    return changes.draw_chance(1, 0)


def test_chance_hangs_on_the_sample_alone(chance):
    again, other = changes.draw_chance(1, 0), changes.draw_chance(1, 1)
    assert (again.angle, again.noise_key) == (chance.angle, chance.noise_key)
    np.testing.assert_array_equal(again.places, chance.places)
    assert other.angle != chance.angle and changes.draw_chance(2, 0).angle != chance.angle


def test_a_shift_moves_the_plate_by_its_pixels_and_nothing_else(sample, chance):
    right = chance._replace(angle=0.0)
    margin = changes.margin_of(sample, 16)
    assert margin == 6  # 16 at 512 are 4 pixels here, and 2 of room
    moved = changes.shifted(sample, 16, right, margin)
    inner = changes.cropped(sample, margin)
    expected = sample.bgr[margin:-margin, margin - 4 : -margin - 4]
    assert np.abs(moved.bgr.astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(moved.src, inner.src)
    np.testing.assert_array_equal(moved.pha, sample.pha[margin:-margin, margin:-margin])
    up = changes.shifted(sample, 16, chance._replace(angle=90.0), margin)
    assert np.abs(up.bgr.astype(int) - sample.bgr[margin + 4 : SIDE - margin + 4, margin:-margin]).max() <= 1


def test_part_of_a_pixel_is_a_shift_too(sample, chance):
    margin = changes.margin_of(sample, 2)
    half = changes.shifted(sample, 2, chance._replace(angle=0.0), margin).bgr.astype(float)
    window = slice(margin, -margin)
    between = (sample.bgr[window, margin:-margin].astype(float) + sample.bgr[window, margin - 1 : -margin - 1]) / 2
    assert np.abs(half - between).max() <= 1


def test_a_shift_larger_than_the_picture_is_refused(sample):
    with pytest.raises(ValueError, match=r"128x128 loses 40 .* lower robustness.shift"):
        changes.cropped(sample, 40)


@pytest.mark.parametrize("stops", [-1.0, 0.5])
def test_exposure_multiplies_light(sample, chance, stops):
    changed = changes.exposed(sample, stops, chance)
    ratio = bytes_to_linear(changed.bgr) / bytes_to_linear(sample.bgr)
    assert np.median(ratio) == pytest.approx(2**stops, rel=0.02)
    np.testing.assert_array_equal(changed.src, sample.src)


def test_white_balance_turns_red_up_and_blue_down(sample, chance):
    ratio = bytes_to_linear(changes.tinted(sample, 0.3, chance).bgr) / bytes_to_linear(sample.bgr)
    assert np.median(ratio, axis=(0, 1)) == pytest.approx([2**0.3, 1, 2**-0.3], rel=0.02)


def test_gamma_is_of_display_values(sample, chance):
    expected = 255 * (sample.bgr / 255) ** 1.3
    assert np.abs(changes.bent(sample, 1.3, chance).bgr - expected).max() <= 1


def test_noise_has_its_sigma_and_each_picture_its_own(sample, chance):
    grey = np.full_like(sample.src, 128)
    noisy = changes.noisy(sample._replace(src=grey, bgr=grey), 0.03, chance)
    one, two = (image.astype(float).ravel() - 128 for image in (noisy.src, noisy.bgr))
    assert one.std() / 255 == pytest.approx(0.03, rel=0.1) == two.std() / 255
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.05


def test_compression_touches_both_pictures(sample):
    rough, fine = (changes.compressed(sample, quality) for quality in (10, 95))
    for layer in ("src", "bgr"):
        before = getattr(sample, layer).astype(int)
        far, near = (np.abs(getattr(each, layer) - before).mean() for each in (rough, fine))
        assert far > 2 * near > 0


@pytest.mark.parametrize("whole", [False, True])
def test_a_shadow_falls_beside_the_person_and_not_on_it(chance, whole):
    sample = make_sample(whole=whole)
    shade = changes.shadow_of(sample, 0.5, chance)
    assert shade.min() == pytest.approx(0.5**2.2, abs=0.05) and shade.max() > 0.95
    shaded = changes.shaded(sample, 0.5, chance)
    np.testing.assert_array_equal(shaded.src[sample.pha == 255], sample.src[sample.pha == 255])
    fallen = (sample.pha == 0) & (shade < 0.7)
    assert fallen.any()
    ratio = bytes_to_linear(shaded.src)[fallen] / bytes_to_linear(sample.src)[fallen]
    assert np.abs(ratio / shade[fallen][:, None] - 1).mean() < 0.05
    np.testing.assert_array_equal(shaded.bgr, sample.bgr)


def test_no_shadow_changes_nothing(sample, chance):
    np.testing.assert_array_equal(changes.shaded(sample, 0.0, chance).src, sample.src)


@pytest.mark.parametrize("space", ["linear", "display"])
def test_another_scene_stands_behind_the_person_as_rendering_would_put_it(space):
    sample = make_sample(0, space)
    behind, alpha = bytes_to_linear(np.ascontiguousarray(sample.bgr[::-1])), sample.pha.astype(np.float32) / 255
    rendered = to_bytes(to_display(composite_in(space, bytes_to_linear(sample.fgr), alpha, behind)))
    assert np.abs(changes.scene_behind(sample, behind).astype(int) - rendered).max() <= 2
