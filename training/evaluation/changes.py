"""One thing about a sample changed at a time: what robustness curves and probes are made of.

Everything acts on the decoded layers of a rendered sample, in linear light where light is meant, by the functions that
render training's composites (``compositing.chain``). What chance decides is drawn once a sample, so that along a curve
nothing but the value changes.
"""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.chain.sensor import Sensor, develop
from compositing.chain.shadow import cast_shadow
from compositing.chain.subject import warp_subject
from compositing.chain.viewpoint import Viewpoint, recapture
from compositing.codec import Image, decode_rgb_layer, encode_jpeg
from compositing.light import Float, bytes_to_linear, to_bytes, to_display
from compositing.plan.draws import Draws
from compositing.shards.reader import Sample

PLAN_SIDE = 512
"""Long side at which shifts are stated, pixels, as in the plan."""
SOURCE_NOISE, PLATE_NOISE = 0, 1
"""Streams of the two pictures' independent grain."""
_READ = 0.1
"""Share of the noise's variance that does not grow with light."""
_NO_GAINS = np.ones(3)


class Chance(NamedTuple):
    """What was drawn for one sample."""

    angle: float
    """Direction of the camera's shift, degrees."""
    noise_key: int
    """Chooses the grain."""
    side: float
    """-1 or 1: whether a shadow falls to the left or the right, a screen darkens or lights up."""
    far: float
    """0 to 1: how far aside a shadow falls."""
    near: float
    """0 to 1: how far down a shadow falls."""
    soft: float
    """0 to 1: how soft a shadow is."""
    places: NDArray[np.float64]
    """(16, 2): where a changed thing may be, x and y, shares of the frame."""
    size: NDArray[np.float64]
    """(2,): its width and height, shares of the frame."""


def draw_chance(seed: int, ordinal: int) -> Chance:
    """Draw what is chance about a sample; ``ordinal`` is its place in the set, and each number a stream of its own."""
    draws = Draws(seed, "robustness", np.array([ordinal]))

    def unit(name: str) -> float:
        return float(draws.uniform(name)[0])

    places = [[unit(f"place_{axis}_{i}") for axis in "xy"] for i in range(16)]
    return Chance(
        angle=360 * unit("angle"),
        noise_key=int(draws.integers("noise_key", 0, 2**31)[0]),
        side=1.0 if unit("side") < 0.5 else -1.0,
        far=unit("far"),
        near=unit("near"),
        soft=unit("soft"),
        places=0.12 + 0.76 * np.array(places),
        size=np.array([0.18 + 0.12 * unit("size_x"), 0.18 + 0.12 * unit("size_y")]),
    )


def cropped(sample: Sample, margin: int) -> Sample:
    """Cut ``margin`` pixels off every side of all layers. Raises ValueError where less than half of a side is left."""
    height, width = sample.pha.shape
    if 4 * margin > min(height, width):
        raise ValueError(
            f"a sample of {width}x{height} loses {margin} pixels a side to the largest shift, more than a quarter; "
            "lower robustness.shift in params.yaml"
        )
    window = (slice(margin, height - margin), slice(margin, width - margin))
    src, bgr, fgr, pha = (np.ascontiguousarray(layer[window]) for layer in sample[:4])
    return Sample(src, bgr, fgr, pha, sample.recipe)


def margin_of(sample: Sample, shift: float) -> int:
    """How much must be cut off so that a shift of ``shift`` pixels (at ``PLAN_SIDE``) shows nothing made up, pixels.

    Even and with room for interpolation; sides that are a multiple of 4 stay one.
    """
    reach = shift * max(sample.pha.shape) / PLAN_SIDE
    return 2 * math.ceil((reach + 2) / 2) if reach > 0 else 0


def shifted(sample: Sample, pixels: float, chance: Chance, margin: int) -> Sample:
    """Move the captured background's camera by ``pixels`` (at ``PLAN_SIDE``), and cut ``margin`` off all layers."""
    inner = cropped(sample, margin)
    reach = pixels * max(sample.pha.shape) / PLAN_SIDE
    angle = math.radians(chance.angle)
    view = Viewpoint(x=reach * math.cos(angle), y=-reach * math.sin(angle))
    sight = recapture(bytes_to_linear(sample.bgr), margin, view)
    return inner._replace(bgr=to_bytes(to_display(np.ascontiguousarray(sight(slice(0, inner.pha.shape[0]))))))


def retaken(
    light: Float,
    chance: Chance,
    gains: NDArray[np.float64] = _NO_GAINS,
    gamma: float = 1.0,
    noise: float = 0.0,
    stream: int = PLATE_NOISE,
) -> Image:
    """Photograph linear light, (H, W, 3), as the plates and sources of training are: gains, noise, tone curve, gamma.

    ``noise``: sigma at mid grey, display values 0 to 1, of the grain that ``stream`` draws from.
    """
    sensor = Sensor(noise=noise, read=_READ, correlation=0.0, tone=0.0, sharpen=0.0)
    return develop(lambda rows: light[rows], light.shape, sensor, gamma, chance.noise_key, stream, gains)


def exposed(sample: Sample, stops: float, chance: Chance) -> Sample:
    """Take the captured background ``stops`` brighter."""
    return sample._replace(bgr=retaken(bytes_to_linear(sample.bgr), chance, gains=np.full(3, 2.0**stops)))


def tinted(sample: Sample, stops: float, chance: Chance) -> Sample:
    """Take the captured background's red ``stops`` up and its blue as far down."""
    gains = np.exp2(np.array([stops, 0.0, -stops]))
    return sample._replace(bgr=retaken(bytes_to_linear(sample.bgr), chance, gains=gains))


def bent(sample: Sample, gamma: float, chance: Chance) -> Sample:
    """Raise the captured background's display values to ``gamma``."""
    return sample._replace(bgr=retaken(bytes_to_linear(sample.bgr), chance, gamma=gamma))


def noisy(sample: Sample, sigma: float, chance: Chance) -> Sample:
    """Add noise to both pictures, as a camera in poor light does, to each its own."""
    src = retaken(bytes_to_linear(sample.src), chance, noise=sigma, stream=SOURCE_NOISE)
    return sample._replace(src=src, bgr=retaken(bytes_to_linear(sample.bgr), chance, noise=sigma))


def compressed(sample: Sample, quality: int) -> Sample:
    """Send both pictures through JPEG, as one camera does."""
    src, bgr = (decode_rgb_layer(encode_jpeg(image, quality)) for image in (sample.src, sample.bgr))
    return sample._replace(src=src, bgr=bgr)


def shadow_of(sample: Sample, strength: float, chance: Chance) -> Float:
    """The share of light that a shadow of the sample's person leaves on the scene behind, (H, W) 0 to 1.

    ``strength``: what display values lose at the darkest point. On the wall for whom the frame cuts off below, on the
    ground for others, as the plan draws it. Raises ValueError where nobody is in the sample.
    """
    height, width = sample.pha.shape
    x, y, w, h = cv2.boundingRect(sample.pha)
    whole = y + h < height
    row: dict[str, Any] = {
        "clip": sample.recipe.get("clip", "?"),
        "frame": sample.recipe.get("frame", 0),
        "width": width,
        "height": height,
        "fgr_scale": 1.0,
        "fgr_rotate": 0.0,
        "fgr_shear": 0.0,
        "fgr_flip": False,
        "fgr_x": x + w / 2,
        "fgr_y": y + h / 2,
        "box_x": x,
        "box_y": y,
        "box_w": w,
        "box_h": h,
        "shadow_strength": strength,
        "shadow_x": 0.0 if whole else chance.side * (0.08 + 0.1 * chance.far),
        "shadow_y": 0.0 if whole else 0.05 * chance.near,
        "shadow_lean": chance.side * (0.08 + 0.27 * chance.far) if whole else 0.0,
        "shadow_scale": 0.2 + 0.4 * chance.near if whole else 1.0 + 0.06 * chance.near,
        "shadow_blur": (0.005 if whole else 0.012) + 0.025 * chance.soft,
    }
    shade = cast_shadow(row, warp_subject(sample.fgr, sample.pha, row), (height, width))
    return np.ones((height, width), np.float32) if shade is None else shade


def shaded(sample: Sample, strength: float, chance: Chance) -> Sample:
    """Let the person's shadow fall on the scene in the source alone."""
    scene = bytes_to_linear(sample.bgr)
    return sample._replace(src=scene_behind(sample, scene * shadow_of(sample, strength, chance)[:, :, None]))


def scene_behind(sample: Sample, scene: Float) -> Image:
    """The source with another scene behind the person: linear light, (H, W, 3), in place of the plate's.

    What the two scenes differ by is added where the person lets it through, in the space that alpha mixes in, so that
    the source keeps its own grain. The sample's plate must show its scene as it is (strength ``exact``).
    """
    through = (1 - sample.pha.astype(np.float32) / np.float32(255))[:, :, None]
    before = bytes_to_linear(sample.bgr)
    if sample.recipe.get("space", "linear") == "display":
        seen = sample.src.astype(np.float32) / np.float32(255)
        return to_bytes(seen + through * (to_display(scene) - to_display(before)))
    return to_bytes(to_display(bytes_to_linear(sample.src) + through * (scene - before)))
