"""Tar or Parquet shards, written atomically, read by offset."""

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from compositing.codec import Image, decode_grey_layer, decode_rgb_layer
from compositing.shards.parquet import ParquetFiles
from compositing.shards.places import Places
from compositing.shards.rangecache import RangeCache, default_cache
from compositing.shards.remote import RemoteFiles, Span, Traffic, check_published
from compositing.shards.tar import TarFiles
from compositing.tables import LAYERS
from curation.config import Section
from curation.identity import file_id
from curation.storage import Root, is_remote

AHEAD = 256
"""Recipes asked for together."""
log = logging.getLogger("cleanplate.shards")


class RenderParams(Section):
    """Parameters of the ``render`` stage."""

    format: Literal["tar", "parquet"]
    """Container of the shards."""
    samples_per_shard: Annotated[int, Field(ge=1)]
    """Composites in one shard."""
    fgr_quality: Annotated[int, Field(ge=95, le=100)]
    """JPEG quality of the foreground label, 95 or more; it is stored with full colour resolution (4:4:4)."""


class Sample(NamedTuple):
    """One composite with its truth."""

    src: Image
    """(H, W, 3) uint8 RGB: what the camera sees."""
    bgr: Image
    """(H, W, 3) uint8 RGB: the captured background."""
    fgr: Image
    """(H, W, 3) uint8 RGB: true foreground colour, valid wherever alpha > 0."""
    pha: Image
    """(H, W) uint8: true alpha, 0 to 255."""
    recipe: dict[str, Any]
    """The plan's row, plain Python values; empty where it was not asked for."""


def decode_sample(members: Mapping[str, bytes], recipe: bool = True) -> Sample:
    """Decode the five members of a sample. Raises ValueError naming the member that is damaged."""
    decoded: dict[str, Any] = {}
    for member, decode in (
        ("src.jpg", decode_rgb_layer),
        ("bgr.jpg", decode_rgb_layer),
        ("fgr.jpg", decode_rgb_layer),
        ("pha.png", decode_grey_layer),
        ("json", json.loads),
    ):
        if member == "json" and not recipe:
            continue
        try:
            decoded[member] = decode(members[member])
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{member}: {error}") from error
    return Sample(
        decoded["src.jpg"], decoded["bgr.jpg"], decoded["fgr.jpg"], decoded["pha.png"], decoded.get("json", {})
    )


def fitting(recipes: pd.DataFrame, where: Mapping[str, str], name: str) -> NDArray[np.bool_]:
    """Return which recipes have all values of ``where``, (N,).

    Raises ValueError, beginning with ``name``, for an unknown column.
    """
    unknown = sorted(set(where) - set(recipes.columns))
    if unknown:
        raise ValueError(f"{name}: a recipe has no column {', '.join(unknown)}")
    fits = np.ones(len(recipes), dtype=bool)
    for column, value in where.items():
        fits &= (recipes[column] == value).to_numpy()
    return fits


class ShardReader:
    """Random access to the samples of one set, tar or Parquet alike.

    Picklable; files are opened when first read, in each process for itself, and where the samples are is in memory
    once for all of them (``shards.mapped``), so that none may outlive the first. ``where`` keeps the samples whose
    recipe has these values (such as ``{"strength": "hard"}``).
    Raises FileNotFoundError for a missing table or folder, ValueError where no sample fits.
    """

    def __init__(
        self,
        shards: Root,
        table: Path,
        set_name: str,
        where: Mapping[str, str] | None = None,
        cache: RangeCache | None = None,
    ) -> None:
        """``cache``: what keeps ranges of shards in an object store; None: this machine's own."""
        self.set_name = set_name
        self._remote: RemoteFiles | None = None
        self.shards = Path(str(shards))
        if is_remote(shards):
            check_published(str(shards), table)
            self._remote = RemoteFiles(str(shards), file_id(table), cache or default_cache())
        elif not self.shards.is_dir():
            raise FileNotFoundError(f"{self.shards} is missing; run 'dvc repro render' or 'dvc pull' to get the shards")
        self._tars = TarFiles(self.shards)
        self._parquets = ParquetFiles(self.shards, self._remote)
        self._places = Places(table, set_name)
        if where:
            name = f"{table}: set '{set_name}'"
            self._places.keep(np.flatnonzero(fitting(self.recipes(), where, name)))
            if not len(self):
                raise ValueError(f"{name}: no sample has {dict(where)}")

    @property
    def ordinals(self) -> NDArray[np.int64]:
        """The ordinal of the sample at each position, (N,), ascending."""
        return self._places.ordinals

    def key(self, position: int) -> str:
        """Return the composite_id of the sample at a position, 0 to len - 1."""
        return self._places.key(position)

    def __len__(self) -> int:
        return len(self._places)

    def read_members(self, position: int, members: Iterable[str] = LAYERS) -> dict[str, bytes]:
        """Return the encoded members of the sample at a position, 0 to len - 1. Raises IndexError."""
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of set '{self.set_name}' with {len(self)} samples")
        shard, at = self._places.shard(position), self._places.at(position)
        if not self._places.in_tar:
            return self._parquets.read(shard, int(at["row_group"]), int(at["row"]), members)
        offset, size = at["offset"].tolist(), at["size"].tolist()
        if self._remote is not None:
            wanted = tuple(members)
            span = self._span(position, wanted)
            data = memoryview(self._remote.read(*span))
            begin = [place - span.offset for place in offset]
            return {m: bytes(data[begin[i] : begin[i] + size[i]]) for m in wanted for i in (LAYERS.index(m),)}
        return {m: self._tars.read(shard, offset[i], size[i]) for m in members for i in (LAYERS.index(m),)}

    def _span(self, position: int, members: Iterable[str]) -> Span:
        """What is asked for to read members of a sample: all of it, for they lie together, or its recipe alone."""
        at = self._places.at(position)
        offset, size = at["offset"].tolist(), at["size"].tolist()
        chosen = [LAYERS.index(m) for m in members]
        if len(chosen) > 1:
            chosen = list(range(len(LAYERS)))
        first, stop = min(offset[i] for i in chosen), max(offset[i] + size[i] for i in chosen)
        return Span(self._places.shard(position), first, stop - first)

    def prefetch(self, positions: Iterable[int], members: Iterable[str] = LAYERS) -> None:
        """Begin to fetch samples, or members of them, that will be read soon; nothing to do for local shards."""
        if self._remote is not None and self._places.in_tar:
            wanted = tuple(members)
            self._remote.prefetch(self._span(position, wanted) for position in positions)

    def traffic(self) -> Traffic | None:
        """What reading from an object store took so far, in all processes; None for local shards."""
        return None if self._remote is None else self._remote.traffic()

    def read(self, position: int, recipe: bool = True) -> Sample:
        """Read and decode the sample at a position, 0 to len - 1.

        Raises IndexError, or ValueError naming shard, key and member where bytes are damaged.
        """
        members = self.read_members(position, LAYERS if recipe else LAYERS[:-1])
        try:
            return decode_sample(members, recipe)
        except ValueError as error:
            mend = "get it again with 'dvc checkout -f' or 'dvc repro -f render'"
            if self._remote is not None:
                mend = "put the shards of this render there again"
            shard = f"{self.shards if self._remote is None else self._remote.url}/{self._places.shard(position)}"
            raise ValueError(f"{shard}: {self.key(position)}.{error}; {mend}") from error

    def recipes(self) -> pd.DataFrame:
        """All recipes in the order of positions, one row a sample; no image is decoded."""
        if self._remote is not None:
            log.info("reading %s recipes of set '%s' from %s", f"{len(self):,}", self.set_name, self._remote.url)
        rows: list[dict[str, Any]] = []
        for start in range(0, len(self), AHEAD):
            positions = range(start, min(start + AHEAD, len(self)))
            self.prefetch(positions, ("json",))
            rows += [json.loads(self.read_members(i, ("json",))["json"]) for i in positions]
        return pd.DataFrame(rows)
