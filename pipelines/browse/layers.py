"""What the datasets of composites share: fields by Arrow type, layers as slices and heat maps, where pictures are."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from pipelines.browse.members import OVERLAY, THUMBNAIL

Fields = Mapping[str, tuple[pa.DataType, str]]
"""Name -> type and description, as the columns of a table."""
DIGITS = 5
"""After the point: float32 has no more to say."""


def _field_of(fo: Any, kind: pa.DataType) -> Any:
    """The FiftyOne field that holds values of an Arrow type."""
    if pt.is_boolean(kind):
        return fo.BooleanField
    if pt.is_integer(kind):
        return fo.IntField
    return fo.FloatField if pt.is_floating(kind) else fo.StringField


def declared(fo: Any, name: str, fields: Fields, default: str) -> Any:
    """An empty grouped dataset with these fields; one that a killed run left under the name goes.

    Pictures in the grid are thumbnails, those opened are whole.
    """
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = fo.Dataset(name)
    dataset.add_group_field("group", default=default)
    dataset.add_sample_field("thumbnail", fo.StringField)
    for field, (kind, words) in fields.items():
        dataset.add_sample_field(field, _field_of(fo, kind), description=words)
    dataset.app_config.media_fields = ["filepath", "thumbnail"]
    dataset.app_config.grid_media_field = "thumbnail"
    return dataset


def add_overlays(fo: Any, dataset: Any, overlays: Mapping[str, str]) -> None:
    """Declare heat maps: name -> description."""
    for name, words in overlays.items():
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=fo.Heatmap, description=words)


def example(fo: Any, file: str, fields: Fields, overlays: Iterable[str]) -> Any:
    """A Sample with a value in each field, as ``bulk.add_groups`` wants one for its pattern."""
    return fo.Sample(
        filepath=f"/{file}", thumbnail="", metadata=fo.ImageMetadata(width=1, height=1),
        **{name: _example(kind) for name, (kind, _) in fields.items()},
        **{name: fo.Heatmap(map_path="") for name in overlays},
    )  # fmt: skip


def _example(kind: pa.DataType) -> Any:
    if pt.is_boolean(kind):
        return False
    if pt.is_integer(kind):
        return 0
    return 0.0 if pt.is_floating(kind) else ""


def tidy(value: Any) -> Any:
    """A float without the digits that float32 has not, NaN as None; anything else as it is."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DIGITS)
    return value


def pictures(row: Mapping[str, Any], member: str, base: str) -> dict[str, Any]:
    """Where a member of a composite is, whole and as a thumbnail, with its size."""
    return {
        "filepath": _address(row, member, base, 0),
        "thumbnail": _address(row, member, base, THUMBNAIL),
        "metadata.width": row["width"],
        "metadata.height": row["height"],
    }


def overlay(row: Mapping[str, Any], base: str) -> str:
    """Where a composite's true alpha is, as an overlay."""
    return _address(row, "pha.png", base, OVERLAY)


def _address(row: Mapping[str, Any], member: str, base: str, side: int) -> str:
    return f"{base}/{side}/composites/{row['set']}/{row['ordinal']}/{row['composite_id']}.{member}"
