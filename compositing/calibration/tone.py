"""How exposure, white balance and tone curve differ between a source and its plate."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from compositing.codec import Image
from compositing.light import Float, bytes_to_linear, power, to_display, to_linear

BLOCK = 4
"""Pixels a side that are averaged before the fit: noise would flatten the curve (regression dilution)."""
DARKEST, BRIGHTEST = 8, 245
"""Levels outside are clipped, or mostly noise."""
LEAST_BLOCKS = 200
MOST_BLOCKS = 20_000
LEAST_SPREAD = 0.05
"""Spread of display values below which gain and tone curve cannot be told apart; the curve is then 1."""
LIKELY_GAIN = 0.4
"""Stops: where the person fills most of the frame, a small drift is likelier than a large one."""


class Tone(NamedTuple):
    """What turns the source's scene into the plate's; the meaning of the plan's columns of the same names."""

    gain: float
    """Stops."""
    red: float
    """Stops, red against green."""
    blue: float
    """Stops, blue against green."""
    gamma: float
    """Exponent on display values."""


def fit_tone(src: Image, bgr: Image, outside: NDArray[np.bool_]) -> Tone:
    """Fit gains in linear light, then an exponent on display values, where no person is.

    ``src``, ``bgr``: (H, W, 3) uint8. ``outside``: (H, W). Robust (Cauchy) least squares on display values of block
    means. Raises ValueError where too little is well exposed.
    """
    one, two = blocks(src, outside), blocks(bgr, outside)
    fits = np.isfinite(one).all(1) & np.isfinite(two).all(1)
    low, high = DARKEST / 255, BRIGHTEST / 255
    fits &= (np.minimum(one, two) > low).all(1) & (np.maximum(one, two) < high).all(1)
    if int(fits.sum()) < LEAST_BLOCKS:
        raise ValueError(
            f"only {int(fits.sum())} blocks outside the person are well exposed; capture with more light, "
            "or with more of the room in sight"
        )
    step = max(1, int(fits.sum()) // MOST_BLOCKS)
    one, two = one[fits][::step], two[fits][::step]
    light = to_linear(one.astype(np.float32)).astype(np.float64)
    target = two.astype(np.float64)
    start = _commonest(np.log2(to_linear(two.astype(np.float32)).astype(np.float64) / light))
    curved = float(one.std()) > LEAST_SPREAD

    def wrong(values: NDArray[np.float64]) -> NDArray[np.float64]:
        gain, red, blue = (float(value) - 1 for value in values[:3])
        gamma = 2.0 ** (float(values[3]) - 1) if curved else 1.0
        seen = _apply(light.astype(np.float32), Tone(gain, red, blue, gamma))
        residual: NDArray[np.float64] = (seen.astype(np.float64) - target).ravel()
        return residual

    # Around 1 and not 0: scipy's steps are shares of the value.
    first = 1 + np.array([start[1], start[0] - start[1], start[2] - start[1], 0.0])[: 3 + curved]
    found = least_squares(wrong, first, loss="cauchy", f_scale=0.01, diff_step=1e-3, max_nfev=60).x - 1
    return Tone(float(found[0]), float(found[1]), float(found[2]), float(2.0 ** found[3]) if curved else 1.0)


def predict(src: Image, tone: Tone) -> Float:
    """What the plate's camera would have made of the source, (H, W, 3) display values, 0 to 1."""
    return np.clip(_apply(bytes_to_linear(src), tone), 0, 1)


def blocks(image: Image, outside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Average whole blocks of display values outside the person: (N, 3), NaN for a block the person touches.

    Averaged on display values: in light, a block across an edge would have another mean than the tone curve has.
    """
    height, width = (side // BLOCK * BLOCK for side in image.shape[:2])
    size = (width // BLOCK, height // BLOCK)
    means = cv2.resize(image[:height, :width].astype(np.float32) / 255, size, interpolation=cv2.INTER_AREA)
    whole = cv2.resize(outside[:height, :width].astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999
    return np.where(whole[:, :, None], means, np.nan).reshape(-1, 3).astype(np.float64)


def _apply(light: Float, tone: Tone) -> Float:
    gains = 2.0 ** np.array([tone.gain + tone.red, tone.gain, tone.gain + tone.blue])
    return power(to_display(light * gains.astype(np.float32)), tone.gamma)


def _commonest(stops: NDArray[np.float64]) -> NDArray[np.float64]:
    """The commonest of (N, 3) differences in stops, channel by channel: a person's are spread, the scene's shared."""
    edges = np.linspace(-2, 2, 161)
    middles = (edges[1:] + edges[:-1]) / 2
    found = []
    for channel in range(3):
        counts, _ = np.histogram(stops[:, channel], edges)
        dense = np.convolve(counts, np.hanning(9), mode="same") * np.exp(-0.5 * (middles / LIKELY_GAIN) ** 2)
        found.append(middles[int(np.argmax(dense))])
    return np.array(found)
