"""What a plan covers: composites, photographs, scenes, clips and frames of each set."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from compositing.tables import SETS

DISTINCT = {"backgrounds": "image_id", "scenes": "scene", "clips": "clip", "frames": "frame_id"}
HARD = {"camouflage": "camouflaged", "plate_locator": "with_wrong_plate", "video": "through_video"}
MERGE = 16
"""Chunks whose distinct values wait to be merged: merging each by itself would go over them all every time."""


class Coverage:
    """Counts rows as they pass."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, int]] = {name: {} for name in SETS}
        self._distinct: dict[tuple[str, str], list[pa.Array]] = {}
        self._clips: dict[str, dict[str, int]] = {name: {} for name in SETS}

    def watch(self, chunks: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Count PLAN rows and hand them on unchanged."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def add(self, rows: pa.Table) -> None:
        """Count PLAN rows of any sets."""
        own = ["set", "strength", "shadow_strength", "empty", "second_frame_id", "object", *HARD]
        rows = rows.select([*own, *DISTINCT.values()])
        for name in pc.unique(rows["set"]).to_pylist():
            self._add(name, rows.filter(pc.equal(rows["set"], name)))

    def _add(self, name: str, rows: pa.Table) -> None:
        counts = self._counts[name]
        found = {"composites": len(rows), **_by_value(rows["strength"])}
        found |= {"with_shadow": pc.sum(pc.greater(rows["shadow_strength"], 0)).as_py() or 0}
        found |= {"empty": pc.sum(rows["empty"]).as_py() or 0, "with_second": pc.count(rows["second_frame_id"]).as_py()}
        seen = pc.and_(rows["object"], pc.invert(rows["empty"]))
        found |= {"with_object": pc.sum(seen).as_py() or 0}
        for column, words in HARD.items():
            values = rows[column]
            met = pc.greater(values, 0) if pa.types.is_primitive(values.type) else pc.is_valid(values)
            found |= {words: pc.sum(met).as_py() or 0}
        for key, value in found.items():
            counts[key] = counts.get(key, 0) + value
        for clip, value in _by_value(rows["clip"]).items():
            self._clips[name][clip] = self._clips[name].get(clip, 0) + value
        for column in DISTINCT.values():
            waiting = self._distinct.setdefault((name, column), [])
            waiting.append(pc.unique(rows[column]))
            if len(waiting) > MERGE:
                waiting[:] = [pc.unique(pa.concat_arrays(waiting))]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts of each set, also of those without rows; ``most_of_a_clip``: composites of one clip."""
        found: dict[str, dict[str, int]] = {}
        for name in SETS:
            distinct = {
                words: pc.count_distinct(pa.chunked_array(self._distinct.get((name, column), []), pa.string())).as_py()
                for words, column in DISTINCT.items()
            }
            most = max(self._clips[name].values(), default=0)
            found[name] = {"composites": 0, **self._counts[name], **distinct, "most_of_a_clip": most}
        return found


def _by_value(column: pa.ChunkedArray) -> dict[str, int]:
    """Count rows by value."""
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column).to_pylist()}
