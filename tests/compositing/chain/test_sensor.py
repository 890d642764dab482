import numpy as np
import pytest

from compositing.chain.grain import TILE, Grain, blend
from compositing.chain.look import curve_table
from compositing.chain.sensor import Picture, Sensor, develop, grain_variance, sharpen, tone_curve
from compositing.kernels.rows import grainy
from compositing.light import to_display


def grain(shape, white, key, stream):
    return Grain((*shape, 3), white, key, stream).rows(slice(0, shape[0]))


def developed(light, *settings):
    return develop(light.__getitem__, light.shape, *settings)


def neighbours(field, axis=1):
    one, two = (np.delete(field, end, axis=axis).ravel() for end in (0, -1))
    return np.corrcoef(one, two)[0, 1]


def flat(display, side=400):
    return np.full((side, side, 3), ((display + 0.055) / 1.055) ** 2.4, np.float32)


def test_grain_is_white_with_unit_variance():
    field = grain((700, 900), 1.0, 77, 0)
    assert field.shape == (700, 900, 3)
    assert field.mean() == pytest.approx(0, abs=5e-3)
    assert field.var() == pytest.approx(1, abs=0.01)
    kurtosis = (field.astype(np.float64) ** 4).mean() / field.var() ** 2
    assert kurtosis == pytest.approx(3, abs=0.05)
    for channel in range(3):
        power = np.abs(np.fft.fft2(field[:512, :512, channel])) ** 2 / 512**2
        rings = power.reshape(16, 32, 16, 32).mean(axis=(1, 3))
        assert rings == pytest.approx(1, abs=0.2)  # 1024 independent values each: six sigma
    assert abs(np.corrcoef(field[:, :, 0].ravel(), field[:, :, 1].ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("key", range(12))
def test_rows_are_those_of_the_whole_field(key):
    whole = Grain((600, 700, 3), 0.6, key, 0)
    field = whole.rows(slice(0, 600))
    for first, last in ((0, 21), (500, 530), (599, 600)):
        assert whole.rows(slice(first, last)) == pytest.approx(field[first:last], abs=1e-5)


def test_source_and_plate_share_no_grain_wherever_it_is_looked_for():
    one, two = (grain((TILE // 2, TILE // 2), 1.0, 5, stream)[:, :, 0] for stream in (0, 1))
    for other in (two, two.T, two[::-1], two[:, ::-1], two[::-1, ::-1], two.T[::-1], two.T[:, ::-1]):
        spectrum = np.fft.fft2(one) * np.conj(np.fft.fft2(other))
        assert np.abs(np.fft.ifft2(spectrum)).max() / one.size < 0.02  # at any shift: a shared piece would give 1
    again = grain((512, 512), 1.0, 5, 0)
    assert (again[:, :, 0] == one).all()
    assert abs(np.corrcoef(grain((512, 512), 1.0, 6, 0).ravel(), again.ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("correlation", [0.0, 0.25, 0.5, 0.6])
@pytest.mark.parametrize("amount", [0.0, 0.4])
def test_level_and_correlation_are_those_of_the_finished_picture(correlation, amount):
    white, level = blend(correlation, amount)
    field = sharpen(level * grain((512, 512), white, 3, 1), amount)
    assert field.std() == pytest.approx(1, rel=0.01)
    if correlation or not amount:  # sharpened white noise has a correlation below 0
        assert neighbours(field) == pytest.approx(correlation, abs=0.02)
        assert neighbours(field, axis=0) == pytest.approx(correlation, abs=0.02)


def test_shot_noise_grows_with_light_and_read_noise_does_not():
    def variance(light, read):
        grain = Grain((400, 400, 3), 1.0, 1, 0)
        spread = np.array([*grain_variance(0.01, read), *grain.shares], np.float32)
        given, found = np.full((400, 400, 3), light, np.float32), np.empty((400, 400, 3), np.float32)
        table = curve_table(lambda light: light)
        grainy(given, np.ones(3, np.float32), 0, grain.pieces, *grain.tiles, spread, table, found)
        return float((found - given).var())

    assert variance(0.8, 0.0) / variance(0.2, 0.0) == pytest.approx(4, rel=1e-2)
    assert variance(0.8, 1.0) / variance(0.2, 1.0) == pytest.approx(1, rel=1e-2)
    assert variance(0.0, 0.0) == 0


def test_the_level_is_reached_at_mid_grey():
    picture = developed(flat(0.5), Sensor(0.02, 0.3, 0.5, 0.4, 0.3), 1.0, 9, 0) / 255.0
    assert picture.std() == pytest.approx(0.02, rel=0.03)
    assert picture.mean() == pytest.approx(0.5, abs=0.002)


def test_noise_falls_with_brightness_as_in_a_real_camera():
    """A fixed indoor camera left 3.0 levels in the dark and 1.1 in the light, neighbours at 0.5, after its JPEGs."""
    sensor = Sensor(noise=2.2 / 255, read=0.05, correlation=0.5, tone=0.5, sharpen=0.2)
    pictures = [developed(flat(level / 255), sensor, 1.0, 9, 0).astype(float) for level in (25, 55, 115, 175, 225)]
    found = [picture.std() for picture in pictures]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(3.0, abs=0.5)
    assert found[-1] == pytest.approx(1.1, abs=0.3)
    assert neighbours(pictures[2]) == pytest.approx(0.5, abs=0.06)


def test_without_noise_only_the_tone_curve_is_left():
    ramp = np.linspace(0, 1, 300, dtype=np.float32).reshape(1, 100, 3).repeat(4, axis=0)
    quiet = Sensor(0.0, 0.5, 0.5, 0.0, 0.0)
    assert np.abs(developed(ramp, quiet, 1.0, 1, 0) - to_display(ramp) * 255).max() <= 0.56
    assert (developed(ramp * 3, quiet, 1.0, 1, 0)[:, 34:] == 255).all()
    assert np.abs(developed(ramp, quiet, 1.2, 1, 0) - to_display(ramp) ** 1.2 * 255).max() <= 0.56


def test_sharpening_overshoots_at_an_edge_and_leaves_the_mean():
    step = np.zeros((20, 40, 3), np.float32) + 0.3
    step[:, 20:] = 0.6
    crisp = sharpen(step, 0.5)
    assert crisp.max() > 0.62 and crisp.min() < 0.28
    assert crisp.mean() == pytest.approx(step.mean(), abs=1e-4)
    assert sharpen(step, 0.0) is step


@pytest.mark.parametrize("heights", [[150], [1, 1, 1, 147], [2, 3, 145], [100, 49, 1], [1], [2], [1, 1]])
def test_a_picture_developed_by_rows_is_the_picture_sharpened_whole(heights):
    light = np.random.default_rng(1).random((sum(heights), 40, 3), dtype=np.float32)
    picture, top = Picture(light.shape, Sensor(0.0, 0.0, 0.0, 0.0, 0.4), 1.0, 1, 0), 0
    for height in heights:
        picture.expose(slice(top, top + height), light[top : top + height])
        top += height
    whole = np.clip(sharpen(to_display(light), 0.4), 0, 1) * 255
    assert np.abs(picture.finished() - whole).max() <= 0.6


def test_the_tone_curve_keeps_its_ends_and_mid_grey_and_is_flat_at_both_ends():
    ends = np.float32([0, 0.5, 1])
    assert tone_curve(ends, 0.4) == pytest.approx(ends)
    values = np.linspace(0, 1, 101, dtype=np.float32)
    slope = np.diff(tone_curve(values, 0.4)) * 100
    assert (slope > 0).all() and slope[0] < 0.65 and slope[-1] < 0.65 and slope[50] == pytest.approx(1.2, abs=0.01)
    assert tone_curve(values, 0.0) is values
