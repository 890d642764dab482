"""The sky at several times of the day: its colours, its clouds, and the light it throws."""

from dataclasses import dataclass

import numpy as np

from pipelines.sample.scenery.noise import Floats, clouds, tint


@dataclass(frozen=True)
class Weather:
    """Light and air of one moment."""

    zenith: Floats
    """(3,) linear colour overhead."""
    horizon: Floats
    """(3,) linear colour at the horizon; distance fades into it."""
    sun: Floats
    """(3,) direct light; near zero when overcast."""
    toward: Floats
    """(3,) unit vector to the sun."""
    cover: float
    """Share of the sky under clouds, 0 to 1."""
    drift: float
    """Moves the clouds: another number, another sky."""
    haze: float
    """Share that fades into the horizon for each metre."""

    @property
    def ambient(self) -> Floats:
        """(3,) light of the whole sky on level ground."""
        return np.asarray(0.45 * self.zenith + 0.45 * self.horizon, np.float32)


TIMES = {
    "noon": ((0.27, 0.48, 0.80), (0.72, 0.82, 0.93), (1.00, 0.95, 0.86), 2.6, (0.5, 0.9)),
    "morning": ((0.33, 0.52, 0.78), (0.90, 0.86, 0.78), (1.00, 0.83, 0.62), 2.2, (0.18, 0.35)),
    "evening": ((0.33, 0.44, 0.64), (0.96, 0.76, 0.56), (1.00, 0.70, 0.44), 1.9, (0.10, 0.2)),
    "overcast": ((0.50, 0.55, 0.62), (0.82, 0.84, 0.86), (1.00, 0.98, 0.95), 0.5, (0.6, 0.9)),
}
"""Zenith and horizon in sRGB, colour and strength of the sun, range of its height (y of the unit vector)."""


def weather(random: np.random.Generator, times: tuple[str, ...] = tuple(TIMES), far: float = 15000.0) -> Weather:
    """Draw the weather; ``far`` is the distance at which things have nearly faded, metres."""
    name = times[int(random.integers(len(times)))]
    zenith, horizon, colour, power, heights = TIMES[name]
    y = float(random.uniform(*heights))
    azimuth = float(random.uniform(-1.3, 1.3) + (np.pi if random.random() < 0.6 else 0.0))
    side = np.sqrt(1 - y * y)
    toward = np.array([np.sin(azimuth) * side, y, np.cos(azimuth) * side], np.float32)
    cover = 0.97 if name == "overcast" else float(random.uniform(0.1, 0.75))
    mild = float(random.uniform(0.85, 1.15))
    return Weather(
        tint(zenith) * mild,
        tint(horizon) * mild,
        tint(colour) * power,
        toward,
        cover,
        float(random.uniform(0, 60)),
        float(random.uniform(1.2, 2.6)) / far,
    )


def look(sky: Weather, directions: Floats) -> Floats:
    """Light from directions (N, 3) of length 1, at or above the horizon: (N, 3)."""
    rise = np.clip(directions[:, 1], 0, 1)
    fall = np.exp(-rise * 4.2)[:, None]
    colour = sky.zenith + (sky.horizon - sky.zenith) * fall
    near = np.clip(directions @ sky.toward, 0, 1)
    glow = 0.30 * near**6 + 0.5 * near**60 + 12 * np.clip((near - 0.9994) / 0.0004, 0, 1)
    colour = colour + glow[:, None] * sky.sun * (0.45 if sky.cover < 0.9 else 0.1)
    if sky.cover > 0.02:
        colour = _clouds(sky, directions, colour)
    return np.asarray(colour, np.float32)


def _clouds(sky: Weather, directions: Floats, behind: Floats) -> Floats:
    above = np.flatnonzero(directions[:, 1] > 0.004)
    way = directions[above]
    # A plane of clouds, bent so that it meets the horizon.
    reach = 1.0 / (way[:, 1] + 0.055)
    u, v = way[:, 0] * reach, way[:, 2] * reach
    pixel = (0.0016 * reach**1.6).astype(np.float32)
    threshold = np.float32(1.1 - 2.2 * sky.cover)

    def thickness(u: Floats, v: Floats) -> Floats:
        wide = clouds().sample(u / 9 + sky.drift, v / 9, pixel / 9)
        fine = clouds().sample(u / 2.3, v / 2.3 + sky.drift, pixel / 2.3)
        field = 0.95 * wide[:, 2] + 0.35 * wide[:, 1] + 0.33 * fine[:, 1] + 0.16 * fine[:, 0]
        return np.asarray(field - threshold, np.float32)

    here = thickness(u, v)
    offset = 0.22
    there = thickness(u + sky.toward[0] * offset, v + sky.toward[2] * offset)
    cover = np.clip(here * 1.5, 0, 1)
    cover = cover * cover * (3 - 2 * cover)
    lit = np.clip(0.62 + 0.5 * (here - there) - 0.20 * np.clip(here, 0, 2), 0.12, 1.25)[:, None]
    bright = 0.75 * sky.horizon + 0.32 * sky.sun + 0.12
    dark = 0.45 * sky.zenith + 0.30 * sky.horizon + 0.06
    body = dark + (bright - dark) * lit
    fade = np.clip(way[:, 1] * 16, 0, 1) ** 0.6
    share = (cover * fade * (0.96 if sky.cover > 0.9 else 0.92))[:, None]
    result = behind.copy()
    result[above] = behind[above] * (1 - share) + body * share
    return np.asarray(result, np.float32)
