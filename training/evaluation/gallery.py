"""The pictured predictions: which samples, and the panels of each."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compositing.shards.reader import Sample, ShardReader
from training.evaluation.tiles import tiles_name, write_tiles
from training.watch.errormap import ERROR_RANGE, error_map, error_words

Bytes = NDArray[np.uint8]

PHOTOGRAPHS = ("source", "captured background")
SIDE = 512
"""Panels are shrunk to this long side, pixels."""
KEPT = 1000
"""Samples whose alphas stay, whole, for ``cleanplate browse evaluation``."""


def picture(composite_id: str, method: str) -> str:
    """Name of the file with a method's alpha for one sample."""
    return f"{composite_id}.{method}.png"


def choose(rows: Sequence[Mapping[str, Any]], strengths: Sequence[str], count: int) -> list[dict[str, Any]]:
    """Choose ``count`` samples by the MAD of ``refine``, shared out over the strengths, the hardest strength first.

    For each strength the worst, then the median, then the best, then the next worst ones. Returns one mapping a sample:
    composite_id, ordinal, strength, which, and mad (method -> MAD x 1000).
    """
    table = pd.DataFrame(rows)
    keys = ["strength", "ordinal", "composite_id"]
    methods = list(dict.fromkeys(table["method"]))
    wide = table.pivot(index=keys, columns="method", values="mad").reset_index()
    chosen: list[dict[str, Any]] = []
    queues = {s: _ranked(wide[wide["strength"] == s]) for s in reversed(strengths)}
    while len(chosen) < count and any(queues.values()):
        for strength, queue in queues.items():
            if queue and len(chosen) < count:
                which, row = queue.pop(0)
                mad = {method: round(float(row[method]), 3) for method in methods}
                key = {"composite_id": row["composite_id"], "ordinal": int(row["ordinal"])}
                chosen.append({**key, "strength": strength, "which": which, "mad": mad})
    order = {strength: i for i, strength in enumerate(strengths)}
    return sorted(chosen, key=lambda item: order[item["strength"]])


def _ranked(part: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    ordered = part.sort_values(["refine", "composite_id"], ascending=[False, True]).to_dict("records")
    middle, last = len(ordered) // 2, len(ordered) - 1
    places = {"worst": 0, "median": middle, "best": last}
    places |= {f"worst, place {i + 1}": i for i in range(1, len(ordered))}
    seen: set[int] = set()
    ranked = []
    for which, place in places.items():
        if 0 <= place <= last and place not in seen:
            seen.add(place)
            ranked.append((which, ordered[place]))
    return ranked


def kept(rows: Sequence[Mapping[str, Any]], names: Sequence[str], count: int = KEPT) -> list[str]:
    """Which alphas stay for browsing: those of ``count`` samples, half of them the worst of ``refine``, half any.

    ``names``: file names as of :func:`picture`; returns some of them, in their order.
    """
    table = pd.DataFrame(rows)
    ids = table[table["method"] == "refine"].sort_values(["mad", "composite_id"], ascending=[False, True])
    ordered = ids["composite_id"].tolist()
    worst, rest = ordered[: count - count // 2], sorted(ordered[count - count // 2 :])
    chosen = {*worst, *rest[: count // 2]}
    return [name for name in names if name.partition(".")[0] in chosen]


def panels(sample: Sample, refine: Bytes, classical: Bytes) -> dict[str, Bytes]:
    """The pictures of one sample, by what they show."""
    return {
        "source": sample.src,
        "captured background": sample.bgr,
        "true alpha": sample.pha,
        "refine": refine,
        "classical": classical,
        error_words(): error_map(refine, sample.pha),
    }


def write_gallery(
    shards: Path, table: Path, chosen: Sequence[Mapping[str, Any]], alphas: Mapping[str, Path], folder: Path
) -> dict[str, Path]:
    """Write panels and tiles of the chosen samples and ``gallery.json`` into ``folder``; relative name -> file.

    ``alphas``: file name as of :func:`picture` -> predicted alpha. The index is a list of {composite_id, ordinal,
    strength, which, mad: {method: MAD x 1000}, error_range, files: {what it shows: file}}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reader = ShardReader(shards, table, "test")
    positions = {int(ordinal): position for position, ordinal in enumerate(reader.ordinals)}
    files: dict[str, Path] = {}
    index = []
    for item in chosen:
        key = str(item["composite_id"])
        sample = reader.read(positions[item["ordinal"]])
        refine, classical = (_read_grey(alphas[picture(key, method)]) for method in ("refine", "classical"))
        names, shown = {}, panels(sample, refine, classical)
        tiles = tiles_name(item["strength"], item["which"])
        files[tiles] = write_tiles(shown, folder / tiles)
        for number, (words, image) in enumerate(shown.items()):
            name = f"{item['strength']}-{key[:12]}-{number}" + (".jpg" if words in PHOTOGRAPHS else ".png")
            files[name] = _write(image, folder / name)
            names[words] = name
        index.append({**item, "error_range": [-ERROR_RANGE, ERROR_RANGE], "files": names})
    (folder / "gallery.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    files["gallery.json"] = folder / "gallery.json"
    return files


def _read_grey(path: Path) -> Bytes:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"{path} is missing or damaged; run 'dvc repro -f evaluate'")
    return np.asarray(image, dtype=np.uint8)


def _write(image: Bytes, path: Path) -> Path:
    scale = min(1.0, SIDE / max(image.shape[:2]))
    if scale < 1:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, 90] if path.suffix == ".jpg" else []
    if not cv2.imwrite(str(path), bgr, options):
        raise OSError(f"{path} could not be written")
    return path
