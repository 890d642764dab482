"""Encoded pictures by key: members of composites as the shards hold them, predictions, errors made when asked for."""

import threading
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.codec import decode_grey_layer, encode_png
from compositing.shards.reader import ShardReader
from training.watch.errormap import error_map

PICTURES = ("src.jpg", "bgr.jpg", "fgr.jpg", "pha.png")
THUMBNAIL, OVERLAY = 480, 1024
"""Long side of a picture in the grid and of an overlay, pixels: full ones of 2048 make the App crawl."""
UNSEEN = 4
"""Errors of alpha below this, of 255, are no colour: a heat map would paint rounding all over the picture."""


class Pictures:
    """Encoded pictures by key, from a project's ``data`` folder; opens shards when first asked. Safe in threads."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._readers: dict[str, ShardReader] = {}

    def composite(self, set_name: str, ordinal: int, key: str, member: str) -> bytes:
        """Return a member of a composite as the shard holds it.

        Raises KeyError where the shards hold no such composite (any more) or member.
        """
        reader = self._reader(set_name)
        position = int(np.searchsorted(reader.ordinals, ordinal))
        # Rendered anew, an ordinal may show another composite than the one that was loaded.
        if position == len(reader) or reader.ordinals[position] != ordinal or reader.key(position) != key:
            raise KeyError(f"{set_name} {ordinal} {key}")
        if member not in PICTURES:
            raise KeyError(member)
        return reader.read_members(position, (member,))[member]

    def prediction(self, ordinal: int, key: str, method: str, what: str) -> bytes:
        """Return a method's alpha for a test composite, or its error.

        ``what``: ``alpha`` is (H, W) as the method said; ``error`` the coloured map of ``training.watch.errormap``;
        ``off`` the absolute error, (H, W), 255 times it. Raises KeyError where the evaluation kept none.
        """
        name = f"{key}.{method}.png"
        if name not in self._kept():
            raise KeyError(name)
        data = (self._data / "evaluation" / "alphas" / name).read_bytes()
        if what == "alpha":
            return data
        alpha = decode_grey_layer(data)
        truth = decode_grey_layer(self.composite("test", ordinal, key, "pha.png"))
        if what == "error":
            return _encode_colour(error_map(alpha, truth))
        if what == "off":
            off = np.abs(alpha.astype(np.int16) - truth).astype(np.uint8)
            return encode_png(np.where(off < UNSEEN, 0, off).astype(np.uint8))
        raise KeyError(what)

    def _reader(self, set_name: str) -> ShardReader:
        with self._lock:
            if set_name not in self._readers:
                try:
                    reader = ShardReader(self._data / "shards", self._data / "shards.parquet", set_name)
                except (FileNotFoundError, ValueError) as error:
                    raise KeyError(set_name) from error
                self._readers[set_name] = reader
            return self._readers[set_name]

    @lru_cache(maxsize=1)  # noqa: B019  (one project a process)
    def _kept(self) -> frozenset[str]:
        return frozenset(path.name for path in (self._data / "evaluation" / "alphas").glob("*.png"))


def _encode_colour(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def shrink(data: bytes, side: int, suffix: str) -> bytes:
    """Make an encoded picture no longer than ``side`` pixels, in the same format; one that fits stays as it is."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("the picture cannot be decoded")
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return data
    return bytes(cv2.imencode(suffix, cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))[1])
