"""Samples that were not rendered here: captured pairs with an alpha somebody or something made, or other shards.

Two layouts are read where they lie: folders ``src/``, ``bgr/``, ``pha/`` and perhaps ``fgr/`` with pictures of the
same name, and WebDataset's ``KEY.src.jpg``, ``KEY.bgr.jpg``, ``KEY.pha.png`` and perhaps ``KEY.fgr.*``, packed in tars
or lying in folders. A plate may serve many sources, as :mod:`compositing.calibration.captured` finds it.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image as Pillow

from compositing.calibration.captured import SUFFIXES, find_pairs
from compositing.codec import Image, decode_grey_layer, decode_rgb_layer
from compositing.shards.reader import Sample
from curation.sources import Source, locator_of
from curation.storage.local import LocalStore
from curation.tarlist import list_tar

NEEDED = ("src", "bgr", "pha")
TARS = (".tar", ".tar.gz", ".tgz")
MEMBER = re.compile(rf"(?P<key>.+)\.(?P<layer>src|bgr|fgr|pha)({'|'.join(map(re.escape, SUFFIXES))})", re.IGNORECASE)
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)
"""EXIF's tag, and those of its values that swap width and height."""
TOLD = 5
MOST_BYTES = 1 << 30
"""Of one picture's file."""
"""Samples that an error names, at most."""
HINT = "expected folders src/, bgr/ and pha/, or KEY.src.jpg, KEY.bgr.jpg and KEY.pha.png, packed in .tar files or not"


class Found(NamedTuple):
    """One sample of a source."""

    name: str
    """As errors name it."""
    layers: dict[str, str]
    """Locators of ``src``, ``bgr``, ``pha`` and, where it is there, ``fgr``."""


class ExtraReader:
    """Random access to the samples of a source, sorted by name. Picklable.

    Larger samples are shrunk so that their short side is ``side``: a crop then shows as much of a person as one of a
    rendered sample. Smaller ones stay as they are.
    """

    def __init__(self, name: str, root: Path, side: int) -> None:
        """List the samples below ``root``.

        Raises:
            FileNotFoundError: no such folder.
            ValueError: there are no samples, or some lack members; the message names them.
        """
        self.name = name
        self.side = side
        self._source = Source(root)
        self.samples = find_samples(name, root)

    def __len__(self) -> int:
        return len(self.samples)

    def has_fgr(self, position: int) -> bool:
        """Whether the true foreground of the sample at a position is known."""
        return "fgr" in self.samples[position].layers

    def read(self, position: int, recipe: bool = True) -> Sample:
        """Read the sample at a position, 0 to len - 1; without a true foreground, ``fgr`` is the source.

        Raises ValueError naming the sample and what is wrong with it.
        """
        found = self.samples[position]
        layers = {layer: self._layer(found, layer) for layer in found.layers}
        shapes = {layer: image.shape[:2] for layer, image in layers.items()}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"{self._named(found)}: {_sizes({k: (w, h) for k, (h, w) in shapes.items()})}")
        small = {layer: _shrink(image, self.side) for layer, image in layers.items()}
        name = {"composite_id": f"{self.name}/{found.name}"} if recipe else {}
        return Sample(small["src"], small["bgr"], small.get("fgr", small["src"]), small["pha"], name)

    def _layer(self, found: Found, layer: str) -> Image:
        decode = decode_grey_layer if layer == "pha" else decode_rgb_layer
        try:
            return decode(self._source.read(found.layers[layer], MOST_BYTES))
        except (OSError, ValueError) as error:
            raise ValueError(f"{self._named(found)}: {layer}: {error}") from error

    def check(self, least: int) -> None:
        """Look at the header of every picture, so that training need not end over one at night.

        Raises:
            ValueError: some cannot be read, differ in size within a sample, or are smaller than ``least`` pixels a
                side; the message names them.
        """
        wrong = [f"{found.name}: {words}" for found in self.samples if (words := self._examine(found, least))]
        if wrong:
            raise ValueError(
                f"extra '{self.name}': {len(wrong)} of {len(self)} samples cannot be used: {_some(wrong)}; "
                "mend or remove them, then run 'cleanplate scan'"
            )

    def _examine(self, found: Found, least: int) -> str | None:
        sizes = {}
        for layer, locator in found.layers.items():
            try:
                with Pillow.open(io.BytesIO(self._source.read(locator, MOST_BYTES))) as image:
                    width, height = image.size
                    swapped = image.getexif().get(ORIENTATION) in SIDEWAYS
                    if layer == "pha" and image.mode in ("RGBA", "LA", "PA"):
                        return "pha has an alpha channel of its own; expected alpha as grey levels"
            except Exception as error:  # a decoder meets arbitrary bytes and raises nearly everything
                return f"{layer}: {error}"
            sizes[layer] = (height, width) if swapped else (width, height)
        if len(set(sizes.values())) > 1:
            return _sizes(sizes)
        width, height = sizes["src"]
        short = min(self.side, width, height)
        if short < least:
            return f"{width}x{height}, of which the crop takes {least} pixels a side; lower 'crop' or enlarge it"
        return None

    def _named(self, found: Found) -> str:
        return f"extra '{self.name}', sample '{found.name}'"


def find_samples(name: str, root: Path) -> list[Found]:
    """The samples of a source in either layout, sorted by name; errors as :class:`ExtraReader` raises them."""
    if not root.is_dir():
        raise FileNotFoundError(f"extra '{name}': {root} is not a folder; check 'extra' in paths.yaml")
    samples = _in_folders(name, root) if (root / "src").is_dir() else _by_key(name, root)
    if not samples:
        raise ValueError(f"extra '{name}': {root} holds no samples; {HINT}")
    lacking = [
        f"'{key}' lacks {' and '.join(missing)}"
        for key, layers in sorted(samples.items())
        if (missing := [layer for layer in NEEDED if layer not in layers])
    ]
    if lacking:
        raise ValueError(f"extra '{name}': {len(lacking)} of {len(samples)} samples: {_some(lacking)}; {HINT}")
    return [Found(key, layers) for key, layers in sorted(samples.items())]


def _in_folders(name: str, root: Path) -> dict[str, dict[str, str]]:
    pictures = {layer: _pictures(name, root, layer) for layer in ("src", "bgr", "fgr", "pha")}
    for layer in NEEDED:
        if not pictures[layer]:
            raise ValueError(f"extra '{name}': {root / layer} holds no pictures; {HINT}")
    samples = {}
    for pair in find_pairs(root / "src", root / "bgr"):
        key = pair.src.stem
        samples[key] = {"src": locator_of(f"src/{pair.src.name}")}
        if pair.bgr is not None:
            samples[key]["bgr"] = locator_of(f"bgr/{pair.bgr.name}")
        samples[key] |= {layer: pictures[layer][key] for layer in ("fgr", "pha") if key in pictures[layer]}
    return samples


def _pictures(name: str, root: Path, layer: str) -> dict[str, str]:
    """Locators of the pictures of a layer's folder by stem."""
    found: dict[str, str] = {}
    folder = root / layer
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.suffix.lower() in SUFFIXES:
            if file.stem in found:
                raise ValueError(f"extra '{name}': {folder} holds two pictures '{file.stem}'; remove one")
            found[file.stem] = locator_of(f"{layer}/{file.name}")
    return found


def _by_key(name: str, root: Path) -> dict[str, dict[str, str]]:
    samples: dict[str, dict[str, str]] = {}
    for path, locator in _files(name, root):
        member = MEMBER.fullmatch(path)
        if member is None:
            continue
        layers, layer = samples.setdefault(member["key"], {}), member["layer"].lower()
        if layer in layers:
            raise ValueError(f"extra '{name}': sample '{member['key']}' has two pictures {layer}; remove one")
        layers[layer] = locator
    return samples


def _files(name: str, root: Path) -> Iterator[tuple[str, str]]:
    """Path and locator of every file, those in tars under the tar's name."""
    for entry in LocalStore(root).list():
        if not entry.path.lower().endswith(TARS):
            yield entry.path, locator_of(entry.path)
            continue
        for member in list_tar(root, entry.path):
            if member.reason is not None:
                raise ValueError(f"extra '{name}': {root / entry.path}: {member.name}: {member.reason}")
            yield f"{entry.path}/{member.name}", locator_of(entry.path, member.offset, member.size)


def _shrink(image: Image, side: int) -> Image:
    scale = side / min(image.shape[:2])
    if scale >= 1:
        return image
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _sizes(sizes: Mapping[str, tuple[int, int]]) -> str:
    return f"sizes differ: {', '.join(f'{layer} {width}x{height}' for layer, (width, height) in sizes.items())}"


def _some(words: Sequence[str]) -> str:
    return "; ".join(words[:TOLD]) + ("; ..." if len(words) > TOLD else "")
