"""A composite as strength ``exact`` renders it, drawn: a disc before a smooth scene, with nothing but JPEG between."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from compositing.codec import encode_jpeg, encode_png
from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_bytes, to_display
from compositing.shards.reader import Sample
from curation.identity import item_id, rng
from tests.shards_world import write_shards

SIDE = 128


def scene(key: int, size: int = SIDE) -> np.ndarray:
    """A smooth random scene, (size, size, 3) uint8, dark enough that a stop more does not clip."""
    nodes = rng(5, "scene", key).uniform(40, 150, (8, 8, 3)).astype(np.float32)
    return np.rint(cv2.resize(nodes, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 255)).astype(np.uint8)


def make_sample(key: int = 0, space: str = "linear", whole: bool = False) -> Sample:
    """``whole``: the disc ends above the lower border, so that its shadow falls on the ground."""
    generator = rng(5, "disc", key)
    pha = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(pha, (int(generator.integers(50, 78)), 60 if whole else 100), 28, 1.0, -1)
    pha = cv2.GaussianBlur(pha, (0, 0), 1.0)
    colour = np.broadcast_to(np.uint8([230, 40, 60]), (SIDE, SIDE, 3)).copy()
    plate = scene(key)
    seen = to_bytes(to_display(composite_in(space, bytes_to_linear(colour), pha, bytes_to_linear(plate))))
    recipe: dict[str, Any] = {"composite_id": item_id("test", key), "ordinal": key, "space": space, "set": "test"}
    recipe |= {"strength": "exact", "image_id": f"photo {key // 2}", "clip": "test/0001", "frame": key, "empty": False}
    return Sample(seen, plate, colour, np.rint(pha * 255).astype(np.uint8), recipe)


def write_test_set(folder: Path, count: int) -> tuple[Path, Path]:
    """Write samples 0 to count - 1 as a test set, every second of them of strength ``mild``; returns folder, table.

    Of the last nobody is said to be there.
    """
    samples = []
    for ordinal in range(count):
        made = make_sample(ordinal)
        recipe = made.recipe | {"strength": "mild" if ordinal % 2 else "exact", "image_id": f"photo {ordinal // 4}"}
        recipe["empty"] = ordinal == count - 1
        members = {
            "src.jpg": encode_jpeg(made.src, 96),
            "bgr.jpg": encode_jpeg(made.bgr, 96),
            "fgr.jpg": encode_jpeg(made.fgr, 96, "444"),
            "pha.png": encode_png(made.pha),
            "json": json.dumps(recipe).encode(),
        }
        samples.append(members)
    write_shards(folder, {"test": samples})
    return folder / "shards", folder / "shards.parquet"
