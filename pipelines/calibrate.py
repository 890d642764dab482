"""``cleanplate calibrate``: captured or rendered pairs -> a row each, and a picture of every quantity."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from compositing.calibration.captured import Pair, find_pairs
from compositing.calibration.measure import Box, measure_bytes, outside_alpha
from compositing.codec import decode_grey_layer
from compositing.shards.reader import ShardReader
from compositing.tables import MEASURES
from curation.storage import writing
from curation.tables import PEOPLE, by_kind, join_tables, read_table, write_table
from pipelines.engine import run_parts

REAL, SYNTHETIC = Path("calibration/real.parquet"), Path("calibration/synthetic.parquet")
"""Where the report looks for measures."""
CHUNK = 4
PART = "measures.parquet"
LIKELY = 0.3
"""Score from which a detection is left out: a false one costs a little of the room, a missed one spoils the pair."""


class _Task(NamedTuple):
    pairs: tuple[tuple[Pair, tuple[Box, ...]], ...] = ()
    reader: ShardReader | None = None
    positions: tuple[int, ...] = ()


def measure_folder(src: Path, bgr: Path, people: Path | None) -> pa.Table:
    """Measure every captured pair of two folders: MEASURES rows.

    ``people``: the ``--boxes`` table of ``cleanplate people`` on ``src``; None tells people by the difference alone.
    Raises ValueError where not one pair could be measured, with the reasons.
    """
    pairs = find_pairs(src, bgr)
    boxes = person_boxes(people) if people else {}
    tasks = [_Task(tuple((p, boxes.get(p.src.name, ())) for p in chunk)) for chunk in _chunks(pairs)]
    return _run(tasks, f"{src} against {bgr}")


def measure_shards(shards: Path, table: Path, set_name: str, count: int) -> pa.Table:
    """Measure ``count`` composites spread evenly over a set of the shards: MEASURES rows, as for captured pairs."""
    reader = ShardReader(shards, table, set_name)
    chosen = np.unique(np.linspace(0, len(reader) - 1, min(count, len(reader))).round().astype(int)).tolist()
    return _run([_Task(reader=reader, positions=tuple(chunk)) for chunk in _chunks(chosen)], f"{shards}, {set_name}")


def _chunks(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[first : first + CHUNK] for first in range(0, len(items), CHUNK)]


def person_boxes(path: Path) -> dict[str, tuple[Box, ...]]:
    """Read the likely people of a ``--boxes`` table: boxes (x, y, w, h; shares of the image) by the image's locator."""
    table = read_table(PEOPLE, path, ["locator", "score", "x", "y", "w", "h"])
    found: dict[str, tuple[Box, ...]] = {}
    for row in table.filter(pc.greater_equal(table["score"], LIKELY)).to_pylist():
        found[row["locator"]] = (*found.get(row["locator"], ()), (row["x"], row["y"], row["w"], row["h"]))
    return found


def _run(tasks: list[_Task], name: str) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        parts = run_parts({f"{i:06d}": t for i, t in enumerate(tasks)}, _part, Path(folder), "measuring pairs")
        measures = join_tables(MEASURES, [part / PART for part in parts])
    status = measures["status"].to_pylist()
    if "ok" not in status:
        reasons = "; ".join(f"{words} ({count})" for words, count in by_kind(status).items())
        raise ValueError(f"no pair of {name} could be measured: {reasons}")
    return measures


def _part(task: _Task, folder: Path) -> None:
    rows = [_captured(pair, boxes) for pair, boxes in task.pairs]
    rows += [_rendered(task.reader, position) for position in task.positions if task.reader]
    write_table(MEASURES, rows, folder / PART)


def _captured(pair: Pair, boxes: tuple[Box, ...]) -> dict[str, Any]:
    plate = pair.bgr.name if pair.bgr else None
    row = dict.fromkeys(MEASURES.columns) | {"kind": "real", "pair": pair.src.name, "plate": plate}
    try:
        if pair.bgr is None:
            raise ValueError(pair.reason)
        return row | measure_bytes(pair.src.read_bytes(), pair.bgr.read_bytes(), None, boxes) | {"status": "ok"}
    except (ValueError, OSError) as error:
        return row | {"status": str(error)}


def _rendered(reader: ShardReader, position: int) -> dict[str, Any]:
    members = reader.read_members(position, ("src.jpg", "bgr.jpg", "pha.png"))
    row = dict.fromkeys(MEASURES.columns) | {"kind": "synthetic", "pair": reader.key(position)}
    try:
        outside = outside_alpha(decode_grey_layer(members["pha.png"]))
        return row | measure_bytes(members["src.jpg"], members["bgr.jpg"], outside) | {"status": "ok"}
    except ValueError as error:
        return row | {"status": str(error)}


def draw(measures: pd.DataFrame, path: Path) -> None:
    """Draw the distribution of every quantity, real and synthetic in one panel each, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from pipelines.page.inputs.captured import COLOURS, METERING, PANELS, SUBJECT, by_brightness, values

    figure = Figure(figsize=(15, 11), layout="constrained")
    axes = figure.subplots(4, 4).ravel()
    good = measures[measures["status"] == "ok"]
    for axis, (name, (words, columns)) in zip(axes, PANELS.items(), strict=False):
        found = {kind: values(rows, columns) for kind, rows in good.groupby("kind")}
        whole = np.concatenate([np.empty(0), *found.values()])
        axis.set_title(name)
        axis.set_xlabel(words)
        if not len(whole):
            axis.text(0.5, 0.5, "not measured", ha="center", transform=axis.transAxes)
            continue
        edges = np.linspace(whole.min() - 1e-9, whole.max() + 1e-6, 21)
        for kind, each in found.items():
            if len(each):
                weights = np.full(len(each), 100 / len(each))
                label = f"{kind}, {len(each)}"
                axis.hist(each, edges, weights=weights, color=COLOURS[kind], alpha=0.55, label=label)
        axis.set_ylabel("% of pictures")
        axis.legend(fontsize=7)
    last = axes[len(PANELS)]
    for kind, rows in good.groupby("kind"):
        x, low, middle, high = by_brightness(rows)
        last.plot(x, middle, color=COLOURS[kind], label=kind, marker="o")
        last.fill_between(x, low, high, color=COLOURS[kind], alpha=0.2)
    last.set(title="noise by brightness", xlabel="level, 0 to 255", ylabel="levels of 255", ylim=(0, None))
    last.legend(fontsize=7)
    last = axes[len(PANELS) + 1]
    for kind, rows in good.groupby("kind"):
        last.scatter(rows["subject"], rows["gain"], color=COLOURS[kind], label=kind, s=12)
    last.set(title=METERING, xlabel=SUBJECT, ylabel="gain of the plate, stops")
    last.legend(fontsize=7)
    with writing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
