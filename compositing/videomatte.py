"""Clips and frames; fgr/pha pairs checked; split by clip."""

from typing import Literal

from curation.config import Section


class MattesParams(Section):
    """Parameters of the ``mattes`` stage."""

    max_side: int
    """Frames whose long side is larger are reduced to this, pixels."""
    every: int
    """Keep each n-th frame of a video."""
    black: float
    """Alpha at or below this is set to 0 (compression leaves specks), 0 to 1."""
    white: float
    """Alpha at or above this is set to 1, 0 to 1."""
    foreground: Literal["auto", "always", "never"]
    """Re-estimate straight foreground colour at soft pixels: where the data has none, always, never."""
    min_coverage: float
    """Frames with a smaller mean alpha are rows with a reason, 0 to 1."""
    valid_share: float
    """Share of the clips outside the official test folder that go to valid, 0 to 1."""
    test_share: float
    """Share of the clips that go to test where the dataset has no test folder, 0 to 1."""
    min_clips: int
    """Fewest clips in valid and test: the clips nearest to the border are moved there when hashing left fewer."""
