"""The hard cases of valid and test: what a model that only subtracts the captured background gets wrong."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from compositing.perturb import CaptureParams, Range
from compositing.plan.draws import Draws
from curation.config import Section

STRENGTH = "cases"
"""What the rows of hard cases name as their strength."""
CASES = ("empty", "shadow", "change", "camouflage", "wrong_plate")
"""Nobody, under another exposure; nobody but a shadow; a thing moved or lit; clothes of the background's colour; a
captured background of another place."""

_CERTAIN: dict[str, dict[str, float]] = {
    "shadow": {"lone_shadow": 1.0},
    "change": {"change": 1.0},
    "wrong_plate": {"wrong_plate": 1.0},
}


class CaseParams(Section):
    """Hard cases, beside the composites of each strength.

    They are drawn as ``strengths.hard``, each with one thing certain, from turns and random numbers of their own: no
    other composite hangs on them. Their strength is ``cases``, so that whatever compares by strength tells them apart,
    and the column ``case`` names each.
    """

    valid: Annotated[int, Field(ge=0)]
    """Composites of each case in valid: one scene and subject serve all cases."""
    test: Annotated[int, Field(ge=0)]
    """Composites of each case in test."""
    exposure: Range
    """How far the captured background's exposure is off where nobody is there, stops, brighter or darker."""

    @model_validator(mode="after")
    def _both_or_none(self) -> "CaseParams":
        if (self.valid > 0) != (self.test > 0):
            raise ValueError(
                f"the baseline of test is tuned on valid: give cases to both or none, not {self.valid} and {self.test}"
            )
        return self


def case_captures(hard: CaptureParams) -> dict[str, CaptureParams]:
    """Return how the composites of each case are captured, in the order of CASES."""
    return {case: hard.model_copy(update=_CERTAIN.get(case, {})) for case in CASES}


def nobody_in(case: str) -> float:
    """Return the probability that nobody is there."""
    return float(case in ("empty", "shadow"))


def camouflaged_in(case: str) -> float:
    """Return the probability that the subject wears the background's colours."""
    return float(case == "camouflage")


def exposure_off(draws: Draws, limits: Range) -> NDArray[np.float64]:
    """Draw gains of the captured background, (N,) stops, brighter or darker by what the limits say."""
    side = np.where(draws.chance("case_exposure_side", 0.5), 1.0, -1.0)
    return np.asarray(side * draws.uniform("case_exposure", *limits))
