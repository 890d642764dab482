"""``cleanplate estimate``: what the parameters will cost, before anything runs."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from compositing.plan.cases import CASES
from pipelines.params import Params
from pipelines.paths import dvc_folder

# Bytes a pixel of one composite, all four layers, averaged over rendered sample and real sets.
COMPOSITE_BYTES_A_PIXEL = 0.95
FRAME_BYTES_A_PIXEL = 0.2
# Work one core does in a second; measured on a 2-core server without a GPU, meant for orders of magnitude.
INDEX_IMAGES = 60.0
DETECT_LOOKS = {"builtin": 3.0, "onnx": 40.0, "darknet": 2.0, "torchvision": 3.0, "fiftyone": 3.0}
CUT = {"tiles2x2": 4}
"""Cuts of a look that are more than one."""
FRAME_MEGAPIXELS = 4.0
RENDER_MEGAPIXELS = 8.0
TRAIN_MEGAPIXELS = {"mobilenetv2": 0.9, "resnet50": 0.35, "resnet101": 0.25}
GPU_SPEEDUP = 60.0

# What is known of the official datasets without looking (BGMV2 paper; Places365 site).
PLACES365_IMAGES = 1_803_460
PHOTOS_IMAGES = 10_000
"""A guess at a second dataset of photographs that was never scanned."""
VIDEOMATTE_FRAMES = 240_709
FULL_ASPECT = 9 / 16


class Line(NamedTuple):
    """One stage's cost."""

    stage: str
    what: str
    gigabytes: float
    hours: float


class Estimate(NamedTuple):
    """The whole run's cost."""

    lines: list[Line]
    composites: int
    gigabytes: float
    """Outputs and DVC cache together."""
    hours: float
    cache_shares_disk: bool
    """Whether outputs are hard links into the DVC cache (one copy) or stand twice."""
    free_gigabytes: float


def composites(params: Params) -> dict[str, int]:
    """Composites in each set; valid and test come in three strengths, and their hard cases on top."""
    plan = params.plan
    return {
        "base": plan.base.count,
        "refine": plan.refine.count,
        "valid": 3 * plan.valid.count + len(CASES) * plan.cases.valid,
        "test": 3 * plan.test.count + len(CASES) * plan.cases.test,
    }


def listed_files(cache: Path) -> int | None:
    """Files in the last scan of a dataset, or None where it was never scanned."""
    return int(pq.read_metadata(cache).num_rows) if cache.is_file() else None


def _images(params: Params, scans: Path) -> int:
    if params.data.preset == "sample":
        return int(params.sample.backgrounds * 1.15)
    more = (listed_files(scans / "photos.parquet") or PHOTOS_IMAGES) if params.data.photos else 0
    return (listed_files(scans / "places365.parquet") or PLACES365_IMAGES) + more


def listed_frames(cache: Path) -> int | None:
    """Frames in the last scan of a release of single frames (each is two files), or None for videos or no scan."""
    if not cache.is_file():
        return None
    paths = pq.read_table(cache, columns=["path"])["path"].to_pylist()
    pictures = sum(path.lower().endswith((".jpg", ".jpeg", ".png")) for path in paths)
    return pictures // 2 or None


def _frames(params: Params, scans: Path) -> tuple[int, float]:
    """Frames, and megapixels of one as stored."""
    if params.data.preset == "sample":
        sample = params.sample
        return (sample.train_clips + sample.test_clips) * sample.frames, sample.height**2 * 0.75 / 1e6
    side = params.mattes.max_side
    frames = listed_frames(scans / "videomatte.parquet") or VIDEOMATTE_FRAMES
    return frames // params.mattes.every, side * side * FULL_ASPECT / 1e6


def estimate(params: Params, scans: Path, gpu: bool, project: Path = Path()) -> Estimate:
    """Estimate disk and hours for every stage. Orders of magnitude: rates are constants of this file."""
    cores = os.cpu_count() or 1
    images = _images(params, scans)
    frames, megapixels = _frames(params, scans)
    sets = composites(params)
    sizes = {name: getattr(params.plan, name) for name in sets}
    pixels = sum(count * sizes[name].width * sizes[name].height / 1e6 for name, count in sets.items())
    speedup = GPU_SPEEDUP if gpu else 1.0
    seconds = sum(
        CUT.get(look, 1) / DETECT_LOOKS[member.detector] for member in params.detect.members for look in member.looks
    )
    lines = [
        Line("index", f"{images:,} images", images * 400 / 1e9, images / INDEX_IMAGES / cores / 3600),
        Line(
            "detect",
            f"{images:,} images, {', '.join(member.detector for member in params.detect.members)}",
            images * 120 / 1e9,
            images * seconds / cores / 3600,
        ),
        Line(
            "mattes",
            f"{frames:,} frames",
            frames * megapixels * FRAME_BYTES_A_PIXEL / 1e3,
            frames * megapixels / FRAME_MEGAPIXELS / cores / 3600,
        ),
        Line(
            "render",
            f"{sum(sets.values()):,} composites",
            pixels * COMPOSITE_BYTES_A_PIXEL / 1e3,
            pixels / RENDER_MEGAPIXELS / cores / 3600,
        ),
    ]
    for name, section in (("train_base", params.train_base), ("train_refine", params.train_refine)):
        side = sum(section.crop) / 2
        seen = section.steps * section.batch * side * side / 1e6
        if name == "train_refine":
            seen *= section.backbone_scale**2 + 0.2  # the coarse pass, and the refined patches
        hours = seen / TRAIN_MEGAPIXELS[section.backbone] / speedup / 3600
        lines.append(Line(name, f"{section.steps:,} steps of {section.batch}", 0.3, hours))
    shared = _hardlinks(project)
    total = sum(line.gigabytes for line in lines) * (1 if shared else 2)
    free = shutil.disk_usage(project).free / 1e9
    return Estimate(lines, sum(sets.values()), total, sum(line.hours for line in lines), shared, free)


def _hardlinks(project: Path) -> bool:
    """Whether the DVC cache is on the project's own file system, so that outputs are links into it."""
    cache = (dvc_folder(project) or project / ".dvc") / "cache"
    place = cache if cache.exists() else project
    return place.stat().st_dev == project.stat().st_dev
