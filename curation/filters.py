"""A row -> Verdict(kept, reason)."""

from curation.config import Section


class CurateParams(Section):
    """Parameters of the ``curate`` stage."""

    person_score: float
    """A detection at or above this score counts as a person, 0 to 1."""
    person_share: float
    """Persons smaller than this share of the image are let pass, 0 to 1."""
    min_side: int
    """Shortest side allowed, pixels."""
    min_sharpness: float
    """Variance of the Laplacian, as in images.parquet."""
    luma: tuple[float, float]
    """Darkest and brightest mean luma allowed, 0 to 1."""
    min_spread: float
    """Smallest standard deviation of luma, 0 to 1."""
    max_clipped: float
    """Largest share of clipped pixels, 0 to 1."""
    duplicate_distance: int
    """Images whose perceptual hashes differ in at most this many of 64 bits are near-duplicates."""
    valid_share: float
    """Share of images in the valid split, 0 to 1."""
    test_share: float
    """Share of images in the test split, 0 to 1."""
    refine_side: int
    """Short side of a crop that a background of the refine set must fill without being enlarged over 1.25x."""
