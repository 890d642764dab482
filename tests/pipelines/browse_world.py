"""A project with eight backgrounds, each there for one of the reviewer's views."""

import shutil
from pathlib import Path

import cv2
import numpy as np

from curation.decisions import write_decisions
from curation.identity import content_id
from curation.judging import judge
from curation.tables import IMAGES, PEOPLE, VERDICTS, to_arrow, write_table
from pipelines.params import load

ROOT = Path(__file__).resolve().parents[2]
BUILTIN, OTHER = "builtin@0badcafe", "yolox_nano@1a2b3c4d"
EITHER = f"any({BUILTIN}+{OTHER})"
SCENES = {
    # name: scores of two detectors (None: nobody found), perceptual hash, sharpness, status
    "a/airfield/plain.jpg": ((None, None), 1, 300.0, "ok"),
    "a/airfield/plain_copy.jpg": ((None, None), 1, 300.0, "ok"),
    "a/airfield/resembling.jpg": ((None, None), 3, 200.0, "ok"),
    "b/bar/person.jpg": ((0.83, 0.9), 0x0F0F0F0F0F0F0F, 300.0, "ok"),
    "b/bar/over.jpg": ((0.53, 0.2), 0xF0F0F0F0F0F0F0, 300.0, "ok"),
    "b/bar/under.jpg": ((0.44, 0.12), 0x33333333333333, 300.0, "ok"),
    "b/bar/blurry.jpg": ((None, None), 0x55555555555555, 36.0, "ok"),
    "b/bar/broken.jpg": ((None, None), None, None, "truncated"),
}


def write_project(folder: Path) -> None:
    """Photographs, tables as the stages write them, no decision yet."""
    images, people = [], []
    for name, (scores, phash, sharpness, status) in SCENES.items():
        file = folder / "data/sample/places365" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        data = photograph(name) if status == "ok" else b"\xff\xd8half"
        file.write_bytes(data)
        ok = status == "ok"
        images.append(
            dict.fromkeys(IMAGES.columns)
            | {"dataset": "places365", "locator": name, "image_id": content_id(data), "scene": name.split("/")[1]}
            | {"indoor": name.startswith("b"), "bytes": len(data), "status": status, "licence": "CC0", "source": "test"}
            | {"sharpness": sharpness, "phash": phash, "group": "one" if name.startswith("a") else None}
            | ({"width": 320, "height": 240, "luma_mean": 0.5, "luma_spread": 0.25, "clipped": 0.0} if ok else {})
        )
        best = max((score for score in scores if score is not None), default=None)
        said = (("verdict", EITHER, best), ("member", BUILTIN, scores[0]), ("member", OTHER, scores[1]))
        for role, detector, score in said:
            box = {} if score is None else {"score": score, "x": 0.25, "y": 0.2, "w": 0.3, "h": 0.4}
            people.append(
                dict.fromkeys(PEOPLE.columns)
                | {"dataset": "places365", "locator": name, "image_id": content_id(data), "detector": detector}
                | {"look": "whole", "rank": 0, "floor": 0.1, "ceiling": 1.0, "status": status, "role": role} | box
            )  # fmt: skip
    shutil.copyfile(ROOT / "pipelines/presets/sample.yaml", folder / "params.yaml")
    (folder / "curation").mkdir()
    write_decisions([], folder / "curation/decisions.csv")
    for table, rows in ((IMAGES, images), (PEOPLE, people)):
        write_table(table, rows, folder / "data" / f"{table.name}.parquet")
    verdicts = judge(to_arrow(IMAGES, images), to_arrow(PEOPLE, people), {}, load(folder / "params.yaml").curate)
    write_table(VERDICTS, verdicts, folder / "data/verdicts.parquet")


def photograph(name: str) -> bytes:
    """A JPEG that bears its name; a copy has the bytes of what it copies."""
    name = name.replace("_copy", "")
    colour = np.frombuffer(content_id(name.encode()).encode(), np.uint8)[:3].astype(int) * 2
    image = np.full((240, 320, 3), colour, np.uint8)
    cv2.putText(image, Path(name).stem, (20, 130), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (255, 255, 255), 3)
    return cv2.imencode(".jpg", image)[1].tobytes()
