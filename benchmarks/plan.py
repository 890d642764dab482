"""What planning costs at the real datasets' size: ten million composites from simulated tables.

``python -m benchmarks.plan --json FILE [--rows 10000000]``

``plan_10m_seconds`` (its name tells the rows where they are fewer) and ``peak_gb``: drawing, counting and writing
``plan.parquet`` for the sets base and refine (a tenth of the rows) with the full preset's parameters, reading both
tables included, in a process of its own; ``cpu_seconds`` is what it kept the cores busy, for machines that others use
too. The tables: 300,000 kept photographs in 365 scenes; 240,709 frames of 484 clips of uneven length. ``vs_rows``:
against drawing a row at a time with a generator a row, into Python dictionaries, for as many rows as that does in a few
seconds.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import pipelines
from compositing.plan.config import PlanParams
from compositing.plan.coverage import Coverage
from compositing.plan.pairing import plan_chunks
from compositing.tables import FRAMES, PLAN
from curation.identity import item_id, rng
from curation.tables import VERDICTS, from_columns, read_table, to_arrow, write_chunks, write_table
from pipelines.params import load

PHOTOGRAPHS = 300_000
FRAME_COUNT, CLIPS = 240_709, 484
PLAN_ONLY = "plan"
BY_ROW = 4000
PRESET = Path(pipelines.__file__).parent / "presets" / "full.yaml"


def simulate(folder: Path) -> None:
    """Write ``verdicts.parquet`` and ``frames.parquet``: every split has its share, as curation would give it."""
    generator = np.random.default_rng(0)
    number = np.arange(PHOTOGRAPHS)
    split = np.where(number % 50 == 0, "valid", np.where(number % 50 == 1, "test", "train")).astype(object)
    scene = np.array([f"scene_{i:03d}" for i in range(365)], object)[number % 365]
    constant = {name: np.zeros(PHOTOGRAPHS) for name, (kind, _) in VERDICTS.columns.items() if str(kind) == "float"}
    verdicts = constant | {
        "dataset": ["places365"] * PHOTOGRAPHS,
        "locator": [f"{name}/{i:08d}.jpg" for i, name in enumerate(scene)],
        "image_id": [item_id("photograph", i) for i in range(PHOTOGRAPHS)],
        "kept": np.ones(PHOTOGRAPHS, bool), "reason": ["ok"] * PHOTOGRAPHS, "rule": ["ok"] * PHOTOGRAPHS,
        "split": split, "scene": scene, "indoor": number % 2 == 0,
        "width": generator.integers(2600, 4000, PHOTOGRAPHS), "height": generator.integers(2300, 3000, PHOTOGRAPHS),
        "duplicate_of": [None] * PHOTOGRAPHS, "refine_ok": np.ones(PHOTOGRAPHS, bool), "decision": [None] * PHOTOGRAPHS,
        "licence": ["Places365 terms"] * PHOTOGRAPHS, "source": ["Places365"] * PHOTOGRAPHS,
    }  # fmt: skip
    write_table(VERDICTS, from_columns(VERDICTS, verdicts), folder / "verdicts.parquet")
    clip = np.sort(generator.choice(CLIPS, FRAME_COUNT, p=generator.dirichlet(np.full(CLIPS, 4.0))))
    names = [f"train/{i:04d}" for i in range(CLIPS)]
    frame = np.arange(FRAME_COUNT) - np.searchsorted(clip, clip)
    frames = {
        "dataset": ["videomatte240k"] * FRAME_COUNT,
        "frame_id": [item_id("frame", i) for i in range(FRAME_COUNT)],
        "clip": [names[i] for i in clip], "frame": frame, "time": frame / 25,
        "fgr": ["fgr"] * FRAME_COUNT, "pha": ["pha"] * FRAME_COUNT, "stored": np.ones(FRAME_COUNT, bool),
        "width": np.full(FRAME_COUNT, 2560), "height": np.full(FRAME_COUNT, 1440),
        "coverage": np.full(FRAME_COUNT, 0.2), "soft": np.full(FRAME_COUNT, 0.01),
        "box_x": np.full(FRAME_COUNT, 800), "box_y": np.full(FRAME_COUNT, 200),
        "box_w": generator.integers(300, 1200, FRAME_COUNT), "box_h": generator.integers(600, 1240, FRAME_COUNT),
        "touches": np.array(["", "b", "b", "lb", "rb"], object)[clip % 5],
        "split": np.where(clip % 50 == 0, "valid", np.where(clip % 50 == 1, "test", "train")).astype(object),
        "person": np.ones(FRAME_COUNT, bool),
        "status": ["ok"] * FRAME_COUNT, "licence": ["MIT"] * FRAME_COUNT, "source": ["VideoMatte240K"] * FRAME_COUNT,
    }  # fmt: skip
    write_table(FRAMES, from_columns(FRAMES, frames), folder / "frames.parquet")


def parameters(rows: int) -> PlanParams:
    """The full preset with this many rows in base and refine, and next to none in valid and test."""
    plan = load(PRESET).plan
    counts = {"base": rows - rows // 10, "refine": rows // 10, "valid": 1, "test": 1}
    return plan.model_copy(
        update={name: getattr(plan, name).model_copy(update={"count": count}) for name, count in counts.items()}
    )


def plan(folder: Path, rows: int) -> None:
    began = time.perf_counter()
    coverage = Coverage()
    verdicts, frames = (read_table(t, folder / f"{t.name}.parquet") for t in (VERDICTS, FRAMES))
    write_chunks(PLAN, coverage.watch(plan_chunks(verdicts, frames, parameters(rows))), folder / "plan.parquet")
    seconds = time.perf_counter() - began
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figures = {"seconds": seconds, "cpu": time.process_time(), "peak_gb": gigabytes, "counts": coverage.counts()}
    print(json.dumps(figures))


def rows_a_second_by_row(folder: Path) -> float:
    """Draw rows one by one: a generator a row, a uniform number a float column, a dictionary, then an Arrow table."""
    columns = ["dataset", "locator", "image_id", "scene", "indoor", "licence", "source"]
    photographs = read_table(VERDICTS, folder / "verdicts.parquet", columns).slice(0, BY_ROW).to_pylist()
    mattes = read_table(FRAMES, folder / "frames.parquet").slice(0, BY_ROW).to_pylist()
    began = time.perf_counter()
    rows = []
    for ordinal in range(BY_ROW):
        generator = rng(1, "base", ordinal)
        row: dict[str, object] = {"composite_id": item_id(1, "base", ordinal), "set": "base", "ordinal": ordinal}
        known = photographs[ordinal] | mattes[ordinal] | row | {"strength": "train", "split": "train", "margin": 9}
        for name, (kind, _) in PLAN.columns.items():
            if name in known:
                row[name] = known[name]
            elif str(kind) == "float":
                row[name] = float(generator.uniform(-1.0, 1.0))
            elif str(kind) == "string":
                row[name] = "linear"
            elif str(kind) == "bool":
                row[name] = bool(generator.random() < 0.5)
            else:
                row[name] = int(generator.integers(0, 100))
        rows.append(row)
    write_table(PLAN, to_arrow(PLAN, rows), folder / "by_row.parquet")
    return BY_ROW / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--only", choices=[PLAN_ONLY], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        plan(given.folder, given.rows)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder)
        command = [sys.executable, "-m", "benchmarks.plan", "--only", PLAN_ONLY, "--folder", name]
        made = subprocess.run([*command, "--rows", str(given.rows)], check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(made.stdout)
        rate = given.rows / found["seconds"]
        seconds = "plan_10m_seconds" if given.rows == 10_000_000 else f"plan_{given.rows}_seconds"
        figures = {
            seconds: round(found["seconds"], 1),
            "cpu_seconds": round(found["cpu"], 1),
            "peak_gb": round(found["peak_gb"], 2),
            "rows_per_second": round(rate),
            "vs_rows": round(rate / rows_a_second_by_row(folder), 1),
            "bytes_per_row": round((folder / "plan.parquet").stat().st_size / given.rows),
            "base": found["counts"]["base"],
            "refine": found["counts"]["refine"],
        }
    print(json.dumps(figures, indent=2))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
