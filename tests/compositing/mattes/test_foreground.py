import cv2
import numpy as np
import pytest

from compositing.mattes.clipreader import read_clip
from compositing.mattes.edges import Edge, Treatment, judge, measure_edge
from compositing.mattes.foreground import estimate_foreground, extend_colours, reduce_pair
from compositing.mattes.levels import clean_levels
from compositing.mattes.videomatte import find_clips
from curation.storage import open_store


def texture(seed, height=240, width=320, low=0, high=255):
    """Smooth colours with fine grain, (H, W, 3) float64."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((6, 8, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = rng.normal(0, 0.03, (height, width, 3))
    return low + (high - low) * np.clip(coarse + fine, 0, 1)


@pytest.fixture(scope="module")
def subject(disc):
    """A soft disc with fine strands at its edge, and its straight colours, which go on everywhere."""
    pha = disc(320, 240, 160, 120, 70, 8).astype(np.float64)
    rng = np.random.default_rng(5)
    strands = np.zeros((240, 320), np.float32)
    for angle in rng.uniform(0, 2 * np.pi, 150):
        start = (160 + 66 * np.cos(angle), 120 + 66 * np.sin(angle))
        end = (160 + 92 * np.cos(angle + 0.2), 120 + 92 * np.sin(angle + 0.2))
        cv2.line(strands, *[tuple(int(16 * v) for v in p) for p in (start, end)], 1.0, 1, cv2.LINE_AA, 4)
    pha = np.maximum(pha, 255 * np.clip(cv2.GaussianBlur(strands, (0, 0), 0.6), 0, 1))
    return np.rint(texture(1, low=10, high=110)), np.rint(pha).astype(np.uint8)


def over(fgr, pha, bgr):
    alpha = pha[..., None] / 255
    return np.clip(np.rint(alpha * fgr + (1 - alpha) * bgr), 0, 255).astype(np.uint8)


def treatment(fgr, pha):
    return judge(measure_edge(np.asarray(fgr, np.uint8), pha))


def test_extended_colours_are_kept(subject):
    assert treatment(*subject) is Treatment.KEEP


def test_extended_colours_that_end_in_a_fill_are_kept(subject, disc):
    # As in a keyed clip: colours go on for a while past the edge, then comes the fill.
    fgr, pha = subject
    near = disc(320, 240, 160, 120, 125, 30)[..., None] / 255
    assert treatment(near * fgr + (1 - near) * 128, pha) is Treatment.KEEP


def test_straight_colours_over_a_fill_are_only_extended(subject):
    fgr, pha = subject
    assert treatment(np.where(pha[..., None] > 0, fgr, 200), pha) is Treatment.EXTEND


def checks(height=240, width=320):
    """A loud shirt: checks of 6 pixels."""
    across, down = np.meshgrid(np.arange(width) // 6, np.arange(height) // 6)
    return np.where(((across + down) % 2)[..., None] == 1, (220.0, 30, 30), (30.0, 30, 120))


def test_a_loud_shirt_is_not_taken_for_a_step(subject):
    _, pha = subject
    shirt = checks()
    assert treatment(shirt, pha) is Treatment.KEEP
    assert treatment(over(shirt, pha, np.array([60, 220, 250])), pha) is Treatment.ESTIMATE


@pytest.mark.parametrize("behind", ["photograph", "white", "green"])
def test_mixed_colours_are_estimated(subject, behind):
    fgr, pha = subject
    bgr = {"photograph": texture(2, low=100), "white": 255, "green": np.array([0, 200, 0])}[behind]
    edge = measure_edge(over(fgr, pha, bgr), pha)
    assert judge(edge) is Treatment.ESTIMATE
    assert edge.mixed == pytest.approx(1, abs=0.15)


def test_the_same_is_found_at_four_times_the_size(subject):
    fgr, pha = subject
    photo = over(fgr, pha, texture(2, low=100))
    large = [cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC) for image in (photo, pha)]
    assert judge(measure_edge(*large)) is Treatment.ESTIMATE


def test_without_an_edge_nothing_is_decided(subject):
    fgr, _ = subject
    for alpha in (0, 255):
        assert measure_edge(fgr.astype(np.uint8), np.full((240, 320), alpha, np.uint8)) == Edge()
    assert judge(Edge()) is Treatment.KEEP


def test_evidence_of_frames_adds_up(subject):
    fgr, pha = subject
    one = measure_edge(over(fgr, pha, 255), pha)
    two = one + one
    assert two.pixels == 2 * one.pixels
    assert two.step == pytest.approx(one.step)
    assert two.mixed == pytest.approx(one.mixed)


@pytest.mark.parametrize("behind", [texture(2, low=100), np.array([250.0, 250, 250])])
def test_the_estimate_finds_the_colours_behind_the_mixture(subject, behind):
    fgr, pha = subject
    photo = over(fgr, pha, behind)
    estimate = estimate_foreground(photo, pha)
    soft = (pha > 5) & (pha < 250)
    weight = pha[soft][:, None] / 255

    def error(image):
        return np.sqrt((((image[soft] - fgr[soft]) * weight) ** 2).mean())

    assert error(estimate.astype(float)) < 6
    assert error(estimate.astype(float)) < 0.25 * error(photo.astype(float))
    assert np.array_equal(estimate[pha == 255], photo[pha == 255])


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (33, 2), (37, 53)])
@pytest.mark.parametrize("alpha", [0, 130, 255])
def test_any_shape_and_flat_alpha_are_taken(shape, alpha):
    image = np.full((*shape, 3), (10, 120, 240), np.uint8)
    pha = np.full(shape, alpha, np.uint8)
    for result in (estimate_foreground(image, pha), extend_colours(image, pha)):
        assert result.shape == image.shape
        assert result.dtype == np.uint8
        # One colour in, the same colour out.
        assert np.abs(result.astype(int) - image).max() <= 1


def test_extension_changes_only_what_is_transparent(subject):
    fgr, pha = subject
    image = np.where(pha[..., None] > 0, fgr, 255).astype(np.uint8)
    extended = extend_colours(image, pha)
    assert np.array_equal(extended[pha > 0], image[pha > 0])
    # Nothing of the white that was there is left, and the colours are the subject's.
    assert extended[pha == 0].max() <= image[pha > 0].max()


def test_extension_takes_the_colour_of_the_nearer_side():
    image = np.full((64, 96, 3), 255, np.uint8)
    pha = np.zeros((64, 96), np.uint8)
    image[20:44, 10:20], image[20:44, 76:86] = (200, 0, 0), (0, 0, 200)
    pha[20:44, 10:20] = pha[20:44, 76:86] = 255
    extended = extend_colours(image, pha).astype(int)
    assert extended[32, 22, 0] > 150 > 50 > extended[32, 22, 2]
    assert extended[32, 73, 2] > 150 > 50 > extended[32, 73, 0]


def test_an_empty_frame_has_nothing_to_extend(subject):
    image = subject[0].astype(np.uint8)
    assert extend_colours(image, np.zeros((240, 320), np.uint8)) is image


def test_small_frames_are_not_touched(subject):
    image, pha = subject[0].astype(np.uint8), subject[1]
    assert reduce_pair(image, pha, 320, mixed=False) == (image, pha)


@pytest.mark.parametrize(("max_side", "size"), [(160, (120, 160)), (100, (75, 100)), (7, (5, 7))])
def test_reduction_keeps_the_outside_out_of_the_edge(subject, max_side, size):
    _, pha = subject
    image = np.where(pha[..., None] > 0, (200, 30, 30), (0, 255, 0)).astype(np.uint8)
    small, alpha = reduce_pair(image, pha, max_side, mixed=False)
    assert alpha.shape == small.shape[:2] == size
    assert float(alpha.mean()) == pytest.approx(float(pha.mean()), abs=1)
    assert np.abs(small[alpha >= 26].astype(int) - (200, 30, 30)).max() <= 6
    if max_side > 100:
        assert small[0, 0].tolist() == [0, 255, 0]


def test_a_mixed_photograph_is_reduced_as_the_product_it_is(subject):
    fgr, pha = subject
    photo = over(fgr, pha, 255)
    small, alpha = reduce_pair(photo, pha, 160, mixed=True)
    assert np.abs(small - cv2.resize(photo.astype(float), (160, 120), interpolation=cv2.INTER_AREA)).max() <= 0.51
    assert treatment(small, alpha) is Treatment.ESTIMATE


@pytest.mark.realset
def test_photographs_are_told_from_keyed_clips(realset):
    store = open_store(realset / "mattes")
    found, halos = {}, {}
    for clip in find_clips(store).clips:
        pair = next(read_clip(store, clip))
        pha = clean_levels(pair.pha, 0.02, 0.98)
        found[clip.name] = judge(measure_edge(pair.fgr, pha))
        if found[clip.name] is Treatment.ESTIMATE:
            small, alpha = reduce_pair(pair.fgr, pha, 320, mixed=True)
            after = extend_colours(estimate_foreground(small, alpha), alpha)
            halos[clip.name] = measure_edge(after, alpha).step / measure_edge(small, alpha).step
    assert found.pop("0000") is Treatment.KEEP
    assert set(found.values()) == {Treatment.ESTIMATE}
    # Afterwards the outside looks like the subject: what is left of the step is the subject's own texture.
    assert max(halos.values()) < 0.3, halos
