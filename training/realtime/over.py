"""Somebody over another background in one compiled pass, from bytes to bytes, in the space of training."""

import functools

import numpy as np
from numpy.typing import NDArray

from compositing.kernels.compiled import compiled
from compositing.light import bytes_to_linear, to_display
from training.realtime import kernels

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]

STEPS = 4096
"""Entries of the table that guesses a byte from linear light; the guess is mended by the bytes' own bounds."""


def over(space: str, alpha: Bytes, foreground: Bytes, backdrop: Bytes) -> Bytes:
    """Mix ``alpha`` (H, W) of ``foreground`` (H, W, 3) with the rest of ``backdrop`` (H, W, 3), rounded to nearest.

    ``space``: what is mixed, ``linear`` light or ``display`` values. Raises ValueError for another one.
    """
    if space not in ("linear", "display"):
        raise ValueError(f"cannot composite in space {space!r}; take linear or display")
    out = np.empty_like(foreground)
    alpha, foreground, backdrop = (np.ascontiguousarray(layer) for layer in (alpha, foreground, backdrop))
    if space == "display":
        kernels.lay_over(alpha, foreground, backdrop, out, 0, alpha.shape[0])
    else:
        _lay_over_light(alpha, foreground, backdrop, *_tables(), out)
    return out


@functools.cache
def _tables() -> tuple[Float, Bytes, Float]:
    """Light of each byte; a byte for each of ``STEPS`` lights; the light from which a byte is the nearest one."""
    light = bytes_to_linear(np.arange(256, dtype=np.uint8)).ravel()
    guess = np.rint(255 * to_display(np.arange(STEPS + 1, dtype=np.float32) / np.float32(STEPS)))
    middle = (np.arange(257) - 0.5) / 255
    bound = np.where(middle <= 0.04045, middle / 12.92, ((middle + 0.055) / 1.055).clip(0) ** 2.4)
    bound[0], bound[256] = -np.inf, np.inf
    return light, np.clip(guess.ravel(), 0, 255).astype(np.uint8), bound.astype(np.float32)


@compiled
def _lay_over_light(
    alpha: Bytes, foreground: Bytes, backdrop: Bytes, light: Float, guess: Bytes, bound: Float, out: Bytes
) -> None:
    part, steps = np.float32(1 / 255), np.float32(guess.shape[0] - 1)
    for y in range(alpha.shape[0]):
        for x in range(alpha.shape[1]):
            share = alpha[y, x]
            if share == 255 or share == 0:
                for c in range(3):
                    out[y, x, c] = foreground[y, x, c] if share == 255 else backdrop[y, x, c]
                continue
            a = np.float32(share) * part
            for c in range(3):
                behind = light[backdrop[y, x, c]]
                value = behind + a * (light[foreground[y, x, c]] - behind)
                byte = np.int64(guess[np.int64(min(max(value, np.float32(0)), np.float32(1)) * steps)])
                while value < bound[byte]:
                    byte -= 1
                while value >= bound[byte + 1]:
                    byte += 1
                out[y, x, c] = np.uint8(byte)
