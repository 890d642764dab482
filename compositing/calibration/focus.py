"""How much softer a source's scene is than its plate's, or the other way round."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.light import Float

Mask = NDArray[np.bool_]

SMOOTH = 1.5
"""Sigma in pixels that both are blurred by first: noise is rough, and would pass for sharpness."""
ROUNDS = 6
WIDEST = 6.0
"""Sigma in pixels beyond which a difference is no focus."""
CRISPEST = 0.3
"""Share of the scene, that with the most detail, which focus is told by."""
SURE = 4.0
"""Standard errors below which a difference is none: a codec makes noise less alike than is reckoned here."""
LEAST_DETAIL = 0.1
"""Levels a pixel squared: half the Laplacian, below which there is nothing to tell it by."""


def focus_difference(src: Float, bgr: Float, outside: Mask) -> float:
    """Measure the sigma, pixels, by which the source is softer; below 0 the plate is; 0 where noise could do
    as much, NaN where there is no detail.

    ``src``: (H, W, 3) the source with the plate's tone, ``bgr``: the plate brought onto it; levels of 255.
    ``outside``: (H, W), where no person is. A Gaussian of variance t makes of a picture u what heat makes of it in a
    time: du/dt = (Laplacian of u) / 2. So t is the slope of the difference over half the mean Laplacian of both; what
    noise alone does to that is seen where the scene is flat. The sharper picture is then blurred by t, and the rest
    measured again.
    """
    one, two = (_smooth(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in (src, bgr))
    # Nothing that the person's side leaks into.
    inner = cv2.erode(outside.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0) > 0
    if not inner.any():
        return float("nan")
    detail = _detail(one + two)
    crisp, flat = (
        inner & (detail >= np.quantile(detail[inner], 1 - CRISPEST)),
        inner & (detail <= np.quantile(detail[inner], CRISPEST)),
    )
    total = 0.0
    for _ in range(ROUNDS):
        # Both from the start, so that errors of the linear step do not add up.
        first, second = _blurred(one, -total), _blurred(two, total)
        middle = np.asarray((_laplacian(first) + _laplacian(second)) / 4, np.float64)
        wrong = np.asarray(first - second, np.float64)
        wrong -= wrong[crisp].mean()
        power, product = (_beyond(each, crisp, flat) for each in (middle * middle, wrong * middle))
        if power < LEAST_DETAIL**2:
            return float("nan")
        step = product / power
        total = float(np.clip(total + step, -(WIDEST**2), WIDEST**2))
    # Neighbours err alike after the first blur: so many pixels are worth one.
    alike = 4 * np.pi * SMOOTH**2
    error = float(np.sqrt((wrong - step * middle)[crisp].var() * alike / int(crisp.sum()) / power))
    return 0.0 if abs(total) < SURE * error else float(np.sign(total) * _as_blurred(abs(total)))


def _smooth(image: Any) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), SMOOTH), np.float32)


def _laplacian(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.Laplacian(image, cv2.CV_32F, ksize=1), np.float32)


def _detail(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of the scene's own detail is near: of coarse detail, since of fine one noise would choose."""
    bend = np.abs(_laplacian(_smooth(image)))
    return np.asarray(cv2.GaussianBlur(bend, (0, 0), 2 * SMOOTH), np.float32)


def _beyond(values: NDArray[np.float64], crisp: Mask, flat: Mask) -> float:
    return float(values[crisp].mean() - values[flat].mean())


def _blurred(image: NDArray[np.float32], variance: float) -> NDArray[np.float32]:
    if variance <= 0:
        return image
    if variance < 1:
        # Of this very variance, which a narrow Gaussian is not once it is sampled.
        kernel = np.array([variance / 4, 1 - variance / 2, variance / 4])
        kernel = np.convolve(kernel, kernel)
        return np.asarray(cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel), np.float32)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), float(np.sqrt(variance))), np.float32)


_SIGMAS = np.linspace(0.1, 1.5, 57)


def _sampled_variance(sigma: float) -> float:
    kernel = cv2.getGaussianKernel(13, sigma).ravel()
    return float((kernel * np.arange(-6, 7) ** 2).sum())


_VARIANCES = np.array([_sampled_variance(float(sigma)) for sigma in _SIGMAS])


def _as_blurred(variance: float) -> float:
    """Return the sigma of the renderer's blur that spreads by a variance: a sampled one of 0.3 does next to nothing."""
    if variance >= _VARIANCES[-1]:
        return float(np.sqrt(variance))
    return float(np.interp(variance, _VARIANCES, _SIGMAS))
