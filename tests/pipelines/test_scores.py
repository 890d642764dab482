"""Detectors side by side: any number of them, each at its own threshold."""

import pandas as pd
import pytest

from pipelines.browse.scores import best_scores, thresholds
from pipelines.params import load

YOLOX, FUSED = "yolox_nano@1a2b3c4d", "fusion(yolox_nano@1a2b3c4d+nanodet_m@5e6f7a8b)"


def people(*rows: tuple[str, str, str, float | None, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["locator", "detector", "look", "score", "status"])


def test_one_detector_never_disagrees() -> None:
    found = best_scores(people(("a", YOLOX, "whole", 0.4, "ok"), ("a", YOLOX, "whole", 0.9, "ok")), lambda name: 0.5)
    assert list(found.fields) == ["score_yolox_nano_whole"]
    assert YOLOX in found.fields["score_yolox_nano_whole"]
    row = found.rows.loc["a"]
    assert row["score_yolox_nano_whole"] == pytest.approx(0.9)
    assert pd.isna(row["disagreement"]) and not row["disagree"]


def test_detectors_disagree_where_their_thresholds_lie_between() -> None:
    rows = people(
        ("apart", YOLOX, "whole", 0.45, "ok"), ("apart", FUSED, "whole", None, "ok"),
        ("both", YOLOX, "whole", 0.9, "ok"), ("both", FUSED, "whole", 0.6, "ok"),
        ("neither", YOLOX, "whole", 0.25, "ok"), ("neither", FUSED, "whole", 0.3, "ok"),
        ("alone", YOLOX, "whole", 0.9, "ok"), ("alone", FUSED, "whole", None, "unreadable"),
    )  # fmt: skip
    found = best_scores(rows, lambda name: 0.3 if name == YOLOX else 0.37)
    assert found.rows["disagree"].to_dict() == {"alone": False, "apart": True, "both": False, "neither": False}
    assert found.rows.loc["apart", "disagreement"] == pytest.approx(0.45)
    assert pd.isna(found.rows.loc["alone", "disagreement"])


def test_two_weights_of_one_name_stay_two_fields() -> None:
    found = best_scores(
        people(("a", YOLOX, "whole", 0.4, "ok"), ("a", "yolox_nano@ffffffff", "whole", 0.2, "ok")), lambda name: 0.3
    )
    assert list(found.fields) == ["score_yolox_nano_whole", "score_yolox_nano_ffffffff_whole"]
    assert found.rows.loc["a", "disagree"]


def test_the_detector_that_decides_has_the_threshold_in_use(root) -> None:
    threshold = thresholds(load(root / "pipelines/presets/sample.yaml"))
    assert (threshold("builtin@00"), threshold(FUSED), threshold(YOLOX)) == (0.5, 0.37, 0.3)
    full = load(root / "pipelines/presets/full.yaml")
    assert thresholds(full)(YOLOX if full.detect.detector == "onnx" else FUSED) == full.curate.person_score


def test_nobody_looked() -> None:
    assert best_scores(people(("a", YOLOX, "whole", None, "unreadable")), lambda name: 0.3).rows.empty
