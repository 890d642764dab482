"""An image record -> its row: hash, size, sharpness, exposure, perceptual hash."""

from curation.config import Section


class IndexParams(Section):
    """Parameters of the ``index`` stage."""

    group_pattern: str | None
    """Regular expression on the locator; its group ``group`` names what an image was cut from. Null: none."""
    max_megapixels: float
    """Images above this are rows with a reason, never decoded (decompression bombs)."""
