"""The parameters of the ``plan`` stage."""

from typing import Annotated

from pydantic import Field, field_validator

from compositing.perturb import CaptureParams, Range
from compositing.plan.cases import CaseParams
from compositing.plan.recipe import LookParams
from curation.config import Section


class SetParams(Section):
    """One set of composites."""

    count: Annotated[int, Field(ge=1)]
    """Composites in the set (valid and test: for each strength)."""
    width: Annotated[int, Field(ge=64)]
    """Pixels, a multiple of 4."""
    height: Annotated[int, Field(ge=64)]
    """Pixels, a multiple of 4."""
    scale: Range
    """Height of the subject's box over the height of the composite."""
    together: Annotated[int, Field(ge=1)]
    """How many composites in a row (valid and test: for each strength) show the same matte frame, each in a place, a
    scene and a light of its own, so that rendering decodes it once for all of them. A set that shows each frame that
    often anyway only has another order; a smaller one shows fewer frames, and what it leaves out are neighbours in time
    of those that it shows."""

    @field_validator("width", "height")
    @classmethod
    def _fits_the_refiner(cls, value: int) -> int:
        if value % 4:
            raise ValueError(f"the refiner works on 4x4 patches: use {value - value % 4} or {value + 4 - value % 4}")
        return value


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
    clip_cap: Annotated[int, Field(ge=1)] | None
    """Composites of one clip in a set at most, so that a long clip does not outweigh the set; null: no cap. The shorter
    clips take over: their frames are used more often; where no clip of objects is left, people stand in for them.
    Second subjects are not counted, and hard cases by themselves."""
    base: SetParams
    """Many small composites for the base network."""
    refine: SetParams
    """Fewer large composites for the refinement network."""
    valid: SetParams
    """Held-out composites watched during training and used to tune the baselines."""
    test: SetParams
    """Held-out composites for the final figures."""
    cases: CaseParams
    """Hard cases beside those of valid and test."""
    look: LookParams
    """Variation shared by source and captured background."""
    train: CaptureParams
    """Perturbation of the base and refine sets."""
    strengths: Strengths
    """Perturbations of valid and test."""
