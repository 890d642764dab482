"""Tar or Parquet shards, written atomically, read by offset."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from compositing.codec import Image, decode_grey_layer, decode_rgb_layer
from compositing.shards.parquet import ParquetFiles
from compositing.shards.tar import TarFiles
from compositing.tables import LAYERS, SHARDS
from curation.config import Section
from curation.tables import read_table


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
        except ValueError as error:
            raise ValueError(f"{member}: {error}") from error
    return Sample(
        decoded["src.jpg"], decoded["bgr.jpg"], decoded["fgr.jpg"], decoded["pha.png"], decoded.get("json", {})
    )


def matching(recipes: pd.DataFrame, where: Mapping[str, str], name: str) -> NDArray[np.int64]:
    """Return the positions of the recipes that have all values of ``where``.

    Raises ValueError, beginning with ``name``, for an unknown column or where nothing fits.
    """
    unknown = sorted(set(where) - set(recipes.columns))
    if unknown:
        raise ValueError(f"{name}: a recipe has no column {', '.join(unknown)}")
    fits = np.ones(len(recipes), dtype=bool)
    for column, value in where.items():
        fits &= (recipes[column] == value).to_numpy()
    if not fits.any():
        raise ValueError(f"{name}: no sample has {dict(where)}")
    return np.flatnonzero(fits)


class ShardReader:
    """Random access to the samples of one set, tar or Parquet alike.

    Picklable; files are opened when first read, in each process for itself. ``where`` keeps the samples whose
    recipe has these values (such as ``{"strength": "hard"}``).
    Raises FileNotFoundError for a missing table or folder, ValueError where no sample fits.
    """

    def __init__(self, shards: Path, table: Path, set_name: str, where: Mapping[str, str] | None = None) -> None:
        self.shards = Path(shards)
        self.set_name = set_name
        if not self.shards.is_dir():
            raise FileNotFoundError(f"{self.shards} is missing; run 'dvc repro render' or 'dvc pull' to get the shards")
        self._tars = TarFiles(self.shards)
        self._parquets = ParquetFiles(self.shards)
        self._load(table)
        if where:
            self._keep(where, table)

    def _load(self, path: Path) -> None:
        columns = ["set", "ordinal", "composite_id", "member", "shard", "offset", "size", "row_group", "row"]
        table = read_table(SHARDS, path, columns)
        sets = pc.unique(table["set"]).to_pylist()
        table = table.filter(pc.equal(table["set"], self.set_name))
        if not len(table):
            raise ValueError(f"{path} holds no set '{self.set_name}', only {', '.join(sets) or 'none'}")
        self._places: dict[str, pa.Table] = {}
        for member in LAYERS:
            rows = table.filter(pc.equal(table["member"], member)).sort_by("ordinal")
            self._places[member] = rows
        first = self._places[LAYERS[0]]
        for member, rows in self._places.items():
            if not rows["ordinal"].equals(first["ordinal"]):
                raise ValueError(
                    f"{path}: set '{self.set_name}' lacks some {member}; make it again with 'dvc repro render'"
                )
        self.ordinals: NDArray[np.int64] = first["ordinal"].to_numpy()
        self.keys: list[str] = first["composite_id"].to_pylist()
        """composite_id of the sample at each position."""
        names = pc.dictionary_encode(first["shard"]).combine_chunks()
        self._shard_names: list[str] = names.dictionary.to_pylist()
        self._shard: NDArray[np.int32] = names.indices.to_numpy()
        self._tar = first["offset"].null_count == 0
        if self._tar:
            spans = [(rows["offset"].to_numpy(), rows["size"].to_numpy()) for rows in self._places.values()]
            self._at: NDArray[np.int64] = np.array(spans, dtype=np.int64).transpose(2, 0, 1)  # (N, member, offset/size)
        else:
            self._at = np.stack([first["row_group"].to_numpy(), first["row"].to_numpy()], 1).astype(np.int64)
        del self._places

    def _keep(self, where: Mapping[str, str], path: Path) -> None:
        chosen = matching(self.recipes(), where, f"{path}: set '{self.set_name}'")
        self.ordinals, self._shard, self._at = self.ordinals[chosen], self._shard[chosen], self._at[chosen]
        self.keys = [self.keys[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.ordinals)

    def read_members(self, position: int, members: Iterable[str] = LAYERS) -> dict[str, bytes]:
        """Return the encoded members of the sample at a position, 0 to len - 1. Raises IndexError."""
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of set '{self.set_name}' with {len(self)} samples")
        shard = self._shard_names[self._shard[position]]
        at = self._at[position]
        if not self._tar:
            return self._parquets.read(shard, int(at[0]), int(at[1]), members)
        return {m: self._tars.read(shard, *(int(v) for v in at[LAYERS.index(m)])) for m in members}

    def read(self, position: int, recipe: bool = True) -> Sample:
        """Read and decode the sample at a position, 0 to len - 1.

        Raises IndexError, or ValueError naming shard, key and member where bytes are damaged.
        """
        members = self.read_members(position, LAYERS if recipe else LAYERS[:-1])
        try:
            return decode_sample(members, recipe)
        except ValueError as error:
            shard = self.shards / self._shard_names[self._shard[position]]
            raise ValueError(
                f"{shard}: {self.keys[position]}.{error}; get it again with 'dvc checkout -f' or 'dvc repro -f render'"
            ) from error

    def recipes(self) -> pd.DataFrame:
        """All recipes in the order of positions, one row a sample; no image is decoded."""
        rows = [json.loads(self.read_members(i, ("json",))["json"]) for i in range(len(self))]
        return pd.DataFrame(rows)
