"""The inputs of the rendering benchmark, drawn: JPEG photographs and 1080p frames as the mattes stage stores them, and
their plan with the full preset's steps at their default probability.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from ruamel.yaml import YAML

import pipelines
from compositing.inputs import InputRoots
from compositing.mattes.foreground import extend_colours
from compositing.mattes.framestore import FGR, PHA, encode_frame
from compositing.plan.config import PlanParams
from compositing.plan.pairing import plan_rows
from compositing.shards.tar import write_tar
from compositing.tables import FRAMES
from curation.identity import content_id, item_id
from curation.tables import VERDICTS, to_arrow

SIZES = {"base": 512, "refine": 2048}
PHOTOGRAPHS = {"base": (1500, 1000), "refine": (2400, 2240)}
FRAME = (1920, 1080)
QUALITY = 92
VARIETY = 6
"""Mattes; rows beyond those use them again."""


class World(NamedTuple):
    """Everything that a composite is made from, on disk, and the rows to make."""

    roots: InputRoots
    frames: dict[str, dict[str, Any]]
    """frame_id -> row of the frames table."""
    rows: list[dict[str, Any]]
    """PLAN rows, as the full preset plans them."""
    alone: list[dict[str, Any]]
    """The same with ``together`` 1."""
    together: int
    """How many of ``rows`` in a row share a frame."""

    @property
    def groups(self) -> list[list[dict[str, Any]]]:
        """``rows``, cut where the next frame begins."""
        return [self.rows[first : first + self.together] for first in range(0, len(self.rows), self.together)]


def make_world(folder: Path, name: str, count: int) -> World:
    """Write the inputs of a set into a folder and plan ``count`` composites of it, base (512) or refine (2048)."""
    places, store = folder / "places", folder / "frames"
    places.mkdir(parents=True, exist_ok=True)
    store.mkdir(exist_ok=True)
    # As many photographs as composites: whoever kept one decoded would have no use for it.
    verdicts = [_verdict(places, PHOTOGRAPHS[name], seed) for seed in range(count)]
    frames = [_frame(store, seed) for seed in range(VARIETY)]
    splits = ("train", "valid", "test")
    verdict_table, frame_table = (
        to_arrow(kind, [row | {"split": split} for split in splits for row in rows])
        for kind, rows in ((VERDICTS, verdicts), (FRAMES, frames))
    )
    full, alone = _params(name, count, {}), _params(name, count, {"together": 1})
    rows, others = (
        [
            dict(sorted(row.items()))
            for row in plan_rows(verdict_table, frame_table, params).to_pylist()
            if row["set"] == name
        ]
        for params in (full, alone)
    )
    together: int = getattr(full, name).together
    return World(
        InputRoots({"places365": places}, store, folder),
        {row["frame_id"]: row for row in frames},
        rows,
        others,
        together,
    )


def _params(name: str, count: int, change: dict[str, int]) -> PlanParams:
    preset = Path(pipelines.__file__).parent / "presets" / "full.yaml"
    values = YAML(typ="safe", pure=True).load(preset.read_text(encoding="utf-8"))["plan"]
    for other in ("base", "refine", "valid", "test"):
        values[other] |= {"count": 1, "width": 512, "height": 512}
    values[name] |= {"count": count, "width": SIZES[name], "height": SIZES[name], **change}
    return PlanParams.model_validate_json(json.dumps(values))


def photograph(width: int, height: int, seed: int) -> np.ndarray:
    """Draw detail at every scale, half as strong at half the size, as in photographs, with edges: (H, W, 3) RGB."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    cells = 4
    while cells < width:
        field = generator.standard_normal((max(2, cells * height // width), cells, 3), dtype=np.float32)
        field = field @ np.array([[1, 0.8, 0.7], [0.1, 0.3, 0.1], [0.0, 0.1, 0.3]], np.float32)
        image += cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(4 / cells) ** 0.6
        cells *= 2
    for _ in range(40):
        x, y = generator.integers(0, (width, height))
        w, h = generator.integers(20, (width // 3, height // 3))
        image[y : y + h, x : x + w] += generator.normal(0, 0.5, 3).astype(np.float32)
    low, high = np.quantile(image[::8, ::8], (0.01, 0.99))
    return np.rint(255 * np.clip((image - low) / (high - low), 0, 1)).astype(np.uint8)


def _verdict(places: Path, size: tuple[int, int], seed: int) -> dict[str, Any]:
    data = cv2.imencode(".jpg", photograph(*size, seed), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    locator = f"{size[0]}-{seed}.jpg"
    (places / locator).write_bytes(data)
    return {
        **dict.fromkeys(VERDICTS.columns),
        "dataset": "places365", "locator": locator, "image_id": content_id(data), "kept": True, "reason": "ok",
        "rule": "ok", "scene": f"scene{seed % 2}", "width": size[0], "height": size[1], "refine_ok": True,
    }  # fmt: skip


def _frame(store: Path, seed: int) -> dict[str, Any]:
    """Draw a figure with soft and fine edges, most of the frame high, and store it as the mattes stage does."""
    width, height = FRAME
    generator = np.random.default_rng(seed + 100)
    drawn = np.zeros((height, width), np.float32)
    x, whole = int(generator.integers(700, 1200)), seed % 2 == 0
    low = 1000 if whole else height + 200
    cv2.ellipse(drawn, (x, 220), (90, 120), 0, 0, 360, 1, -1)
    cv2.ellipse(drawn, (x, (300 + low) // 2), (210, (low - 300) // 2), 0, 0, 360, 1, -1)
    for _ in range(250):  # hair
        end = (x + int(generator.normal(0, 90)), 220 + int(generator.normal(0, 110)))
        cv2.line(drawn, (x, 200), end, float(generator.uniform(0.3, 1)), 1, cv2.LINE_AA)
    pha = np.rint(255 * cv2.GaussianBlur(drawn, (0, 0), 1.2)).astype(np.uint8)
    fgr = extend_colours(photograph(width, height, seed + 50), pha)
    locator, clip = f"{seed:04d}.tar", f"train/{seed:04d}"
    spans = write_tar(store / locator, [("00000", encode_frame(fgr, pha))])["00000"]
    left, top, w, h = cv2.boundingRect(pha)
    return {
        **dict.fromkeys(FRAMES.columns),
        "dataset": "videomatte240k", "frame_id": item_id(clip, 0), "clip": clip, "frame": 0, "stored": True,
        "fgr": f"{locator}#{spans[FGR].offset}+{spans[FGR].size}", "width": width, "height": height,
        "pha": f"{locator}#{spans[PHA].offset}+{spans[PHA].size}", "coverage": float(pha.mean() / 255),
        "box_x": left, "box_y": top, "box_w": w, "box_h": h, "touches": "" if whole else "b", "status": "ok",
        "person": True,
    }  # fmt: skip
