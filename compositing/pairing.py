"""Curated backgrounds x frames -> plan rows."""

from compositing.perturb import CaptureParams, Range
from curation.config import Section


class SetParams(Section):
    """One set of composites."""

    count: int
    """Composites in the set (valid and test: for each strength)."""
    width: int
    """Pixels, a multiple of 4."""
    height: int
    """Pixels, a multiple of 4."""
    scale: Range
    """Height of the subject's box over the height of the composite."""


class LookParams(Section):
    """How subject and scene are varied, alike in source and captured background."""

    rotate: Range
    """Degrees, subject."""
    shear: Range
    """Degrees, subject."""
    flip: float
    """Probability of mirroring, drawn for subject and scene each."""
    fgr_exposure: Range
    """Stops, subject alone."""
    fgr_contrast: Range
    """Factor, subject alone."""
    fgr_saturation: Range
    """Factor, subject alone."""
    fgr_warmth: Range
    """Red gain minus blue gain, subject alone."""
    bgr_exposure: Range
    """Stops, scene."""
    bgr_contrast: Range
    """Factor, scene."""
    bgr_saturation: Range
    """Factor, scene."""
    bgr_zoom: Range
    """How much smaller the crop is than the largest that fits, factor >= 1."""
    blur: Range
    """Sigma of the subject's defocus, pixels."""
    blur_probability: float
    """How often the subject is defocused, 0 to 1."""


class Strengths(Section):
    """The frozen perturbations of the valid and test sets."""

    exact: CaptureParams
    """The captured background equals the scene but for noise and compression."""
    mild: CaptureParams
    """A tripod, a steady light."""
    hard: CaptureParams
    """A hand-held camera, a drifting light."""


class PlanParams(Section):
    """Parameters of the ``plan`` stage."""

    seed: int
    """Seed of the base, refine and valid sets."""
    test_seed: int
    """Seed of the test set; leave it alone so that metrics compare."""
    base: SetParams
    """Many small composites for the base network."""
    refine: SetParams
    """Fewer large composites for the refinement network."""
    valid: SetParams
    """Held-out composites watched during training and used to tune the baselines."""
    test: SetParams
    """Held-out composites for the final figures."""
    look: LookParams
    """Variation shared by source and captured background."""
    train: CaptureParams
    """Perturbation of the base and refine sets."""
    strengths: Strengths
    """Perturbations of valid and test."""
