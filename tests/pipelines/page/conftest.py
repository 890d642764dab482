"""Metrics with everything that the stages may write, and a project small enough to make a page of in a moment."""

import json
import shutil
from pathlib import Path

import pytest

from compositing.tables import FRAMES, PLAN
from curation.tables import IMAGES, PEOPLE, VERDICTS, write_table

ROOT = Path(__file__).resolve().parents[3]
MEASURES = ("mad", "mse", "grad", "conn", "mad_zero", "mad_soft", "mad_one", "mad_unknown", "fgr_mse")
ERRORS = {"refine": 30.0, "base": 40.0, "refine_coarse": 35.0, "classical": 50.0, "other.onnx": 45.0}


def methods(times: float = 1.0) -> dict[str, dict[str, float]]:
    return {name: dict.fromkeys(MEASURES, times * error) for name, error in ERRORS.items()}


def make_metrics() -> dict[str, dict]:
    spread = {name: {"mad": [0.8 * error, 1.5 * error]} for name, error in ERRORS.items()}
    evaluate = {
        "test": {"hard": methods(2.0), "exact": methods()},
        "samples": {"hard": 24, "exact": 24},
        "clips": {"hard": 3, "exact": 12},
        "intervals": {"hard": {name: {"mad": None} for name in ERRORS}, "exact": spread},
        "cases": {"wrong_plate": methods(4.0)},
        "sets": {
            "drawn": {"samples": 4, "clips": 2, "real": False, "methods": methods(), "intervals": {}, "unusable": [{}]},
            "photomatte": {"samples": 85, "clips": 85, "real": True, "methods": methods(0.5), "intervals": spread},
        },
        "slices": {
            "scene": {"kitchen": {"samples": 9, "clips": 3, "refine": {"mad": 44.0}, "classical": {"mad": 20.0}}}
        },
        "worst": [{"slice": "scene", "bucket": "kitchen", "samples": 9, "clips": 3, "mad": 44.0, "overall": 22.0}],
    }
    points = [{"value": v, "refine": 10.0 + abs(v) ** 2, "classical": 5.0 + 4 * abs(v)} for v in (0, 1, 2, 4, 8)]
    robustness = {
        "curves": {"shift": {"unit": "pixels, any direction", "published": [0, 1.2], "points": points}},
        "probes": {
            "swapped": {"samples": 6, "measure": "mean alpha x 1000, should be 0", "refine": 90.0, "classical": 30.0},
            "shadow_only": {"samples": 6, "measure": "mean alpha x 1000, should be 0", "refine": 1.0, "classical": 3.0},
        },
    }
    check = {"bytes": 20_029_735, "bound": 0.0001, "inputs": 24, "mad": 55.6, "mad_loss": 0.0}
    export = {
        "onnx": check | {"file": "refine.onnx", "real": {"pha_mean": 0.0}},
        "int8": check
        | {"file": "refine.int8.onnx", "bytes": 5_521_069, "bound": 0.05, "mad": 56.0, "mad_loss": 0.376}
        | {"real": {"pha_mean": 0.0070054}},
    }
    return {"evaluate": evaluate, "robustness": robustness, "export": export}


def write_project(folder: Path, text: str) -> None:
    """Write what a page reads below ``folder``, ``text`` in every place that a dataset or a user fills."""
    terms = {"dataset": "places365", "licence": f"research only {text}", "source": f"Somewhere {text}"}
    rows = [
        (IMAGES, [dict.fromkeys(IMAGES.columns) | terms | {"locator": f"{text}.jpg", "scene": text, "status": "ok"}]),
        (PEOPLE, []),
        (
            VERDICTS,
            [
                dict.fromkeys(VERDICTS.columns)
                | {
                    "dataset": "places365",
                    "locator": f"{number}{text}.jpg",
                    "image_id": f"{number:032x}",
                    "scene": text,
                }
                | {"kept": kept, "reason": f"people: {text}" if not kept else "ok", "rule": "ok" if kept else "people"}
                | {"split": "train", "width": 64, "height": 48, "sharpness": 90.0, "luma_mean": 0.5, "luma_spread": 0.2}
                | {"clipped": 0.0, "chroma": 0.4, "border": 0.0, "drawn": 0.0, "refine_ok": True, "person_score": 0.3}
                for number, kept in enumerate((True, False))
            ],
        ),
        (
            FRAMES,
            [
                dict.fromkeys(FRAMES.columns)
                | terms
                | {"dataset": "videomatte240k", "licence": "MIT", "frame_id": "0" * 32, "clip": text, "frame": 0}
                | {"split": "train", "status": "ok", "stored": True}
            ],
        ),
        (PLAN, []),
    ]
    for table, found in rows:
        write_table(table, found, folder / "data" / f"{table.name}.parquet")
    (folder / "data/evaluation").mkdir()
    picture = ROOT / "docs/sample.jpg"
    shutil.copyfile(picture, folder / "data/evaluation/one.jpg")
    item = {"strength": "hard", "which": "worst", "mad": {"refine": 9.0, text: 3.0}, "files": {text: "one.jpg"}}
    (folder / "data/evaluation/gallery.json").write_text(json.dumps([item]))


@pytest.fixture
def values():
    """The three metrics files as plain values, fresh for each test."""
    return make_metrics()
