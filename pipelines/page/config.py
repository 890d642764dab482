"""The parameters of the page."""

from curation.config import Section


class ReportParams(Section):
    """Parameters of the ``report`` stage."""

    backgrounds: int
    """Kept backgrounds shown, and half as many for each reason of rejection."""
    composites: int
    """Composites of each training set shown with their layers."""
    blur_people: bool
    """Blur the people in rejected photographs."""
