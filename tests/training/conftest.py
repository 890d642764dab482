"""Tiny real shards of drawn samples, and parameters for runs of a few steps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from compositing.codec import encode_jpeg, encode_png
from compositing.shards.reader import ShardReader
from curation.identity import item_id, rng
from tests.shards_world import write_shards
from training.config import TrainParams

DiscReader = Callable[[str], ShardReader]
MakeParams = Callable[..., TrainParams]
SIDE = 64
SETS = {"base": 10, "valid": 6}


def draw(set_name: str, ordinal: int) -> dict[str, bytes]:
    """A soft disc of one colour over noise, seen by a camera that moved a little."""
    generator = rng(1, set_name, ordinal)
    scene = cv2.resize(generator.random((12, 12, 3)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    pha = np.zeros((SIDE, SIDE), np.float32)
    centre = tuple(int(v) for v in generator.integers(20, 44, 2))
    cv2.circle(pha, centre, int(generator.integers(10, 20)), 1.0, -1)
    pha = cv2.GaussianBlur(pha, (0, 0), 1.5)
    fgr = np.broadcast_to(generator.random(3).astype(np.float32), scene.shape)
    src = fgr * pha[..., None] + scene * (1 - pha[..., None])

    def to_bytes(image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.clip(image * 255, 0, 255).round().astype(np.uint8))

    recipe = {"composite_id": item_id(set_name, ordinal), "set": set_name, "ordinal": ordinal}
    recipe |= {"strength": ("exact", "mild", "hard")[ordinal % 3]}
    return {
        "src.jpg": encode_jpeg(to_bytes(src), 95),
        "bgr.jpg": encode_jpeg(to_bytes(np.roll(scene, 1, 0)), 95),
        "fgr.jpg": encode_jpeg(to_bytes(fgr), 95, "444"),
        "pha.png": encode_png(to_bytes(pha)),
        "json": json.dumps(recipe).encode(),
    }


@pytest.fixture(scope="session")
def disc_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``shards/`` and ``shards.parquet``: 10 samples ``base`` and 6 ``valid``, 64x64."""
    return write_shards(tmp_path_factory.mktemp("discs"), {s: [draw(s, i) for i in range(n)] for s, n in SETS.items()})


@pytest.fixture(scope="session")
def disc_reader(disc_shards: Path) -> DiscReader:
    """Opens a set of the drawn samples: ``base`` or ``valid``."""
    return lambda set_name: ShardReader(disc_shards / "shards", disc_shards / "shards.parquet", set_name)


@pytest.fixture(scope="session")
def make_params() -> MakeParams:
    """Parameters of a run of four steps on one thread, with changes."""

    def make(**changes: Any) -> TrainParams:
        values = {
            "backbone": "mobilenetv2",
            "freeze": [],
            "init": None,
            "data": "shards",
            "extra": [],
            "seed": 1,
            "steps": 4,
            "batch": 2,
            "crop": [32, 64],
            "crop_growth": 0.0,
            "dropout": 0.5,
            "optimizer": "adamw",
            "schedule": "onecycle",
            "warmup": 0,
            "start": "shaped",
            "difference": "none",
            "losses": {"pha": 1.0, "grad": 1.0, "fgr": 1.0, "err": 1.0, "lap": 0.0, "soft": 0.0},
            "rates": {"backbone": 0.002, "aspp": 0.002, "decoder": 0.002, "refiner": 0.002},
            "weight_decay": 0.01,
            "clip": 1.0,
            "ema": None,
            "precision": "32-true",
            "accelerator": "cpu",
            "devices": 1,
            "threads": 1,
            "validate_every": 2,
            "images_every": None,
            "checkpoint_every": 1,
            "backbone_scale": 0.5,
            "refine_mode": "sampling",
            "refine_sample_pixels": 256,
            "refine_threshold": 0.1,
            "refine_kernel_size": 3,
            "diverge": 20.0,
            "accumulate": 1,
            "compile": False,
            "checkpointing": False,
        }
        return TrainParams.model_validate_json(json.dumps(values | changes))

    return make
