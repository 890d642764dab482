"""The page a person reads: pictures, curves and tables of the whole run."""

from curation.config import Section


class ReportParams(Section):
    """Parameters of the ``report`` stage."""

    backgrounds: int
    """Kept backgrounds shown, and as many rejected a reason."""
    composites: int
    """Composites shown with their layers."""
    blur_people: bool
    """Blur the people in rejected photographs."""
