import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from curation.filters import CurateParams, judge_row, percent

GOOD: dict[str, Any] = {
    "person_score": 0.5,
    "person_share": 0.0,
    "min_side": 200,
    "min_sharpness": 40.0,
    "luma": [0.06, 0.94],
    "min_spread": 0.04,
    "max_clipped": 0.4,
    "min_chroma": 0.03,
    "max_border": 0.01,
    "max_drawn": 0.35,
    "duplicate_distance": 6,
    "valid_share": 0.12,
    "test_share": 0.15,
    "scene_cap": None,
    "refine_side": 448,
}
PARAMS = CurateParams.model_validate_json(json.dumps(GOOD))
ROW: dict[str, Any] = {
    "status": "ok",
    "width": 640,
    "height": 480,
    "sharpness": 500.0,
    "luma_mean": 0.45,
    "luma_spread": 0.2,
    "clipped": 0.01,
    "chroma": 0.5,
    "border": 0.0,
    "drawn": 0.02,
    "person_score": 0.0,
    "person_best": 0.0,
    "person_share": 0.0,
    "person_note": None,
}
UNREAD = dict.fromkeys(
    ("width", "height", "sharpness", "luma_mean", "luma_spread", "clipped", "chroma", "border", "drawn", "person_score")
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "ok"),
        ({**UNREAD, "status": "truncated: 12 bytes left"}, "unreadable: truncated: 12 bytes left"),
        ({"width": 199}, "size: 199x480, shortest side under 200"),
        ({"luma_mean": 0.02}, "exposure: mean luma 0.020, darker than 0.06"),
        ({"luma_mean": 0.97}, "exposure: mean luma 0.970, brighter than 0.94"),
        ({"luma_spread": 0.01}, "contrast: luma spread 0.010, under 0.04"),
        ({"clipped": 0.62}, "clipped: 62% of the pixels, over 40%"),
        ({"sharpness": 12.34}, "sharpness: 12.3, under 40"),
        ({"chroma": 0.001}, "greyscale: chroma 0.001, under 0.03"),
        ({"border": 0.2431}, "border: bars on 24% of the image, over 1%"),
        ({"drawn": 0.613}, "drawn: 0.61, over 0.35: a screenshot, slide or page"),
        ({"person_score": 0.83, "person_best": 0.83, "person_share": 0.04}, "people: 0.83 over 4% of the image"),
        ({"person_score": 0.4}, "ok"),
        ({"person_score": None, "person_note": "no row"}, "people: not looked at (no row)"),
        ({"width": 10, "sharpness": 1.0}, "size: 10x480, shortest side under 200"),
    ],
)
def test_each_filter_gives_its_reason(change: dict[str, Any], reason: str) -> None:
    verdict = judge_row(ROW | change, PARAMS)
    assert verdict == (reason == "ok", reason)
    assert verdict.rule == reason.split(":")[0]


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100%"), (0.43, "43%"), (0.042, "4.2%"), (0.04, "4%"), (0.0007, "0.07%"), (0, "0%")]
)
def test_shares_read_well(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"luma": [0.9, 0.1]}, "luma"),
        ({"valid_share": 0.6, "test_share": 0.4}, "leave none to train on"),
        ({"person_score": 1.5}, "person_score"),
        ({"duplicate_distance": 20}, "duplicate_distance"),
    ],
)
def test_params_that_make_no_sense_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CurateParams.model_validate_json(json.dumps(GOOD | change))


def test_importing_the_filters_loads_nothing_heavy(root: Path) -> None:
    heavy = ("torch", "torchvision", "fiftyone", "ray", "onnxruntime", "albumentations", "matplotlib", "pandas")
    code = f"import sys, curation.filters, curation.judging; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
