"""The real photographs that scikit-image, scikit-learn and matplotlib ship inside their wheels."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

SKIMAGE = "skimage:data/"
SKLEARN = "sklearn:datasets/images/"
MATPLOTLIB = "matplotlib:mpl-data/sample_data/"


@dataclass(frozen=True)
class Photograph:
    """A photograph in an installed wheel, and what may be cut from it."""

    file: str
    """package:folder/name."""
    scene: str
    """The Places365 scene it is filed under."""
    crops: Sequence[tuple[float, float, float, float]]
    """Left, top, right, bottom as shares of the image."""
    licence: str
    origin: str


MIDDLEBURY = "Middlebury 2014 stereo benchmark, published for research; reduced and shipped by scikit-image"
PHOTOGRAPHS = {
    "china": Photograph(
        f"{SKLEARN}china.jpg",
        "pagoda",
        [(0, 0, 1, 1), (0.0, 0.06, 0.66, 1.0), (0.38, 0.0, 1.0, 0.92), (0.12, 0.0, 0.70, 0.86)],
        "CC BY 2.0",
        "danielbuechele, flickr.com/photos/danielbuechele/6061409035, shipped by scikit-learn",
    ),
    "flower": Photograph(
        f"{SKLEARN}flower.jpg",
        "botanical_garden",
        [(0, 0, 1, 1), (0.0, 0.1, 0.62, 1.0), (0.40, 0.0, 1.0, 0.9)],
        "CC BY 2.0",
        "vultilion, flickr.com/photos/vultilion/6056698931, shipped by scikit-learn",
    ),
    "coffee": Photograph(
        f"{SKIMAGE}coffee.png",
        "coffee_shop",
        [(0, 0, 1, 1), (0.0, 0.0, 0.64, 1.0), (0.40, 0.05, 1.0, 1.0)],
        "CC0",
        "Rachel Michetti, shipped by scikit-image",
    ),
    "chelsea": Photograph(
        f"{SKIMAGE}chelsea.png", "pet_shop", [(0, 0, 1, 1)], "CC0", "Stefan van der Walt, shipped by scikit-image"
    ),
    "rocket": Photograph(
        f"{SKIMAGE}rocket.jpg",
        "tower",
        [(0, 0, 1, 1), (0.0, 0.08, 0.66, 1.0), (0.36, 0.0, 1.0, 0.94)],
        "public domain",
        "SpaceX, flickr.com/photos/spacexphotos/16511594820, shipped by scikit-image",
    ),
    "garage": Photograph(
        f"{SKIMAGE}motorcycle_left.png",
        "garage/indoor",
        [(0, 0, 1, 1), (0.0, 0.0, 0.56, 0.88), (0.42, 0.0, 1.0, 0.86), (0.22, 0.12, 0.86, 1.0)],
        MIDDLEBURY,
        "Nesic, Westling, Wang, Kitajima, Krathwohl and Scharstein, vision.middlebury.edu/stereo/data/scenes2014",
    ),
}
"""Photographs without people, by the name of the split group that their crops share."""

PEOPLE = {
    "astronaut": Photograph(
        f"{SKIMAGE}astronaut.png",
        "museum/indoor",
        [(0, 0, 1, 1), (0.0, 0.0, 0.86, 0.86)],
        "public domain",
        "NASA, Eileen Collins, shipped by scikit-image",
    ),
    "hopper": Photograph(
        f"{MATPLOTLIB}grace_hopper.jpg",
        "office",
        [(0, 0, 1, 1), (0.08, 0.0, 1.0, 0.78)],
        "public domain",
        "United States Navy, Grace Hopper, shipped by matplotlib",
    ),
    "camera": Photograph(
        f"{SKIMAGE}camera.png", "field/wild", [(0, 0, 1, 1)], "CC0", "Lav Varshney, shipped by scikit-image"
    ),
}
"""Photographs with people, which curation must catch."""

TEXTURES = {
    "grass": Photograph(f"{SKIMAGE}grass.png", "", [], "CC0", "linolafett (DeviantArt), shipped by scikit-image"),
    "gravel": Photograph(f"{SKIMAGE}gravel.png", "", [], "CC0", "CC0Textures Gravel04, shipped by scikit-image"),
}
"""Ground as photographed, laid into the drawings."""


def read(photograph: Photograph) -> Pixels:
    """Read a photograph from its wheel: (H, W, 3) uint8 RGB.

    Raises FileNotFoundError naming the package where its wheel no longer ships the file.
    """
    package, name = photograph.file.split(":")
    spec = find_spec(package)  # finds the folder without importing the package
    path = Path(spec.origin).parent / name if spec and spec.origin else Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"{package} does not ship {name}; install the locked environment with 'make setup'")
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{package}: {name} cannot be decoded; reinstall the package")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_grey(name: str) -> NDArray[np.float32]:
    """Read a texture of :data:`TEXTURES`: (H, W) linear light."""
    grey = read(TEXTURES[name])[..., 1].astype(np.float32) / 255
    return np.asarray(grey**2.2, np.float32)


def cut(photograph: Photograph, number: int) -> Pixels:
    """Cut crop ``number`` from a photograph, in its own resolution: (H, W, 3) uint8 RGB."""
    image = read(photograph)
    height, width = image.shape[:2]
    left, top, right, bottom = photograph.crops[number]
    return image[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
