"""A project with a few composites in shards, and what an evaluation said of the test set."""

import json
from pathlib import Path

import cv2
import numpy as np

from compositing.codec import encode_jpeg, encode_png
from compositing.tables import PLAN
from curation.identity import item_id
from curation.tables import write_table
from tests.compositing.composite_world import recipe
from tests.shards_world import write_shards
from training.evaluation.tables import EVALUATION, MEASURES

WIDTH, HEIGHT = 128, 96
SETS = {"base": 7, "test": 6}
STRENGTHS = ("exact", "mild", "hard")
SCRIPT = "<img src=x onerror=\"document.title='run'\">"
"""The scene of one composite: what a folder of photographs may be called."""
MAD = {"refine": (4.0, 9.0, 2.0, 30.0, 1.0, 6.0), "classical": (8.0, 8.0, 8.0, 20.0, 8.0, 8.0)}
"""By method and ordinal of the test set."""
UNKEPT = 4
"""Ordinal whose alphas the evaluation did not keep."""


def key(set_name: str, ordinal: int) -> str:
    """composite_id."""
    return item_id(set_name, ordinal)


def members(set_name: str, ordinal: int) -> dict[str, bytes]:
    """Layers that tell set, ordinal and layer by their colour."""
    colours = [
        np.full((HEIGHT, WIDTH, 3), (40 * i, 30 * ordinal, 90 * (set_name == "test")), np.uint8) for i in (1, 2, 3)
    ]
    layers = dict(zip(("src.jpg", "bgr.jpg", "fgr.jpg"), (encode_jpeg(c, 95) for c in colours), strict=True))
    return layers | {"pha.png": encode_png(matte(ordinal)), "json": json.dumps({"ordinal": ordinal}).encode()}


def matte(ordinal: int) -> np.ndarray:
    """True alpha: a disc with a soft edge."""
    disc = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.circle(disc, (40 + 5 * ordinal, 48), 12 + 4 * ordinal, 255.0, -1)
    return np.rint(cv2.GaussianBlur(disc, (0, 0), 2)).astype(np.uint8)


def predicted(ordinal: int) -> np.ndarray:
    """What both methods say: the truth, but wrong by 2 everywhere and altogether in a corner."""
    found = np.clip(matte(ordinal).astype(int) + 2, 0, 255).astype(np.uint8)
    found[:10, :10] = 255
    return found


def write_composites(folder: Path, sets: dict[str, int] | None = None) -> None:
    """Plan, shards, evaluation below ``folder/data``."""
    data = folder / "data"
    counts = sets or SETS
    write_shards(data, {name: [members(name, i) for i in range(count)] for name, count in counts.items()})
    plan = [dict.fromkeys(PLAN.columns) | _row(name, i) for name, count in counts.items() for i in range(count)]
    write_table(PLAN, plan, data / "plan.parquet")
    write_table(
        EVALUATION, [_said(i, method) for i in range(SETS["test"]) for method in MAD], data / "evaluation.parquet"
    )
    alphas = data / "evaluation" / "alphas"
    alphas.mkdir(parents=True, exist_ok=True)
    for ordinal in range(SETS["test"]):
        for method in MAD if ordinal != UNKEPT else ():
            (alphas / f"{key('test', ordinal)}.{method}.png").write_bytes(encode_png(predicted(ordinal)))


def _row(set_name: str, ordinal: int) -> dict:
    strength = STRENGTHS[ordinal % 3] if set_name == "test" else "train"
    named = {"composite_id": key(set_name, ordinal), "set": set_name, "ordinal": ordinal, "strength": strength}
    made = {"dataset": "places365", "locator": f"{ordinal}.jpg", "scene": scene(ordinal), "indoor": ordinal < 3}
    drawn = {"shift_x": 3.0, "shift_y": 4.0, "licence": "CC0", "source": "drawn"}
    return recipe(**named, **made, **drawn, width=WIDTH, height=HEIGHT, clip=f"clip{ordinal % 2}", frame=ordinal)


def scene(ordinal: int) -> str:
    """The scene of a composite."""
    return SCRIPT if ordinal == 3 else "attic"


def _said(ordinal: int, method: str) -> dict:
    row = _row("test", ordinal)
    known = {
        name: row[name] for name in ("set", "composite_id", "ordinal", "strength", "scene", "indoor", "clip", "frame")
    }
    figures = dict.fromkeys(MEASURES, 1.0) | {"mad": MAD[method][ordinal]}
    shares = {"coverage": 0.1 * (ordinal + 1), "soft": 0.05, "motion": float(ordinal == 2)}
    return dict.fromkeys(EVALUATION.columns) | known | {"method": method} | figures | shares
