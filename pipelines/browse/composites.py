"""plan + shards -> a FiftyOne dataset of composites, each a group: source, plate, foreground, alpha."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from compositing.plan.words import describe
from compositing.setrows import SetRows
from compositing.shards.reader import ShardReader
from compositing.tables import PLAN, SHARDS
from curation.identity import file_id
from pipelines.browse import bulk, session
from pipelines.browse.layers import add_overlays, declared, example, overlay, pictures, tidy
from pipelines.browse.layout import View, lay_out, put_views
from pipelines.browse.media import Address

DATA = Path("data")
NAME = "composites"
LAYOUT = "1"
"""Of the dataset's fields; another one rebuilds datasets that an earlier version left."""
LIMIT = 10_000
SLICES = {"source": "src.jpg", "plate": "bgr.jpg", "foreground": "fgr.jpg", "alpha": "pha.png"}
"""Slice of a group -> member of the shard."""
OVERLAYS = {
    "alpha": "true alpha as a heat map, on the slice alpha",
    "alpha_over": "the same over the pictures of the other slices; tick it to see where an edge lies",
}
ADDRESSES = ("filepath", "thumbnail", *(f"{name}.map_path" for name in OVERLAYS))

GROUPS: dict[str, tuple[str, ...]] = {
    "tags": ("tags",),
    "composite": ("set", "strength", "case", "split", "ordinal", "composite_id", "width", "height"),
    "made of": ("scene", "indoor", "clip", "frame", "second_clip", "object", "empty"),
    "layers": tuple(OVERLAYS),
    "recipe": ("recipe",),
    "subject": (
        "fgr_scale", "fgr_flip", "fgr_rotate", "fgr_exposure", "fgr_contrast", "fgr_saturation", "fgr_warmth",
        "match", "camouflage", "despill", "blur", "motion",
    ),
    "source only": (
        "shadow_strength", "contact_strength", "changed", "change_gain", "focus", "shading", "metering", "shake",
    ),
    "plate": (
        "shift", "shift_rotate", "shift_scale", "tilt", "parallax", "bgr_blur", "gain", "gain_red", "gain_blue",
        "gamma", "plate_locator",
    ),
    "sensor and codec": (
        "src_noise", "bgr_noise", "src_correlation", "bgr_correlation", "tone", "video", "src_quality", "bgr_quality",
    ),
    "metadata": ("locator", "dataset", "image_id", "licence", "source"),
}  # fmt: skip
DERIVED = {
    "shift": (pa.float64(), "length of the plate's shift, pixels"),
    "tilt": (pa.float64(), "perspective of the plate: how far its corners move, pixels"),
    "parallax": (pa.float64(), "how far the nearest parts of the plate move, pixels"),
    "changed": (pa.float64(), "share of the frame that the thing takes which changed in the source alone; 0: nothing"),
    "recipe": (pa.string(), "what was drawn, in words, without what is neutral"),
}
PLAIN = {name: PLAN.columns[name] for names in GROUPS.values() for name in names if name in PLAN.columns}
FIELDS = PLAIN | DERIVED
SHOWN = ("set", "strength", "case", "alpha")


def serve(sets: Sequence[str], limit: int, port: int, open_browser: bool) -> None:
    """Load composites (again only where plan or shards changed) and open the App on them."""
    address = Address(session.home())
    start = time.perf_counter()
    dataset = load_dataset(DATA, address.base, sets, limit)
    took = time.perf_counter() - start
    shown, there = len(dataset), sum(dataset.info["of"].values())
    some = f", evenly spread over {there:,}; --limit shows more or fewer" if shown < there else ""
    print(f"{shown:,} composites{some} ({took:.1f} s)", flush=True)
    session.serve(dataset, port, open_browser)


def load_dataset(data: Path, base: str, sets: Sequence[str] = (), limit: int = LIMIT) -> Any:
    """Return the persistent FiftyOne dataset of composites; built again where plan, shards or the choice changed.

    Args:
        data: folder of the tables and shards.
        base: with what addresses of pictures begin, as ``media.Address.base``.
        sets: sets of the plan; none: all.
        limit: shows an even sample of so many composites.

    Raises:
        FileNotFoundError: a table or the shards are missing; names the stage that makes them.
        ValueError: no such set.
    """
    fo = session.fiftyone_module()
    plan, table = data / "plan.parquet", data / "shards.parquet"
    places = _choose(plan, table, sets, limit)
    version = ".".join([file_id(plan), file_id(table), *sets, str(limit), LAYOUT])
    dataset = fo.load_dataset(NAME) if fo.dataset_exists(NAME) else None
    if dataset is None or dataset.info.get("version") != version:
        made = _declare(fo)
        readers = {name: ShardReader(data / "shards", table, name) for name in places}
        bulk.add_groups(fo, made, _pattern(fo), _groups(SetRows(PLAN, plan), readers, places, base))
        bulk.note(made, base, ADDRESSES, version=version, of={name: of for name, (_, of) in places.items()})
        if dataset is not None:
            fo.delete_dataset(NAME)
        made.name, made.persistent = NAME, True
        dataset = made
        put_views(dataset, _views(fo, dataset))
    bulk.rebase(dataset, base)
    return dataset


def _choose(plan: Path, table: Path, sets: Sequence[str], limit: int) -> dict[str, tuple[list[int], int]]:
    """Which rows of each set are shown, and of how many: an even sample over all of them."""
    counts = SetRows(PLAN, plan).counts
    rendered = SetRows(SHARDS, table).counts
    for name in sets:
        if name not in counts:
            raise ValueError(f"the plan holds no set '{name}', only {', '.join(counts)}")
    wanted = {name: count for name, count in counts.items() if name in (sets or counts)}
    missing = [name for name in wanted if name not in rendered]
    if missing:
        raise ValueError(f"{table} holds no set '{missing[0]}'; run 'dvc repro render'")
    total = sum(wanted.values())
    shown = range(total) if total <= limit else [i * total // limit for i in range(limit)]
    places, first = {}, 0
    for name, count in wanted.items():
        rows = [i - first for i in shown if first <= i < first + count]
        if rows:
            places[name] = (rows, count)
        first += count
    return places


def _declare(fo: Any) -> Any:
    dataset = declared(fo, f"{NAME} (in the making)", FIELDS, "source")
    add_overlays(fo, dataset, OVERLAYS)
    lay_out(
        fo, dataset, {}, GROUPS, SHOWN, closed=("recipe", "source only", "sensor and codec", "metadata"),
    )  # fmt: skip
    dataset.save()
    return dataset


def _pattern(fo: Any) -> dict[str, Any]:
    return {name: example(fo, member, FIELDS, OVERLAYS) for name, member in SLICES.items()}


def _groups(
    plan: SetRows, readers: Mapping[str, ShardReader], places: Mapping[str, tuple[list[int], int]], base: str
) -> Iterator[dict[str, bulk.Values]]:
    for name, (rows, _) in places.items():
        ordinals = set(readers[name].ordinals[rows].tolist())
        for piece in plan.pieces(name):
            for row in piece.filter(pa.array([o in ordinals for o in piece["ordinal"].to_pylist()])).to_pylist():
                values = plain_values(row)
                yield {layer: {**values, **_layer(row, layer, base)} for layer in SLICES}


def plain_values(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a plan's row."""
    return {
        **{name: tidy(row[name]) for name in PLAIN},
        "shift": tidy(math.hypot(row["shift_x"], row["shift_y"])),
        "tilt": tidy(math.hypot(row["tilt_x"], row["tilt_y"])),
        "parallax": tidy(math.hypot(row["parallax_x"], row["parallax_y"])),
        "changed": tidy(row["change_w"] * row["change_h"]),
        "recipe": "\n".join(f"{step}: {words}" for step, words in islice(describe(row), 1, None)),
    }


def _layer(row: Mapping[str, Any], layer: str, base: str) -> dict[str, Any]:
    here, other = ("alpha", "alpha_over") if layer == "alpha" else ("alpha_over", "alpha")
    return {**pictures(row, SLICES[layer], base), f"{here}.map_path": overlay(row, base), other: None}


def _views(fo: Any, dataset: Any) -> list[View]:
    field = fo.ViewField
    views = []
    for name in ("set", "strength", "case"):
        values = [value for value in dataset.distinct(name) if value is not None]
        views += [View(f"{name}: {value}", dataset.match(field(name) == value), "") for value in values]
    most = {
        "shift": "the plate moved most",
        "shadow_strength": "the deepest cast shadow",
        "camouflage": "clothes of the background's colour",
        "src_noise": "the noisiest source",
        "motion": "the fastest subject",
        "changed": "the largest change of the scene",
    }
    views += [
        View(f"most {name}", dataset.match(field(name) > 0).sort_by(name, reverse=True), words)
        for name, words in most.items()
    ]
    views += [
        View("nobody there", dataset.match(field("empty") == True), "alpha is 0 everywhere"),  # noqa: E712
        View("two subjects", dataset.match(field("second_clip") != None), "a second one stands behind"),  # noqa: E711
        View("another plate", dataset.match(field("plate_locator") != None), "its plate shows another scene"),  # noqa: E711
    ]
    return views
