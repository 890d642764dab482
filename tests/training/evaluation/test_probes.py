import cv2
import numpy as np
import pytest

from tests.training.evaluation.exact_world import SIDE, make_sample, scene
from training.evaluation import changes, probes
from training.evaluation.plain import PlainDifference


@pytest.fixture(scope="module")
def sample():
    return make_sample()


@pytest.fixture(scope="module")
def built(sample):
    return probes.build_probes(sample, scene(9), changes.draw_chance(1, 0))


def plain(probe):
    (found,) = PlainDifference().predict([probe.sample])
    return probe.error(found.pha)


def test_each_probe_has_words_for_what_it_measures(built):
    assert list(built) == list(probes.MEASURES)
    assert all("right: 0" in words for words in probes.MEASURES.values())


def test_the_truth_has_no_error_and_its_opposite_all_there_is(built):
    for name, probe in built.items():
        truth = probe.sample.pha.astype(np.float32) / 255
        assert probe.error(truth) == 0, name
        assert probe.error(1 - truth) == pytest.approx(1000), name


def test_a_plain_difference_falls_for_every_trap(built):
    errors = {name: plain(probe) for name, probe in built.items()}
    assert errors["plate_is_source"] == 1000
    assert min(errors[name] for name in ("swapped", "changed_screen", "plate_recompressed")) > 900
    assert min(errors[name] for name in ("shadow_only", "empty_minus_1ev", "empty_plus_1ev")) > 600
    # How far another place or thing is apart in colour is chance; here all scenes are of like colours.
    assert min(errors[name] for name in ("moved_object", "wrong_plate", "camouflage")) > 300


def test_swapping_leaves_the_person_in_the_plate_alone(built, sample):
    np.testing.assert_array_equal(built["swapped"].sample.src, sample.bgr)
    np.testing.assert_array_equal(built["swapped"].sample.bgr, sample.src)
    assert not built["swapped"].sample.pha.any()


def test_nobody_is_in_the_empty_frames(built, sample):
    inside = sample.pha == 255
    for name in ("shadow_only", "empty_minus_1ev", "empty_plus_1ev"):
        probe = built[name]
        assert not probe.sample.pha.any()
        lit = inside & ~probe.where if name == "shadow_only" else inside
        assert np.abs(probe.sample.src[lit].astype(int) - sample.bgr[lit])[..., 0].mean() < 12, name


def test_things_change_behind_the_person(built, sample):
    for name in ("moved_object", "changed_screen"):
        probe = built[name]
        assert not (probe.where & (sample.pha > 0)).any()
        assert 0.005 < probe.where.mean() < 0.15
        np.testing.assert_array_equal(probe.sample.src[sample.pha == 255], sample.src[sample.pha == 255])
        np.testing.assert_array_equal(probe.sample.pha, sample.pha)


def test_camouflage_leaves_the_scene_and_takes_the_colour(built, sample):
    probe, inside = built["camouflage"], sample.pha == 255
    before, after = (np.abs(s.src[inside].astype(int) - sample.bgr[inside]).mean() for s in (sample, probe.sample))
    assert after < 0.5 * before
    assert np.abs(probe.sample.src[sample.pha == 0].astype(int) - sample.src[sample.pha == 0]).mean() < 3


def test_without_another_place_there_is_no_wrong_plate(sample):
    found = probes.build_probes(sample, None, changes.draw_chance(1, 0))
    assert set(probes.MEASURES) - set(found) == {"wrong_plate"}


def test_a_wrong_plate_of_another_size_is_made_to_fit(sample):
    found = probes.build_probes(sample, scene(9, 200), changes.draw_chance(1, 0))
    assert found["wrong_plate"].sample.bgr.shape == sample.src.shape


def test_pictures_of_two_samples_lie_under_each_other(built, tmp_path):
    parts = [tmp_path / "one", tmp_path / "two"]
    for part in parts:
        part.mkdir()
        alphas = {"classical": np.zeros((SIDE, SIDE), np.float32), "refine": np.ones((SIDE, SIDE), np.float32)}
        probes.write_strip(built["swapped"], alphas, part / "swapped.png")
    probes.write_strip(built["wrong_plate"], alphas, parts[0] / "wrong_plate.png")
    files = probes.write_montages(parts, tmp_path / "pictures")
    assert sorted(files) == ["swapped.jpg", "wrong_plate.jpg"]
    two, one = (cv2.imread(str(files[name])) for name in ("swapped.jpg", "wrong_plate.jpg"))
    assert two.shape[0] == 2 * one.shape[0] and two.shape[1] == one.shape[1] == 5 * (probes.TILE + 4)
