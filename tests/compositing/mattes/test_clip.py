import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from compositing.mattes.clip import ClipTask, gather, measure_alpha, store_clip
from compositing.mattes.framestore import read_frame
from compositing.mattes.videomatte import MattesParams, find_clips, split_clips
from compositing.tables import FRAMES
from curation.identity import item_id
from curation.sources import Source
from curation.storage import open_store
from curation.tables import read_table
from pipelines.engine import run_parts

DEFAULTS = {
    "max_side": 640,
    "every": 1,
    "black": 0.02,
    "white": 0.98,
    "foreground": "auto",
    "min_coverage": 0.005,
    "valid_share": 0.2,
    "test_share": 0.2,
    "min_clips": 0,
    "objects": (),
}


def tasks(root, **changes):
    params = MattesParams(**{**DEFAULTS, **changes})
    clips = find_clips(open_store(root)).clips
    return {clip.key: ClipTask(str(root), clip, "train", True, params, "MIT", "here") for clip in clips}


def make(root, folder, **changes):
    """Store the only clip of a dataset; return its rows and its note."""
    ((key, task),) = tasks(root, **changes).items()
    folder.mkdir(parents=True)
    store_clip(task, folder)
    rows = read_table(FRAMES, folder / "clip.parquet").to_pylist()
    return rows, json.loads((folder / "clip.json").read_text()), folder / f"{key}.tar"


@pytest.mark.parametrize("video", [True, False])
def test_rows_hold_what_the_table_promises(tmp_path, write_clip, disc, video):
    write_clip(tmp_path / "raw", "0000", frames=4, video=video)
    rows, note, tar = make(tmp_path / "raw", tmp_path / "part")
    assert tar.name == "train_0000.tar"
    assert note["treatment"] == "keep"
    assert [row["frame"] for row in rows] == [0, 1, 2, 3]
    row = rows[1]
    expected = disc(x=35)
    assert row["frame_id"] == item_id("train/0000", 1)
    assert row["time"] == (pytest.approx(0.04) if video else None)
    assert (row["status"], row["split"], row["licence"], row["source"]) == ("ok", "train", "MIT", "here")
    assert (row["width"], row["height"], row["touches"]) == (96, 64, "")
    assert row["coverage"] == pytest.approx(expected.mean() / 255, abs=1e-3)
    left, top, width, height = cv2.boundingRect(np.where(expected > 5, expected, 0).astype(np.uint8))
    assert (row["box_x"], row["box_y"], row["box_w"], row["box_h"]) == (left, top, width, height)
    fgr, pha = read_frame(Source(tmp_path / "part"), row, Source(tmp_path / "raw"))
    assert np.abs(pha.astype(int) - expected).max() <= 5
    assert np.abs(fgr.astype(int) - (200, 50, 60)).max() <= 6


def test_a_jpeg_that_needs_no_change_is_referenced(tmp_path, write_clip):
    write_clip(tmp_path / "raw", "0000", video=False)
    rows, _, tar = make(tmp_path / "raw", tmp_path / "part")
    assert all(row["stored"] is False and row["fgr"].startswith("train/fgr/0000/") for row in rows)
    assert all(row["pha"].startswith("train_0000.tar#") for row in rows)
    assert b".fgr.jpg" not in tar.read_bytes()
    for number, changes in enumerate(({"max_side": 48}, {"foreground": "always"})):
        rows, _, _ = make(tmp_path / "raw", tmp_path / f"other{number}", **changes)
        assert all(row["stored"] and row["fgr"].startswith("train_0000.tar#") for row in rows)


def test_frames_are_reduced(tmp_path, write_clip):
    write_clip(tmp_path / "raw", "0000")
    rows, _, _ = make(tmp_path / "raw", tmp_path / "part", max_side=48)
    fgr, pha = read_frame(Source(tmp_path / "part"), rows[0])
    assert (rows[0]["width"], rows[0]["height"]) == (48, 32)
    assert fgr.shape == (32, 48, 3)
    assert pha.max() == 255


def photograph(root, disc, frames=2):
    """A clip of dark discs photographed before a bright wall."""
    for side in ("fgr", "pha"):
        (root / "train" / side / "0000").mkdir(parents=True)
    for number in range(frames):
        pha = disc(160, 120, 70 + 10 * number, 60, 35, 6)
        alpha = pha[..., None] / 255
        cv2.imwrite(str(root / f"train/fgr/0000/{number:05d}.png"), np.rint(alpha * 40 + (1 - alpha) * 240))
        cv2.imwrite(str(root / f"train/pha/0000/{number:05d}.png"), pha)


def test_a_photograph_loses_its_old_background(tmp_path, disc):
    photograph(tmp_path / "raw", disc)
    rows, note, _ = make(tmp_path / "raw", tmp_path / "part")
    assert note["treatment"] == "estimate"
    fgr, _ = read_frame(Source(tmp_path / "part"), rows[0])
    assert np.abs(fgr.astype(int) - 40).max() <= 6
    rows, note, _ = make(tmp_path / "raw", tmp_path / "never", foreground="never")
    assert note["treatment"] == "keep"
    assert read_frame(Source(tmp_path / "never"), rows[0])[0].max() >= 238


def test_levels_are_cleaned(tmp_path, write_fgr, write_pha, disc):
    specks = np.clip(disc().astype(int) * 0.99, 3, 252).astype(np.uint8)
    luma = np.rint(16 + specks.astype(float) * 219 / 255).astype(np.uint8)
    write_fgr(tmp_path / "raw/train/fgr/0000.mp4", [np.full((64, 96, 3), 90, np.uint8)])
    write_pha(tmp_path / "raw/train/pha/0000.mp4", [luma])
    rows, _, _ = make(tmp_path / "raw", tmp_path / "part")
    pha = read_frame(Source(tmp_path / "part"), rows[0])[1]
    assert (pha[0, 0], pha[32, 48]) == (0, 255)
    assert rows[0]["box_w"] < 96


def test_empty_frames_are_rows_with_a_reason(tmp_path, write_fgr, write_pha):
    black, square = np.full((64, 96), 16, np.uint8), np.full((64, 96), 16, np.uint8)
    square[10:50, 20:60] = 235
    write_fgr(tmp_path / "raw/train/fgr/0000.mp4", [np.full((64, 96, 3), 90, np.uint8)] * 3)
    write_pha(tmp_path / "raw/train/pha/0000.mp4", [black, square, black])
    rows, _, _ = make(tmp_path / "raw", tmp_path / "part")
    assert [row["status"] for row in rows] == [
        "coverage: 0 of the frame, below 0.005",
        "ok",
        "coverage: 0 of the frame, below 0.005",
    ]
    assert (rows[0]["fgr"], rows[0]["pha"], rows[0]["stored"]) == (None, None, None)
    assert (rows[0]["width"], rows[0]["coverage"]) == (96, 0)


def test_a_clip_without_its_pair_is_one_row(tmp_path, write_clip):
    write_clip(tmp_path / "raw", "0000")
    (tmp_path / "raw/train/pha/0000.mp4").unlink()
    (row,), note, tar = make(tmp_path / "raw", tmp_path / "part")
    assert (row["frame"], row["frame_id"], row["fgr"]) == (-1, None, None)
    assert row["status"].startswith("pha: missing")
    assert note["treatment"] is None
    assert not tar.exists()


def test_alpha_is_measured():
    pha = np.zeros((20, 30), np.uint8)
    pha[5:, 10:] = 128
    pha[8:, 12:] = 255
    pha[4, 9] = 9  # a trace that hangs together with the subject: in the box
    pha[0, 3] = 9  # a detached one: not in the box, no touched border
    found = measure_alpha(pha)
    assert (found["box_x"], found["box_y"], found["box_w"], found["box_h"]) == (9, 4, 21, 16)
    assert found["touches"] == "rb"
    assert found["coverage"] == pytest.approx(pha.mean() / 255)
    assert found["soft"] == pytest.approx(((pha > 0) & (pha < 255)).mean())
    assert measure_alpha(np.full((4, 4), 255, np.uint8))["touches"] == "ltrb"
    assert "box_x" not in measure_alpha(np.zeros((4, 4), np.uint8))


def digests(parts):
    files = sorted(file for part in parts for file in part.iterdir())
    return {f"{file.parent.name}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_bytes_are_the_same_for_any_worker_count_and_after_a_kill(tmp_path, write_clip, disc):
    for name in ("0000", "0001"):
        write_clip(tmp_path / "raw", name, frames=3)
    photograph(tmp_path / "photo", disc)
    shutil.copytree(tmp_path / "photo/train", tmp_path / "raw/test")
    todo = tasks(tmp_path / "raw")
    alone = run_parts(todo, store_clip, tmp_path / "one", "one", workers=1)
    shared = run_parts(todo, store_clip, tmp_path / "two", "two", workers=2)
    assert len(digests(alone)) == 9
    assert digests(alone) == digests(shared)

    # Killed in mid-run: one part whole, one half made.
    kept = (shared[0] / "clip.parquet").stat().st_mtime_ns
    shutil.rmtree(shared[1])
    shared[2].rename(shared[2].with_name(f".{shared[2].name}.tmp"))
    again = run_parts(todo, store_clip, tmp_path / "two", "two", workers=1)
    assert digests(again) == digests(alone)
    assert (again[0] / "clip.parquet").stat().st_mtime_ns == kept
    assert gather(again)[0].equals(gather(alone)[0])


def test_counts_and_the_failure_of_everything(tmp_path, write_clip):
    write_clip(tmp_path / "raw", "0000", frames=3)
    write_clip(tmp_path / "raw", "0001", frames=2, pha_frames=1)
    write_clip(tmp_path / "raw", "0002")
    (tmp_path / "raw/train/pha/0002.mp4").write_bytes(b"")
    parts = run_parts(tasks(tmp_path / "raw"), store_clip, tmp_path / "parts", "x", workers=1)
    table, counts = gather(parts)
    assert table.num_rows == 6
    assert counts == {
        "clips": 3,
        "clips_failed": 1,
        "clips_by_split": {"train": 2},
        "frames": 4,
        "frames_by_split": {"train": 4},
        "clips_of_objects": 0,
        "frames_referenced": 0,
        "rows_by_status": {"ok": 4, "pha": 2},
        "foreground": {"keep": 2},
    }
    with pytest.raises(ValueError, match=r"no frame of 1 clips can be used: pha: train/pha/0002\.mp4.*expected train"):
        gather(parts[2:])


def test_every_row_says_whether_its_clip_holds_a_person(tmp_path, write_clip):
    for name in ("0000", "0001", "0002"):
        write_clip(tmp_path / "raw", name, frames=2)
    (tmp_path / "raw/train/pha/0002.mp4").write_bytes(b"")
    todo = {
        key: dataclasses.replace(task, person=task.clip.name == "train/0000")
        for key, task in tasks(tmp_path / "raw").items()
    }
    table, counts = gather(run_parts(todo, store_clip, tmp_path / "parts", "x", workers=1))
    people = [(row["clip"], row["person"]) for row in table.to_pylist()]
    assert people == [("train/0000", True)] * 2 + [("train/0001", False)] * 2 + [("train/0002", False)]
    assert (counts["clips_by_split"], counts["clips_of_objects"]) == ({"train": 2}, 1)


def test_the_stage_runs_as_a_program(tmp_path, write_clip, root):
    for number in range(6):
        write_clip(tmp_path / "data/sample/videomatte", f"{number:04d}", frames=2)
    write_clip(tmp_path / "data/sample/videomatte", "0000", frames=2, folder="test")
    (tmp_path / "data/sample/videomatte/train/fgr/notes.txt").touch()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(root / name, tmp_path / name)
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("  objects: []", "  objects: ['*/0003', 'test/*']"))
    command = [sys.executable, "-m", "pipelines.mattes"]
    env = {**os.environ, "PYTHONPATH": str(root), "CLEANPLATE_WORKERS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    table = read_table(FRAMES, tmp_path / "data/frames.parquet")
    rows = table.to_pylist()
    assert [row["clip"] for row in rows] == sorted(row["clip"] for row in rows)
    assert {row["split"] for row in rows} == {"train", "valid", "test"}
    assert {row["clip"] for row in rows if row["split"] == "test"} == {"test/0000"}
    assert {row["clip"] for row in rows if not row["person"]} == {"train/0003", "test/0000"}
    for row in rows:
        read_frame(Source(tmp_path / "data/frames"), row)
    metrics = json.loads((tmp_path / "metrics/mattes.json").read_text())
    assert (metrics["clips"], metrics["frames"], metrics["files_ignored"]) == (7, 14, 1)

    shutil.rmtree(tmp_path / "data/sample")
    failed = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert failed.returncode == 1
    assert "has no clips; expected train/fgr/0000.mp4" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr


@pytest.mark.realset
def test_real_mattes_in_the_layout_of_frames(realset: Path, tmp_path):
    params = MattesParams(**{**DEFAULTS, "max_side": 256, "every": 17, "min_clips": 2})
    clips = find_clips(open_store(realset / "mattes")).clips
    splits = split_clips(clips, params)
    parts = []
    for clip in clips:
        part = tmp_path / clip.key
        part.mkdir()
        store_clip(ClipTask(str(realset / "mattes"), clip, splits[clip.name], True, params, "mixed", "realset"), part)
        parts.append(part)
    table, counts = gather(parts)
    assert (counts["clips"], counts["frames"], counts["rows_by_status"]) == (13, 14, {"ok": 14})
    assert counts["foreground"] == {"estimate": 12, "keep": 1}
    assert set(counts["clips_by_split"]) == {"train", "valid", "test"}
    for row in table.to_pylist():
        assert 0.02 < row["coverage"] < 0.9
        assert row["soft"] < 0.2
        assert max(row["width"], row["height"]) == 256


def test_a_detached_speck_moves_neither_box_nor_borders() -> None:
    pha = np.zeros((100, 100), np.uint8)
    pha[40:90, 30:70] = 255
    pha[50:53, 0:3] = 255
    found = measure_alpha(pha)
    assert (found["box_x"], found["box_w"], found["touches"]) == (30, 40, "")
    assert found["coverage"] == pytest.approx((2000 + 9) / 10_000)
    pha[40:90, 0:10] = 255  # a second person at the edge is no speck
    assert measure_alpha(pha)["touches"] == "l"
