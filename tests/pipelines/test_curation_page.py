import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from curation.tables import PEOPLE, VERDICTS, write_table
from pipelines.page.backgrounds.borderline import draw_boxes, sheets
from pipelines.page.backgrounds.histograms import measures, scores, yields
from pipelines.page.backgrounds.limits import Limit, limits, nearest
from pipelines.page.build import curation_page
from pipelines.params import load


def verdict(number: int, **change: object) -> dict[str, object]:
    row = dict.fromkeys(VERDICTS.columns) | {
        "dataset": "d",
        "locator": f"{number:03d}.png",
        "image_id": f"{number:032x}",
    }
    row |= {"kept": True, "reason": "ok", "rule": "ok", "split": "train", "scene": f"scene_{number % 50:02d}"}
    row |= {"width": 640, "height": 480, "sharpness": 100.0 + number, "luma_mean": 0.5, "luma_spread": 0.2}
    row |= {"clipped": 0.0, "chroma": 0.5, "border": 0.0, "drawn": 0.0, "refine_ok": True, "person_score": 0.0}
    return row | change


def person(number: int, score: float) -> dict[str, object]:
    rejected = {"kept": False, "rule": "people", "reason": f"people: {score:.2f} over 6% of the image"}
    return verdict(number, person_score=score, **(rejected if score >= 0.5 else {}))


@pytest.fixture()
def rows() -> list[dict[str, object]]:
    soft = verdict(40, sharpness=39.0, kept=False, rule="sharpness", reason="sharpness: 39.0, under 40")
    broken = dict.fromkeys(("width", "height", "sharpness", "luma_mean", "luma_spread", "clipped", "chroma", "border"))
    unread = verdict(41, **broken, drawn=None, person_score=None, kept=False, rule="unreadable", reason="unreadable: x")
    return [*(verdict(k) for k in range(30)), *(person(30 + k, k / 10) for k in range(1, 10)), soft, unread]


def test_the_borderline_is_what_lies_nearest_on_both_sides(rows) -> None:
    table = pd.DataFrame(rows)
    near = nearest(table, Limit("people", "person_score", "score", (0.5,)), 3)
    assert near["person_score"].tolist() == [0.5, 0.6, 0.7, 0.4, 0.3, 0.2]
    assert near["kept"].tolist() == [False] * 3 + [True] * 3
    limit = next(each for each in limits(load().curate) if each.rule == "sharpness")
    assert nearest(table, limit, 2)["sharpness"].tolist() == [39.0, 100.0, 101.0]


def test_a_filter_that_is_off_has_no_borderline() -> None:
    curate = load().curate
    assert "greyscale" in {limit.rule for limit in limits(curate)}
    off = curate.model_copy(update={"min_chroma": None})
    assert "greyscale" not in {limit.rule for limit in limits(off)}


def test_plots_hold_their_thresholds_and_bins_not_every_image(rows) -> None:
    many = pd.DataFrame(rows * 2000)
    assert "0.5" in scores(many, 0.5) and len(scores(many, 0.5)) < 60_000
    assert "62,000 images with nobody" in scores(many, 0.5) and "2,000 not looked at" in scores(many, 0.5)
    figures = measures(many, limits(load().curate))
    assert len(figures) == len(limits(load().curate)) and all(len(figure) < 60_000 for figure in figures)


def test_of_many_scenes_the_lowest_and_highest_are_drawn() -> None:
    table = pd.DataFrame([verdict(k, scene=f"scene_{k % 365:03d}", kept=k % 365 >= k // 365) for k in range(3650)])
    drawn = set(re.findall(r"scene_\d{3}", yields(table)))
    assert len(drawn) == 40 and {"scene_000", "scene_364"} <= drawn and "365 scenes" in yields(table)


def test_the_page_stands_alone_and_hides_people(rows, tmp_path: Path) -> None:
    face = {
        "dataset": "d",
        "role": "verdict",
        "detector": "x",
        "look": "whole",
        "rank": 0,
        "floor": 0.1,
        "status": "ok",
    }
    face |= {"x": 0.25, "y": 0.25, "w": 0.25, "h": 0.25}
    found = [
        dict.fromkeys(PEOPLE.columns) | face | {"locator": f"{30 + k:03d}.png", "score": k / 10} for k in range(3, 8)
    ]
    write_table(VERDICTS, rows, tmp_path / "verdicts.parquet")
    write_table(PEOPLE, found, tmp_path / "people.parquet")
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    for row in rows:
        cv2.imwrite(str(tmp_path / str(row["locator"])), noise)
    page = curation_page(load(), tmp_path, {"d": tmp_path})
    assert page.count('<img src="data:image/jpeg') > 20 and "cannot be shown" not in page
    assert "borderline of people: person score, threshold 0.5" in page and "rejected: sharpness" in page
    assert not re.search(r'(src|href)="https?:', page.split("<body>")[1])
    assert curation_page(load(), tmp_path, None).count("cannot be shown") > 20
    table = pd.read_parquet(tmp_path / "verdicts.parquet"), pd.read_parquet(tmp_path / "people.parquet")
    data = (tmp_path / "031.png").read_bytes()
    hidden, shown = (sheets(*table, lambda _: data, load().curate, 2, blur)[0]["pictures"][0]["uri"] for blur in (1, 0))
    assert len(hidden) < 0.97 * len(shown)


def test_boxes_are_drawn_where_they_are() -> None:
    out = draw_boxes(np.full((100, 200, 3), 90, np.uint8), [[0.8, 0.5, 0.4, 0.25, 0.5]])
    changed = np.argwhere((out != 90).any(axis=2))
    assert abs(changed.min(axis=0) - [40, 100]).max() <= 3 and abs(changed.max(axis=0) - [90, 150]).max() <= 3
