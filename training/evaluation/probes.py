"""Probes: captures that unmask a model which only subtracts the captured background.

Each is made of a composite of strength ``exact`` by changing one thing, and asks about the one place where the trap
lies. All are on one scale: the mean error of alpha there, x 1000. 0 is right, and 1000 is where a plain difference of
colours would end up if colours never came close by chance; that difference is measured beside the methods.

- ``swapped``: source and captured background change places; the person stands in the plate alone.
- ``shadow_only``: nobody is there, but the person's shadow falls on the source.
- ``empty_minus_1ev``, ``empty_plus_1ev``: an empty frame, whose plate is a stop too dark or too bright.
- ``moved_object``: a thing behind the person was moved since the plate was taken.
- ``changed_screen``: a screen or lamp behind the person changed its brightness.
- ``camouflage``: the person's clothes have the colours of the scene behind them.
- ``plate_is_source``: the plate is the source itself: nobody stepped out of the picture.
- ``plate_recompressed``: the same, sent through JPEG: what differs now is the codec's noise.
- ``wrong_plate``: the plate shows another place.

With the last three and ``camouflage`` colours cannot tell where the person is: only who has learned what people look
like gets them right.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.chain.camouflage import camouflaged
from compositing.chain.changes import change_thing
from compositing.codec import Image, decode_rgb_layer, encode_jpeg
from compositing.composite import composite_in
from compositing.light import Float, bytes_to_linear
from compositing.shards.reader import Sample
from training.evaluation import changes
from training.evaluation.changes import SOURCE_NOISE, Chance

NOISE = 0.004
"""Sigma of the noise of a source that is made anew here, display values: as of strength ``exact``."""
SHADOW = 0.5
"""How dark the lone shadow is, share of display values."""
SHADED = 0.8
"""Share of light below which a pixel lies in the shadow."""
SCREEN = 1.5
"""Stops by which a screen changes."""
QUALITY = 40
"""JPEG quality of the plate that is a compressed source."""
CHANGED = 0.01
"""Change of linear light from which a pixel belongs to a thing that changed."""

MEASURES = {
    "swapped": "mean alpha x 1000 where the person stands in the plate alone; right: 0, a plain difference: near 1000",
    "shadow_only": "mean alpha x 1000 in the shadow, nobody there; right: 0, a plain difference: near 1000",
    "empty_minus_1ev": "mean alpha x 1000, nobody there, plate 1 EV darker; right: 0, a plain difference: up to 1000",
    "empty_plus_1ev": "mean alpha x 1000, nobody there, plate 1 EV brighter; right: 0, a plain difference: up to 1000",
    "moved_object": "mean alpha x 1000 on the moved thing, beside the person; right: 0, a plain difference: up to 1000",
    "changed_screen": "mean alpha x 1000 on the screen, beside the person; right: 0, a plain difference: near 1000",
    "camouflage": "alpha lost x 1000 where it should be 1, clothes as scene; right: 0, a plain difference: up to 1000",
    "plate_is_source": "alpha lost x 1000 where it should be 1, nothing differs; right: 0, a plain difference: 1000",
    "plate_recompressed": "alpha lost x 1000 where it should be 1, the codec differs; right: 0, a plain difference: "
    "near 1000",
    "wrong_plate": "mean alpha x 1000 where nobody stands, all differs; right: 0, a plain difference: near 1000",
}


class Probe(NamedTuple):
    """A sample with a trap."""

    sample: Sample
    """What methods see; its ``pha`` is the truth."""
    where: NDArray[np.bool_]
    """(H, W): the place that the probe asks about."""

    def error(self, alpha: Float) -> float:
        """Mean absolute error of an alpha, (H, W) 0 to 1, where the trap lies, x 1000."""
        truth = self.sample.pha.astype(np.float32) / np.float32(255)
        return 1000 * float(np.abs(alpha - truth)[self.where].mean(dtype=np.float64))


def build_probes(sample: Sample, other: Image | None, chance: Chance) -> dict[str, Probe]:
    """Make every probe of a sample of strength ``exact``, by name.

    ``other``: the captured background of another place, (H, W, 3) uint8 of any size; None: no wrong plate. A probe that
    has no place to ask about (a shadow that falls outside the frame) is left out.
    """
    makers: dict[str, Callable[[], Probe]] = {
        "swapped": lambda: _swapped(sample),
        "shadow_only": lambda: _shadow_only(sample, chance),
        "empty_minus_1ev": lambda: _empty(sample, -1.0, chance),
        "empty_plus_1ev": lambda: _empty(sample, 1.0, chance),
        "moved_object": lambda: _changed(sample, chance, (0.37 * chance.side, 0.21), 0.0),
        "changed_screen": lambda: _changed(sample, chance, (0.0, 0.0), SCREEN * chance.side),
        "camouflage": lambda: _camouflage(sample, chance),
        "plate_is_source": lambda: Probe(sample._replace(bgr=sample.src), _inside(sample)),
        "plate_recompressed": lambda: _recompressed(sample),
    }
    if other is not None:
        makers["wrong_plate"] = lambda: _wrong_plate(sample, other)
    made = {name: make() for name, make in makers.items()}
    return {name: probe for name, probe in made.items() if probe.where.any()}


def _inside(sample: Sample) -> NDArray[np.bool_]:
    return np.asarray(sample.pha == 255)


def _nobody(sample: Sample) -> Sample:
    return sample._replace(pha=np.zeros_like(sample.pha))


def _swapped(sample: Sample) -> Probe:
    return Probe(_nobody(sample._replace(src=sample.bgr, bgr=sample.src)), _inside(sample))


def _shadow_only(sample: Sample, chance: Chance) -> Probe:
    shade = changes.shadow_of(sample, SHADOW, chance)
    light = bytes_to_linear(sample.bgr) * shade[:, :, None]
    src = changes.retaken(light, chance, noise=NOISE, stream=SOURCE_NOISE)
    return Probe(_nobody(sample._replace(src=src)), np.asarray(shade < SHADED))


def _empty(sample: Sample, stops: float, chance: Chance) -> Probe:
    src = changes.retaken(bytes_to_linear(sample.bgr), chance, noise=NOISE, stream=SOURCE_NOISE)
    plate = changes.exposed(sample, stops, chance)
    return Probe(_nobody(plate._replace(src=src)), np.ones(sample.pha.shape, bool))


def _changed(sample: Sample, chance: Chance, source: tuple[float, float], stops: float) -> Probe:
    """Change a thing in the scene, where the person hides least of it."""
    scene = bytes_to_linear(sample.bgr)
    hidden = cv2.boxFilter(sample.pha.astype(np.float32), -1, _odd(chance.size, sample.pha.shape))
    spots = (chance.places[:, ::-1] * sample.pha.shape).astype(int)
    x, y = chance.places[int(np.argmin(hidden[spots[:, 0], spots[:, 1]]))]
    thing = {
        "change_x": x,
        "change_y": y,
        "change_w": chance.size[0],
        "change_h": chance.size[1],
        "change_turn": 20 * chance.soft - 10,
        "change_from_x": source[0],
        "change_from_y": source[1],
        "change_gain": stops,
    }
    changed = change_thing(thing, scene)
    differs = np.abs(changed - scene).max(axis=2) > CHANGED
    src = changes.scene_behind(sample, changed)
    return Probe(sample._replace(src=src), np.asarray(differs & (sample.pha == 0)))


def _odd(size: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = shape[:2]
    return 2 * int(size[0] * width / 2) + 1, 2 * int(size[1] * height / 2) + 1


def _camouflage(sample: Sample, chance: Chance) -> Probe:
    alpha, scene = sample.pha.astype(np.float32) / np.float32(255), bytes_to_linear(sample.bgr)
    colour = camouflaged(bytes_to_linear(sample.fgr), alpha, scene, 1.0)
    seen = composite_in(sample.recipe.get("space", "linear"), colour, alpha, scene)
    src = changes.retaken(seen, chance, noise=NOISE, stream=SOURCE_NOISE)
    return Probe(sample._replace(src=src), _inside(sample))


def _recompressed(sample: Sample) -> Probe:
    return Probe(sample._replace(bgr=decode_rgb_layer(encode_jpeg(sample.src, QUALITY))), _inside(sample))


def _wrong_plate(sample: Sample, other: Image) -> Probe:
    height, width = sample.pha.shape
    if other.shape != sample.src.shape:
        other = np.asarray(cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return Probe(sample._replace(bgr=other), np.asarray(sample.pha == 0))


TILE = 176
"""Long side of a picture in a strip, pixels."""
_TITLE = 18
"""Height of the words above it, pixels."""


def write_strip(probe: Probe, alphas: Mapping[str, Float], path: Path) -> None:
    """Draw a probe as a row of small pictures (source, plate, the right alpha, each method's) and write it as PNG.

    The place that the probe asks about is outlined in the right alpha.
    """
    asked = np.repeat(probe.sample.pha[:, :, None], 3, axis=2)
    edges = cv2.morphologyEx(probe.where.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    asked[edges > 0] = (214, 96, 77)
    tiles = {"source": probe.sample.src, "plate": probe.sample.bgr, "right": asked}
    for method, alpha in alphas.items():
        tiles[method] = np.repeat(np.rint(alpha * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    strip = np.hstack([_tile(words, picture) for words, picture in tiles.items()])
    if not cv2.imwrite(str(path), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path} could not be written")


def _tile(words: str, picture: Image) -> Image:
    scale = TILE / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small = cv2.copyMakeBorder(small, _TITLE, 4, 0, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    cv2.putText(small, words, (2, _TITLE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return np.asarray(small, np.uint8)


def write_montages(parts: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Lay the strips of all pictured samples under each other, a JPEG a probe; relative name -> file in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in MEASURES:
        strips = [cv2.imread(str(part / f"{name}.png")) for part in parts if (part / f"{name}.png").is_file()]
        if strips:
            width = max(strip.shape[1] for strip in strips if strip is not None)
            padded = [
                cv2.copyMakeBorder(s, 0, 0, 0, width - s.shape[1], cv2.BORDER_CONSTANT, value=(255, 255, 255))
                for s in strips
                if s is not None
            ]
            files[f"{name}.jpg"] = folder / f"{name}.jpg"
            cv2.imwrite(str(files[f"{name}.jpg"]), np.vstack(padded), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return files
