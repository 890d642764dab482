"""The frame store: one uncompressed tar a clip, read by offset."""

from collections.abc import Mapping
from typing import Any, Protocol

from compositing.codec import Image, decode_grey_layer, decode_rgb_layer, encode_jpeg, encode_png
from compositing.photographs import decode_photograph

FGR_QUALITY = 98
"""JPEG quality of stored foregrounds, with full colour resolution. Composites are made from the stored pixels, so they
are the truth whatever the encoder did: on real photographs within 1.4 of 255 (root mean square) of what went in, where
a PNG took 2.2 to 2.7 times the space."""

FGR = "fgr.jpg"
PHA = "pha.png"


class Reader(Protocol):
    """Whatever gives the bytes behind a locator, such as :class:`curation.sources.Source`."""

    def read(self, locator: str) -> bytes:
        """Return all bytes behind a locator."""


def encode_frame(fgr: Image, pha: Image) -> dict[str, bytes]:
    """Encode a frame for the store: member name -> bytes; alpha lossless.

    ``fgr`` (H, W, 3) uint8 RGB, ``pha`` (H, W) uint8.
    """
    return {FGR: encode_jpeg(fgr, FGR_QUALITY, "444"), PHA: encode_png(pha)}


def read_frame(frames: Reader, row: Mapping[str, Any], dataset: Reader | None = None) -> tuple[Image, Image]:
    """Read the frame of a row of the frames table: (H, W, 3) uint8 RGB straight foreground, (H, W) uint8 alpha.

    ``frames`` reads the frame store (``Source("data/frames")``). A foreground with ``stored`` false lies in the raw
    dataset (a JPEG release that needed no change); ``dataset`` then reads that root. Alpha is always in the store.

    Always decoded whole: libjpeg's pictures of half the size take 0.75 of the time, but reduced further to 0.4 and 0.5
    of the whole they left real foregrounds with 0.8 of their sharpness, softer than the scene around them.

    Raises ValueError where the row has no frame, the dataset is needed and not given, or the bytes do not fit the row.
    """
    name = f"{row['clip']} frame {row['frame']}"
    if row["fgr"] is None or row["pha"] is None:
        raise ValueError(f"{name} has no images ({row['status']}); choose rows whose status is ok")
    if row["stored"]:
        fgr = decode_rgb_layer(frames.read(row["fgr"]))
    elif dataset is not None:
        fgr = decode_photograph(dataset.read(row["fgr"]))
    else:
        raise ValueError(f"{name} is in the raw dataset, at {row['fgr']}; give read_frame a reader of its root")
    pha = decode_grey_layer(frames.read(row["pha"]))
    expected = (row["height"], row["width"])
    if fgr.shape[:2] != expected or pha.shape != expected:
        raise ValueError(
            f"{name}: the table says {expected[1]}x{expected[0]}, fgr is {fgr.shape[1]}x{fgr.shape[0]} and pha "
            f"{pha.shape[1]}x{pha.shape[0]}; the store is of another run: make it again with 'dvc repro mattes'"
        )
    return fgr, pha
