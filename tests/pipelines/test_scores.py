"""Detectors side by side: any number of them, each at its own threshold."""

import pandas as pd
import pytest

from pipelines.browse.scores import best_scores, thresholds
from pipelines.params import load

YOLOX, FUSED = "yolox_nano@1a2b3c4d", "fusion(yolox_nano@1a2b3c4d+nanodet_m@5e6f7a8b)"


def people(*rows: tuple[str, str, str, float | None, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["locator", "detector", "look", "score", "status"]).assign(role="member")


def test_one_detector_never_disagrees() -> None:
    found = best_scores(
        people(("a", YOLOX, "whole", 0.4, "ok"), ("a", YOLOX, "whole", 0.9, "ok")), lambda name, look: 0.5
    )
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
    found = best_scores(rows, lambda name, look: 0.3 if name == YOLOX else 0.37)
    assert found.rows["disagree"].to_dict() == {"alone": False, "apart": True, "both": False, "neither": False}
    assert found.rows.loc["apart", "disagreement"] == pytest.approx(0.45)
    assert pd.isna(found.rows.loc["alone", "disagreement"])


def test_two_weights_of_one_name_stay_two_fields() -> None:
    found = best_scores(
        people(("a", YOLOX, "whole", 0.4, "ok"), ("a", "yolox_nano@ffffffff", "whole", 0.2, "ok")),
        lambda name, look: 0.3,
    )
    assert list(found.fields) == ["score_yolox_nano_whole", "score_yolox_nano_ffffffff_whole"]
    assert found.rows.loc["a", "disagree"]


def test_the_answer_of_several_is_no_voice_of_its_own() -> None:
    """Its looks differ from image to image, yet it is one field; whether members disagree is theirs to say."""
    rows = people(
        ("a", YOLOX, "whole", 0.2, "ok"), ("a", "n@1", "whole", 0.25, "ok"), ("a", FUSED, "whole+tiles2x2", 0.9, "ok"),
        ("b", YOLOX, "whole", 0.9, "ok"), ("b", "n@1", "whole", 0.1, "ok"), ("b", FUSED, "whole", 0.98, "ok"),
    )  # fmt: skip
    rows["role"] = ["member", "member", "verdict"] * 2
    found = best_scores(rows, lambda name, look: 0.3)
    assert sorted(found.fields) == [
        "score_fusion_yolox_nano_nanodet_m_verdict",
        "score_n_whole",
        "score_yolox_nano_whole",
    ]
    assert found.rows["disagree"].to_dict() == {"a": False, "b": True}
    assert found.rows.loc["a", "disagreement"] == pytest.approx(0.05)


def test_the_answer_that_decides_has_the_threshold_in_use(root) -> None:
    params = load(root / "pipelines/presets/full.yaml")
    threshold = thresholds(params)
    assert threshold(FUSED, "verdict") == params.curate.person_score
    assert (threshold("builtin@00", "whole"), threshold(YOLOX, "whole")) == (0.5, 0.3)


def test_nobody_looked() -> None:
    assert best_scores(people(("a", YOLOX, "whole", None, "unreadable")), lambda name, look: 0.3).rows.empty
