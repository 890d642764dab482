import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.registration import phase_cross_correlation

from compositing.codec import decode_grey_layer, decode_rgb_layer
from compositing.composite import composite, composite_in
from compositing.light import bytes_to_linear, to_display
from compositing.render import render
from compositing.tables import LAYERS
from tests.compositing.composite_world import figure, photograph, recipe

PHOTO = photograph(3)
MATTE = figure()


def made(**changes):
    return render(recipe(**changes), *MATTE, PHOTO)


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int))


def test_exact_strength_shows_the_same_background_up_to_noise_and_codec():
    layers = made()
    outside = layers.pha == 0
    assert (layers.src[outside] == layers.bgr[outside]).all()  # before compression not even a rounding differs
    noisy = made(src_noise=0.006, bgr_noise=0.006, src_quality=95, bgr_quality=95)
    src, bgr = (decode_rgb_layer(noisy.members[name]) for name in ("src.jpg", "bgr.jpg"))
    off = src[outside].astype(float) - bgr[outside]
    assert abs(off.mean()) < 0.1
    assert off.std() < 4.0


def test_an_unscaled_crop_comes_through_to_the_byte():
    layers = made(crop_w=128.0, crop_h=96.0)
    assert (layers.bgr == PHOTO[48:144, 64:192]).all()
    mirrored = made(crop_w=128.0, crop_h=96.0, bgr_flip=True)
    assert (mirrored.bgr == PHOTO[48:144, 64:192][:, ::-1]).all()


@pytest.mark.parametrize("shift", [(1.5, 0.0), (0.0, -2.25), (-3.0, 1.0)])
def test_a_known_shift_is_measured_back(shift):
    layers = made(shift_x=shift[0], shift_y=shift[1], fgr_x=-500.0)  # the subject is out of the picture
    window = np.outer(np.hanning(96), np.hanning(128))
    src, bgr = ((layer.mean(axis=2) - layer.mean()) * window for layer in (layers.src, layers.bgr))
    found = phase_cross_correlation(bgr, src, upsample_factor=50, normalization=None)[0][::-1]
    assert found == pytest.approx(shift, abs=0.1)


OTHER = {"clip": "test/0001", "frame": 1, "box_x": 30, "box_y": 20, "box_w": 50, "box_h": 110, "flip": False}
OTHER |= {"scale": 0.5, "x": 75.0, "y": 60.0, "rotate": 0.0, "shear": 0.0, "frame_id": "1" * 32}
SECOND = {f"second_{name}": value for name, value in OTHER.items()}


def test_two_subjects_stand_one_behind_the_other():
    red = (np.full_like(MATTE[0], (200, 40, 40)), MATTE[1])
    both = render(recipe(**SECOND), *MATTE, PHOTO, red)
    first = made()
    second = render(recipe(fgr_scale=0.5, fgr_x=75.0, fgr_y=60.0), *red, PHOTO)
    union = 1 - (1 - first.pha / 255.0) * (1 - second.pha / 255.0)
    assert np.abs(both.pha / 255.0 - union).max() < 0.01
    overlap = (first.pha == 255) & (second.pha == 255)
    behind = (first.pha == 0) & (second.pha == 255)
    assert overlap.any() and behind.any()
    assert difference(both.src, first.src)[overlap].max() <= 1
    assert difference(both.src, second.src)[behind].max() <= 1
    assert difference(both.src, both.fgr)[both.pha == 255].max() <= 1
    assert difference(both.src, first.bgr)[both.pha == 0].max() <= 1
    with pytest.raises(ValueError, match="shows two subjects"):
        render(recipe(**SECOND), *MATTE, PHOTO)


def test_both_cast_their_shadows_on_the_scene_and_the_plate_has_none():
    shadow = {"shadow_strength": 0.5, "shadow_lean": 0.2}
    both = render(recipe(**SECOND, **shadow), *MATTE, PHOTO, MATTE)
    one = made(**shadow)
    darker = both.src.astype(int).sum(axis=2) < one.src.astype(int).sum(axis=2) - 10
    assert (darker & (both.pha == 0)).sum() > 50
    assert (both.bgr == one.bgr).all()


PERTURBED = {
    "src_noise": 0.03,
    "bgr_noise": 0.03,
    "shadow_strength": 0.5,
    "gain": 0.3,
    "gamma": 1.1,
    "shift_x": 3.0,
    "src_quality": 60,
    "bgr_quality": 60,
}


def test_labels_know_nothing_of_noise_shadow_and_compression():
    clean, perturbed = made(), made(**PERTURBED)
    assert clean.members["pha.png"] == perturbed.members["pha.png"]
    assert clean.members["fgr.jpg"] == perturbed.members["fgr.jpg"]
    assert (decode_grey_layer(clean.members["pha.png"]) == clean.pha).all()
    assert (clean.pha == 0).any() and (clean.pha == 255).any()


def test_the_shadow_falls_on_the_source_alone():
    clean, dark = made(), made(shadow_strength=0.5)
    assert (clean.bgr == dark.bgr).all()
    darker = clean.src.astype(int).sum(axis=2) - dark.src.astype(int).sum(axis=2)
    assert darker.max() > 60 and darker.min() >= 0
    assert (darker[dark.pha == 255] == 0).all()


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_source_is_the_equation_over_its_labels(seed):
    draw = np.random.default_rng(seed).uniform
    layers = made(
        fgr_scale=draw(0.4, 1.1),
        fgr_rotate=draw(-8, 8),
        fgr_shear=draw(-5, 5),
        fgr_x=draw(10, 110),
        fgr_y=draw(20, 90),
        fgr_exposure=draw(-0.5, 0.5),
        fgr_warmth=draw(-0.1, 0.1),
        fgr_contrast=draw(0.8, 1.2),
        fgr_saturation=draw(0.8, 1.2),
        bgr_exposure=draw(-0.5, 0.5),
        bgr_contrast=draw(0.8, 1.2),
        bgr_saturation=draw(0.8, 1.2),
        blur=draw(0, 1.5),
    )
    alpha = layers.pha.astype(np.float32) / 255
    light = composite(bytes_to_linear(layers.fgr), alpha, bytes_to_linear(layers.bgr))
    off = np.abs(to_display(light) * 255 - layers.src)
    # Rounding of the three labels; half a step of alpha before a bright scene is several steps of a dark colour.
    assert ((off < 2.0) | (np.abs(light - bytes_to_linear(layers.src)) < 0.0025)).all()


def test_the_foreground_label_holds_everywhere_and_within_codec():
    layers = made(fgr_rotate=10.0)
    assert np.abs(layers.fgr.astype(int) - [60, 150, 90]).max() <= 1  # no magenta, nowhere
    assert difference(decode_rgb_layer(layers.members["fgr.jpg"]), layers.fgr).max() <= 3


def test_colour_detail_of_the_label_is_kept():
    generator = np.random.default_rng(0)
    fgr = generator.choice(np.uint8([[220, 60, 60], [60, 60, 220]]), size=(150, 120))
    layers = render(recipe(fgr_scale=1.0), fgr, MATTE[1], PHOTO)
    inside = layers.pha == 255
    off = difference(decode_rgb_layer(layers.members["fgr.jpg"]), layers.fgr)[inside]
    subsampled = cv2.imencode(".jpg", layers.fgr[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    worse = difference(decode_rgb_layer(subsampled.tobytes()), layers.fgr)[inside]
    assert off.mean() < 4 < 12 < worse.mean()


def test_the_same_row_gives_the_same_bytes_with_any_number_of_threads():
    before = cv2.getNumThreads()
    try:
        found = []
        for threads in (1, 2, 1):
            cv2.setNumThreads(threads)
            found.append(made(**PERTURBED, fgr_rotate=4.0, shift_rotate=0.5, blur=0.8).members)
    finally:
        cv2.setNumThreads(before)
    assert found[0] == found[1] == found[2]
    assert tuple(found[0]) == LAYERS


def test_noise_of_source_and_plate_is_independent():
    layers = made(src_noise=0.02, bgr_noise=0.02, fgr_x=-500.0)
    clean = made(fgr_x=-500.0)
    a, b = (getattr(layers, n).astype(float) - getattr(clean, n) for n in ("src", "bgr"))
    assert a.std() == pytest.approx(0.02 * 255, rel=0.05)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


EVERYTHING = PERTURBED | {
    "match": 0.5,
    "despill": 0.5,
    "motion": 4.0,
    "motion_angle": 20.0,
    "focus": 0.7,
    "change_w": 0.2,
    "change_h": 0.2,
    "change_from_x": 0.3,
    "contact_strength": 0.5,
    "shading": 0.3,
    "metering": 0.7,
    "metering_colour": 0.7,
    "shake": 2.0,
    "tilt_x": 1.0,
    "parallax_x": 1.5,
    "breathing": 1.003,
    "bgr_blur": 0.5,
    "tone": 0.3,
    "src_correlation": 0.4,
    "bgr_correlation": 0.5,
    "src_sharpen": 0.3,
    "bgr_sharpen": 0.2,
    "fgr_y": 50.0,
}


def test_everything_at_once_gives_the_same_bytes_with_any_number_of_threads():
    before = cv2.getNumThreads()
    try:
        found = []
        for threads in (1, 2, 1):
            cv2.setNumThreads(threads)
            found.append(made(**EVERYTHING).members)
    finally:
        cv2.setNumThreads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"focus": 0.8}, {"src"}),
        ({"change_w": 0.2, "change_h": 0.2, "change_x": 0.85, "change_gain": 1.0}, {"src"}),
        ({"contact_strength": 0.5, "fgr_y": 50.0}, {"src"}),
        ({"match": 0.8}, {"src", "fgr"}),
        ({"despill": 1.0}, {"src", "fgr"}),
        ({"motion": 5.0}, {"src", "pha"}),
        ({"shading": 0.4}, {"src", "fgr"}),
        ({"metering": 1.0, "fgr_exposure": -2.0}, {"src", "fgr"}),
        ({"shake": 3.0}, {"src", "pha"}),
        ({"tilt_x": 2.0}, {"bgr"}),
        ({"parallax_y": 2.0}, {"bgr"}),
        ({"bgr_blur": 1.0}, {"bgr"}),
        ({"tone": 0.4}, {"src", "bgr", "fgr"}),
        ({"src_sharpen": 0.4}, {"src"}),
        ({"bgr_sharpen": 0.4}, {"bgr"}),
        ({"space": "display"}, {"src"}),
    ],
)
def test_each_step_changes_what_it_acts_on_and_nothing_else(change, changed):
    beside = {key: value for key, value in change.items() if key in ("fgr_y", "fgr_exposure")}
    clean, now = made(**beside), made(**change)
    # A flat foreground stays what it was under blur.
    found = {
        name for name in ("src", "bgr", "fgr", "pha") if difference(getattr(clean, name), getattr(now, name)).max() > 1
    }
    assert found == changed


@settings(max_examples=10)
@given(st.sampled_from(["linear", "display"]), st.integers(0, 2**32))
def test_the_space_of_the_plan_is_the_space_of_the_equation(space, seed):
    draw = np.random.default_rng(seed).uniform
    layers = made(space=space, blur=2.0, fgr_exposure=draw(-1, 1), fgr_x=draw(40, 90))
    alpha = layers.pha.astype(np.float32) / 255
    off = {}
    for name in ("linear", "display"):
        again = composite_in(name, bytes_to_linear(layers.fgr), alpha, bytes_to_linear(layers.bgr))
        off[name] = np.abs(to_display(again) * 255 - layers.src).max()
    assert off.pop(space) < 2.0 < min(off.values())


def test_an_empty_picture_shows_the_scene_as_it_is():
    layers = made(empty=True, camouflage=0.5, contact_strength=0.5)
    assert (layers.src == layers.bgr).all() and not layers.pha.any()
    assert np.abs(layers.fgr - 127.5).max() == 0.5


def test_source_and_plate_are_never_the_same_picture():
    quiet = made(empty=True, src_noise=0.002, bgr_noise=0.002)
    assert (quiet.src != quiet.bgr).any() and difference(quiet.src, quiet.bgr).mean() < 1


def test_a_crop_outside_the_photograph_is_refused():
    with pytest.raises(ValueError, match=r"leaves the background of 320x240; plan again"):
        made(crop_x=200.0)


def test_a_wrong_plate_shows_the_other_photograph_and_leaves_the_rest():
    other = photograph(9, 300, 400)
    crop = {"plate_crop_x": 100.0, "plate_crop_y": 75.0, "plate_crop_w": 192.0, "plate_crop_h": 144.0}
    row = recipe(plate_locator="other.jpg", **crop)
    wrong, right = render(row, *MATTE, PHOTO, None, other), made()
    for layer in ("src", "fgr", "pha"):
        assert np.array_equal(getattr(wrong, layer), getattr(right, layer))
    expected = render(recipe(crop_x=100.0, crop_y=75.0), *MATTE, other).bgr
    assert np.array_equal(wrong.bgr, expected)
    with pytest.raises(ValueError, match="give render its photograph"):
        render(row, *MATTE, PHOTO)


def test_a_lone_shadow_falls_where_it_would_with_its_owner():
    shadow = {"shadow_strength": 0.5, "shadow_x": 0.3}
    alone, both = made(empty=True, **shadow), made(**shadow)
    assert not alone.pha.any() and np.array_equal(alone.bgr, both.bgr)
    free = both.pha == 0
    assert np.array_equal(alone.src[free], both.src[free])
    assert made(empty=True).src[free].mean() > alone.src[free].mean() + 2


def test_camouflage_changes_the_subject_alone():
    plain, hidden = made(), made(camouflage=1.0)
    assert np.array_equal(plain.pha, hidden.pha) and np.array_equal(plain.bgr, hidden.bgr)
    assert np.array_equal(plain.src[plain.pha == 0], hidden.src[plain.pha == 0])
    body = plain.pha == 255
    near, far = (np.abs(layers.src[body].astype(int) - layers.bgr[body]).mean() for layers in (hidden, plain))
    assert near < 0.6 * far
    # The label is what is seen.
    assert np.abs(hidden.fgr[body].astype(int) - hidden.src[body]).max() <= 1


def test_video_goes_over_source_and_plate_and_spares_the_labels():
    plain, filmed = made(), made(video=34)
    for layer, changes in (("src", True), ("bgr", True), ("fgr", False), ("pha", False)):
        assert np.array_equal(getattr(plain, layer), getattr(filmed, layer)) != changes, layer
