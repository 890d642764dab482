"""Clothes of the background's colour: the subject's local colour fitted to that of the scene right behind it."""

import math

import cv2
import numpy as np

from compositing.light import LUMA, Float

_SIDE = 64
"""Long side of the pictures that local colour is taken from, pixels."""
_REACH = 1.5
"""Sigma of what counts as local, pixels of those."""
_DARKEST = 2e-3
_MOST = 3.0
"""Most stops that brightness changes by: cloth that was filmed black has nothing but noise to show."""
_PLAIN, _EVEN = 0.8, 0.4
"""Shares of its own pattern that a fully fitted cloth loses, in hue and in brightness."""
_BARE = 0.012
"""Sigma by which the edge of bare skin is softened, share of the long side."""
_WIDEST = 6.2
"""The widest such sigma in pixels: a larger picture is shrunk first, as a wide blur leaves nothing it would miss."""


def camouflaged(colour: Float, alpha: Float, scene: Float, strength: float) -> Float:
    """Fit a subject's clothes to the scene behind them, in place, a share ``strength`` (0 to 1) of the way.

    ``colour``: (H, W, 3) its straight colour as seen, ``alpha``: (H, W), ``scene``: (H, W, 3), all linear light. In
    logarithms of light, where another dye is a sum: the mean over a neighbourhood becomes the scene's, patterns fade,
    folds and shading stay for the most part. Skin keeps its colour. Returns ``colour``, 0 to 1.
    """
    height, width = alpha.shape
    scale = _SIDE / max(height, width)
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    bare = _bare(colour, alpha)
    logs = _logs(colour)
    own, behind = _worn(logs, alpha * (1 - bare), size), _local(_shrunk(_logs(scene), size))
    change = behind - own
    brightness = _luminance(change)
    # The hue comes all the way, brightness as far as it may.
    target = own + change + (np.clip(brightness, -_MOST, _MOST) - brightness)
    wide_own, wide_target = (
        cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) for each in (own, target)
    )
    pattern = logs - wide_own
    folds = _luminance(pattern)
    fitted = wide_target + np.float32(1 - _PLAIN) * (pattern - folds) + np.float32(1 - _EVEN) * folds
    share = np.float32(strength) * (1 - bare)[:, :, None]
    return np.clip(np.exp2(logs + share * (fitted - logs)), 0, 1, out=colour)


def _worn(logs: Float, cloth: Float, size: tuple[int, int]) -> Float:
    """Return the mean of what cloth is near, (h, w, 3); where none is, of all."""
    sums = _local(_shrunk(logs * cloth[:, :, None], size))
    weight = _local(_shrunk(cloth, size))[:, :, None]
    mean = sums.sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
    faint = np.float32(1e-2)
    return np.asarray((sums + faint * mean) / (weight + faint), np.float32)


def _bare(colour: Float, alpha: Float) -> Float:
    """Return where skin is, (H, W) 0 to 1, without specks and holes."""
    height, width = alpha.shape
    sigma = max(0.8, _BARE * max(height, width))
    times = math.ceil(sigma / _WIDEST)
    layers = [skin(colour) * alpha, alpha]
    if times > 1:
        layers = [_shrunk(each, (-(-width // times), -(-height // times))) for each in layers]
    # Of what the subject covers: its own edge is no edge of skin.
    near, all_of_it = (cv2.GaussianBlur(each, (0, 0), sigma / times) for each in layers)
    share = near / np.maximum(all_of_it, np.float32(1e-3))
    bare: Float = np.clip((share - np.float32(0.2)) / np.float32(0.4), 0, 1)
    if times > 1:
        bare = np.asarray(cv2.resize(bare, (width, height), interpolation=cv2.INTER_LINEAR))
    return np.asarray(bare, np.float32)


def skin(linear: Float) -> Float:
    """Tell how much like skin light is, (H, W) 0 to 1, from its colour alone: red before green before blue, by so much.

    Melanin and blood give every skin about the same hue, whatever its brightness. Much else has that hue, too.
    """
    red, green, blue = cv2.split(np.maximum(linear, np.float32(_DARKEST)))
    reddish, yellowish = np.log2(red / green), np.log2(green / blue)
    return np.asarray(_between(reddish, 0.2, 1.9) * _between(yellowish, 0.0, 2.9), np.float32)


def _between(values: Float, low: float, high: float, edge: float = 0.2) -> Float:
    return np.asarray(np.clip((values - low) / edge, 0, 1) * np.clip((high - values) / edge, 0, 1), np.float32)


def _luminance(logs: Float) -> Float:
    return np.asarray(logs @ np.array(LUMA, np.float32)[:, None], np.float32)


def _logs(linear: Float) -> Float:
    return np.asarray(np.log2(np.maximum(linear, np.float32(_DARKEST))), np.float32)


def _shrunk(image: Float, size: tuple[int, int]) -> Float:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _local(image: Float) -> Float:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _REACH, borderType=cv2.BORDER_REPLICATE), np.float32)
