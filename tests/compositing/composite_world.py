"""A tiny curated dataset with mattes: tables, photographs and a frame store on disk."""

import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from ruamel.yaml import YAML

from compositing.chain.viewpoint import Viewpoint, recapture
from compositing.inputs import InputRoots
from compositing.mattes.framestore import FGR, PHA, encode_frame
from compositing.plan.config import PlanParams
from compositing.plan.pairing import plan_rows
from compositing.shards.reader import RenderParams
from compositing.shards.tar import write_tar
from compositing.tables import FRAMES, PLAN
from curation.identity import content_id, item_id
from curation.tables import VERDICTS, to_arrow, write_table

ROOT = Path(__file__).resolve().parents[2]
SPLITS = ("train", "valid", "test")


class World(NamedTuple):
    plan: Path
    frames: Path
    roots: InputRoots
    render: RenderParams


def plan_params(**changes) -> PlanParams:
    """The sample's plan section, with small sets; ``changes`` are dotted keys with __ for the dot."""
    values = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))["plan"]
    values["cases"] |= {"valid": 0, "test": 0}
    values["base"] |= {"count": 10, "width": 96, "height": 64}
    for name, count in (("refine", 5), ("valid", 2), ("test", 3)):
        values[name] |= {"count": count, "width": 128, "height": 96}
    for key, value in changes.items():
        *steps, last = key.split("__")
        section = values
        for step in steps:
            section = section[step]
        section[last] = value
    return PlanParams.model_validate_json(json.dumps(values))


def photograph(seed: int, height: int = 240, width: int = 320) -> np.ndarray:
    """Detail at every scale, so that shifts can be measured, in smooth colours."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for cells in (3, 9, 27, 80):
        field = generator.random((cells, cells, 3), dtype=np.float32)
        image += cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    image = (image - image.min()) / (image.max() - image.min())
    return np.rint(20 + 215 * image).astype(np.uint8)


def figure(height: int = 150, width: int = 120, x: int = 30, y: int = 20, h: int = 110, w: int = 50):
    """A soft-edged ellipse in one colour, over a foreground picture that is magenta wherever alpha is 0."""
    big = np.zeros((height * 4, width * 4), np.float32)
    cv2.ellipse(big, (4 * x + 2 * w, 4 * y + 2 * h), (2 * w, 2 * h), 0, 0, 360, 255, -1)
    pha = np.rint(cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA)).astype(np.uint8)
    fgr = np.full((height, width, 3), (60, 150, 90), np.uint8)
    fgr[pha == 0] = (255, 0, 255)
    return fgr, pha


def verdict(locator: str, split: str, **changes) -> dict:
    row = {
        "dataset": "places365",
        "locator": locator,
        "image_id": item_id(locator),
        "kept": True,
        "reason": "ok",
        "rule": "ok",
        "split": split,
        "scene": "field",
        "indoor": None,
        "width": 320,
        "height": 240,
        "person_score": 0.0,
        "person_share": 0.0,
        "sharpness": 100.0,
        "luma_mean": 0.5,
        "luma_spread": 0.2,
        "clipped": 0.0,
        "chroma": 0.5,
        "border": 0.0,
        "drawn": 0.0,
        "duplicate_of": None,
        "refine_ok": True,
        "decision": None,
        "licence": "CC0",
        "source": "drawn",
    }
    return row | changes


def frame(clip: str, number: int, split: str, **changes) -> dict:
    row = {
        "dataset": "videomatte240k",
        "frame_id": item_id(clip, number),
        "clip": clip,
        "frame": number,
        "time": number / 25,
        "fgr": None,
        "pha": None,
        "stored": True,
        "width": 120,
        "height": 150,
        "coverage": 0.2,
        "soft": 0.01,
        "box_x": 30,
        "box_y": 20,
        "box_w": 50,
        "box_h": 110,
        "touches": "",
        "split": split,
        "person": True,
        "status": "ok",
        "licence": "MIT",
        "source": "drawn",
    }
    return row | changes


def make_world(folder: Path, params: PlanParams | None = None, backgrounds: int = 4, clips: int = 2) -> World:
    """Write everything that planning and rendering read, and the plan."""
    places, store = folder / "places", folder / "frames"
    verdicts, frames = [], []
    for split in SPLITS:
        (places / split).mkdir(parents=True, exist_ok=True)
        for number in range(backgrounds):
            locator = f"{split}/{number}.png"
            image = photograph(1000 * SPLITS.index(split) + number)
            cv2.imwrite(str(places / locator), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            identity = content_id((places / locator).read_bytes())
            verdicts.append(verdict(locator, split, image_id=identity, scene=f"scene{number % 2}"))
        for number in range(clips):
            frames += _store_clip(store, f"{split}/{number:04d}", split, cut=number % 2 == 1)
    write_table(FRAMES, frames, folder / "frames.parquet")
    plan = plan_rows(to_arrow(VERDICTS, verdicts), to_arrow(FRAMES, frames), params or plan_params())
    write_table(PLAN, plan, folder / "plan.parquet")
    render = RenderParams(format="tar", samples_per_shard=4, fgr_quality=95)
    roots = InputRoots({"places365": places}, store, folder / "videos")
    return World(folder / "plan.parquet", folder / "frames.parquet", roots, render)


def _store_clip(store: Path, clip: str, split: str, cut: bool) -> list[dict]:
    store.mkdir(exist_ok=True)
    name = clip.replace("/", "-") + ".tar"
    images = [figure(y=20 + 3 * n, h=110 + 40 * cut) for n in range(3)]
    members = [(f"{n:05d}", encode_frame(*image)) for n, image in enumerate(images)]
    spans = write_tar(store / name, members)
    rows = []
    for number, (_, pha) in enumerate(images):
        at = spans[f"{number:05d}"]
        x, y, w, h = cv2.boundingRect(pha)
        rows.append(
            frame(
                clip,
                number,
                split,
                fgr=f"{name}#{at[FGR].offset}+{at[FGR].size}",
                pha=f"{name}#{at[PHA].offset}+{at[PHA].size}",
                box_x=x,
                box_y=y,
                box_w=w,
                box_h=h,
                touches="b" if y + h == pha.shape[0] else "",
            )
        )
    return rows


def recipe(**changes) -> dict:
    """A plan row without any perturbation: 128x96 from the middle of a 320x240 photograph, clean and uncompressed."""
    row = {
        "composite_id": "0" * 32,
        "set": "test",
        "ordinal": 0,
        "strength": "exact",
        "split": "test",
        "width": 128,
        "height": 96,
        "margin": 8,
        "crop_x": 64.0,
        "crop_y": 48.0,
        "crop_w": 192.0,
        "crop_h": 144.0,
        "bgr_flip": False,
        "fgr_flip": False,
        "clip": "test/0000",
        "frame": 0,
        "box_x": 30,
        "box_y": 20,
        "box_w": 50,
        "box_h": 110,
        "fgr_scale": 0.6,
        "fgr_x": 50.0,
        "fgr_y": 55.0,
        "fgr_rotate": 0.0,
        "fgr_shear": 0.0,
        "fgr_exposure": 0.0,
        "fgr_contrast": 1.0,
        "fgr_saturation": 1.0,
        "fgr_warmth": 0.0,
        "bgr_exposure": 0.0,
        "bgr_contrast": 1.0,
        "bgr_saturation": 1.0,
        "shadow_strength": 0.0,
        "shadow_x": 0.0,
        "shadow_y": 0.0,
        "shadow_lean": 0.3,
        "shadow_scale": 0.4,
        "shadow_blur": 0.02,
        "shift_x": 0.0,
        "shift_y": 0.0,
        "shift_rotate": 0.0,
        "shift_scale": 1.0,
        "gain": 0.0,
        "gain_red": 0.0,
        "gain_blue": 0.0,
        "gamma": 1.0,
        "src_noise": 0.0,
        "bgr_noise": 0.0,
        "blur": 0.0,
        "empty": False,
        "object": False,
        "second_frame_id": None,
        "plate_locator": None,
        "video": 0,
        "camouflage": 0.0,
        "src_quality": 100,
        "bgr_quality": 100,
        "space": "linear",
        "match": 0.0,
        "despill": 0.0,
        "motion": 0.0,
        "motion_angle": 0.0,
        "focus": 0.0,
        "change_x": 0.5,
        "change_y": 0.5,
        "change_w": 0.0,
        "change_h": 0.0,
        "change_turn": 0.0,
        "change_from_x": 0.0,
        "change_from_y": 0.0,
        "change_gain": 0.0,
        "contact_strength": 0.0,
        "shading": 0.0,
        "shading_angle": 0.0,
        "metering": 0.0,
        "metering_colour": 0.0,
        "shake": 0.0,
        "shake_angle": 0.0,
        "tilt_x": 0.0,
        "tilt_y": 0.0,
        "parallax_x": 0.0,
        "parallax_y": 0.0,
        "breathing": 1.0,
        "bgr_blur": 0.0,
        "tone": 0.0,
        "read": 0.05,
        "src_correlation": 0.0,
        "src_sharpen": 0.0,
        "bgr_correlation": 0.0,
        "bgr_sharpen": 0.0,
        "noise_key": 2**63 + 11,
    }
    return row | changes


def recaptured(scene: np.ndarray, margin: int, view: Viewpoint, key: int = 0) -> np.ndarray:
    """All rows of what the moved camera sees."""
    return recapture(scene, margin, view, key)(slice(0, scene.shape[0] - 2 * margin))
