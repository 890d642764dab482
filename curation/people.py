"""Tiles, cascade, fusion: an image -> person boxes."""

from typing import Literal

from curation.config import Section


class DetectParams(Section):
    """Parameters of the ``detect`` stage."""

    detector: Literal["builtin", "onnx"]
    """``builtin``: what OpenCV carries (faces, bodies); ``onnx``: a COCO detector file."""
    weights: str | None
    """File of the detector; relative paths are also looked up in $CLEANPLATE_WEIGHTS. Null for ``builtin``."""
    looks: tuple[Literal["whole", "tiles2x2"], ...]
    """What is looked at: the whole image, overlapping tiles."""
    floor: float
    """Lowest score that is stored, 0 to 1; ``curate`` can ask for any threshold from here up."""
