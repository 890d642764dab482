import importlib.machinery
import sys
import types

import cv2
import numpy as np
import pytest

from compositing.shards.reader import Sample
from curation.identity import rng
from training.evaluation.baseline import FEATURES, Tuned
from training.evaluation.classical import ClassicalMethod, settings
from training.evaluation.refinement import BAND, ClosedFormMethod, GuidedMethod, guided_filter, rough_trimap
from training.evaluation.tuning import Classical


def scene(side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A red disc on a textured green ground; its alpha."""
    truth = np.zeros((side, side), np.float32)
    cv2.circle(truth, (side // 2, side // 2), side // 4, 1.0, -1)
    ground = np.array([30, 140, 60]) + rng(1, "ground").normal(0, 4, (side, side, 3))
    image = truth[..., None] * np.array([200.0, 40, 40]) + (1 - truth[..., None]) * ground
    return np.clip(image, 0, 255).astype(np.uint8), truth


def test_the_filter_brings_a_loose_edge_to_that_of_the_source():
    image, truth = scene(300)
    loose = cv2.GaussianBlur(truth, (0, 0), 2.0)
    filtered = guided_filter(image, loose)
    assert filtered.dtype == np.float32 and filtered.min() >= 0 and filtered.max() <= 1
    assert np.square(filtered - truth).mean() < 0.6 * np.square(loose - truth).mean()
    edge = (150, slice(300 // 4 - 2, 300 // 4 + 2))
    assert np.diff(filtered[edge]).max() > 2 * np.diff(loose[edge]).max()


def test_where_nothing_guides_it_the_filter_only_smooths():
    flat = np.full((40, 50, 3), 80, np.uint8)
    assert guided_filter(flat, np.full((40, 50), 0.3, np.float32)) == pytest.approx(0.3, abs=1e-5)


def test_a_rough_trimap_is_unsure_around_the_edge_alone():
    alpha = np.zeros((60, 60), np.float32)
    alpha[:, 30:] = 1
    trimap = rough_trimap(alpha)[30]
    assert (trimap[: 30 - BAND] == 0).all() and (trimap[30 + BAND :] == 1).all()
    assert (trimap[30 - BAND : 30 + BAND] == 0.5).all()


@pytest.fixture
def classical() -> Classical:
    tuned = {s: Tuned("threshold", FEATURES[0], low, low + 1, {}) for s, low in (("exact", 20), ("mild", 60))}
    return Classical(np.zeros((4, 4), np.float32), tuned)


def test_a_strength_that_was_not_tuned_has_the_settings_of_mild(classical):
    image, truth = scene()
    sample = Sample(image, image, image, np.uint8(truth), {"strength": "captured"})
    assert settings(classical, sample).low == 60
    assert settings(classical, sample._replace(recipe={"strength": "exact"})).low == 20
    assert settings(classical, sample._replace(recipe={})).low == 60


def test_refinements_start_from_the_baseline(classical, monkeypatch):
    image, truth = scene()
    ground = np.full_like(image, (30, 140, 60))
    sample = Sample(image, ground, image, np.uint8(255 * truth), {"strength": "exact"})
    method = ClassicalMethod(classical)
    (rough,), (guided,) = method.predict([sample]), GuidedMethod(method).predict([sample])
    assert np.array_equal(guided.pha, guided_filter(image, rough.pha))
    # Closed-form matting is slow to start: only what it is given is looked at here.
    given = []
    solver = types.ModuleType("pymatting")
    solver.__spec__ = importlib.machinery.ModuleSpec("pymatting", None)
    solver.estimate_alpha_cf = lambda *asked: given.append(asked) or truth.astype(float)
    monkeypatch.setitem(sys.modules, "pymatting", solver)
    (closed,) = ClosedFormMethod(method).predict([sample])
    ((small, trimap),) = given
    assert small.shape == (96, 96, 3) and small.max() <= 1
    assert set(np.unique(trimap)) == {0, 0.5, 1}
    assert np.array_equal(closed.pha, truth)


def test_a_baseline_without_an_edge_is_left_alone(classical):
    image, truth = scene()
    sample = Sample(image, image, image, np.uint8(truth), {"strength": "exact"})
    (found,) = ClosedFormMethod(ClassicalMethod(classical)).predict([sample])
    assert not found.pha.any()
