"""Shift, colour, exposure, shadow, noise, blur, compression: one function each."""

from curation.config import Section

Range = tuple[float, float]


class CaptureParams(Section):
    """How far the captured background may differ from the scene in the source. Ranges are drawn uniformly."""

    shift: Range
    """Length of the shift, pixels at 512 on the long side; the direction is uniform."""
    rotate: Range
    """Degrees."""
    scale: Range
    """Factor."""
    gain: Range
    """Exposure drift, stops."""
    white_balance: Range
    """Red and blue gain against green, stops, each drawn on its own."""
    gamma: Range
    """Exponent of the tone curve."""
    noise: Range
    """Sigma of the noise of source and captured background (each drawn on its own), 0 to 1."""
    quality: tuple[int, int]
    """JPEG quality of source and captured background."""
    shadow: float
    """Probability of a cast shadow on the source's background, 0 to 1."""
    shadow_strength: Range
    """Largest darkening, 0 to 1."""
