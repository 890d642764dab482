import json

import pytest

from pipelines.page.results import exports, robustness, tables, weak, worth
from pipelines.page.results.gallery import montages, predictions
from pipelines.page.results.metrics import Metrics, best_rival, interval, number, ordered, read


@pytest.fixture
def metrics(values):
    return Metrics(**values)


def test_real_mattes_are_the_headline(metrics):
    rows = worth.rows(metrics)
    assert [row["name"] for row in rows] == ["photomatte", "drawn", "exact", "hard"]
    assert rows[0]["kind"] == "real mattes" and rows[1]["kind"] == "not real"
    assert [row["left_out"] for row in rows] == [0, 1, 0, 0]
    assert rows[0]["interval"] == "24.0 to 45.0" and rows[3]["interval"] == ""
    assert worth.chapter(metrics, "full")["told"] == [worth.REAL]
    assert worth.chapter(metrics, "sample")["told"] == [worth.REAL, worth.SAMPLE]


def test_without_real_mattes_it_says_what_the_figures_are_worth(metrics):
    metrics.evaluate["sets"].pop("photomatte")
    assert worth.chapter(metrics, "full")["told"] == [worth.FROZEN, worth.MEASURE]
    assert worth.chapter(metrics, "sample")["told"] == [worth.SAMPLE, worth.MEASURE]
    assert "none of them is a headline" in worth.SAMPLE and "not captured" in worth.FROZEN


def test_the_model_is_held_against_its_best_rival_and_not_against_itself(metrics):
    row = worth.rows(metrics)[-1]
    assert (row["rival"], row["rival_value"], row["words"], row["side"]) == ("other.onnx", "90.0", "0.67 ×", "better")
    metrics.evaluate["test"]["hard"]["other.onnx"]["mad"] = 59.0
    assert worth.rows(metrics)[-1]["side"] == "level"
    metrics.evaluate["test"]["hard"]["other.onnx"]["mad"] = 20.0
    assert worth.rows(metrics)[-1]["words"] == "3.00 ×" and worth.rows(metrics)[-1]["side"] == "worse"


def test_missing_intervals_are_explained(metrics):
    assert "None below 10 clips (hard 3, drawn 2)" in worth.about_intervals(metrics)
    metrics.evaluate["clips"] = {"hard": 30}
    metrics.evaluate["sets"].pop("drawn")
    assert "None below" not in worth.about_intervals(metrics)
    del metrics.evaluate["intervals"]
    assert "run 'dvc repro evaluate'" in worth.about_intervals(metrics)


def test_metrics_of_an_older_run_still_make_a_page(metrics, tmp_path):
    (tmp_path / "evaluate.json").write_text(json.dumps({"test": metrics.evaluate["test"], "samples": {}, "cases": {}}))
    old = read(tmp_path)
    assert worth.chapter(old, "sample")["rows"] and tables.tables(old)
    assert weak.worst(old) == weak.slices(old) == weak.first(old) == []
    assert robustness.chapter(old.robustness) is None and weak.probes(old) is None
    with pytest.raises(FileNotFoundError, match="run 'dvc repro evaluate'"):
        read(tmp_path / "nowhere")


def test_exports_tell_what_they_cost(metrics):
    found = exports.chapter(metrics.export)
    assert found["inputs"] == 24
    assert [tuple(row) for row in found["rows"]] == [
        ("refine.onnx", "ONNX, any size", "20.0", "55.6", "+0.00", "0.000", "0.026"),
        ("refine.int8.onnx", "ONNX, any size, convolutions in bytes", "5.5", "56.0", "+0.38", "1.786", "12.750"),
    ]
    assert exports.chapter({}) is None
    assert exports.chapter({"onnx": {"mad": 1.0}}) is None  # of an older run


def test_tables_mark_the_best_and_leave_out_what_nobody_measured(metrics):
    whole, unknown, cases = tables.tables(metrics)
    assert [column.key for column in unknown["columns"]] == ["mad_unknown", "fgr_mse"]
    assert cases["rows"][0].where == "wrong plate" and len(cases["rows"]) == len(
        metrics.evaluate["cases"]["wrong_plate"]
    )
    first = [row for row in whole["rows"] if row.first]
    assert [row.where for row in first] == ["photomatte", "drawn", "exact", "hard"]
    assert all(row.is_model and row.cells[0]["best"] for row in first)
    assert sum(row.cells[0]["best"] for row in whole["rows"]) == len(first)
    assert first[0].cells[0]["range"] == "24.0 to 45.0"


def test_methods_are_data_and_the_model_comes_first(metrics):
    assert ordered({"zeta", "classical", "base", "refine"}) == ["refine", "base", "classical", "zeta"]
    assert best_rival({"refine": {"mad": 1.0}, "base": {"mad": 0.5}}) is None
    assert best_rival({"refine": {"mad": 1.0}, "b": {"mad": 2.0}, "a": {"mad": 2.0}, "c": {}}) == ("a", 2.0)


def test_a_sweep_says_where_the_error_doubles():
    def points(*found):
        return [{"value": value, "refine": error} for value, error in found]

    both = points((-1, 30.0), (-0.5, 19.0), (0, 10.0), (0.5, 20.0), (1, 50.0))
    assert robustness.breaks(both) == "≤ -1 or ≥ 0.5"
    assert robustness.breaks(points((0, 10.0), (16, 19.0))) == robustness.NOWHERE
    falling = points((20, 40.0), (95, 10.0), (60, 19.0))
    assert robustness.breaks(falling) == "≤ 20", "in the order of the values, not of the file"


def test_a_sweep_in_numbers(metrics):
    row = robustness.row("white_balance", metrics.robustness["curves"]["shift"])
    assert row["name"] == "white balance" and row["published"] == "0 to 1.2"
    assert (row["least"], row["within"], row["most"], row["at"]) == ("10.0", "11.0", "74.0", "8")
    assert row["rival"] == "classical 37.0" and row["breaks"] == "≥ 4"
    unmeasured = {"unit": "x", "published": None, "points": [{"value": 0, "classical": 1.0}]}
    assert robustness.row("shift", unmeasured)["breaks"] == "not measured"


def test_the_published_range_is_shaded(metrics):
    drawn = robustness.chapter(metrics.robustness)
    assert [name for name, _ in drawn["legend"]] == ["refine", "classical"]
    assert '"x0":0,"x1":1.2' in drawn["figures"][0]
    metrics.robustness["curves"]["shift"]["published"] = None
    assert '"x1":1.2' not in robustness.chapter(metrics.robustness)["figures"][0]


def test_the_first_words_say_where_it_fails(metrics):
    slices, probes, changes = weak.first(metrics)
    assert slices == "Worst slices: scene: kitchen (MAD 44.0, 2.0 times the average)."
    assert probes == "Probes it fails most (0 is right, 1000 all wrong): swapped 90.0; shadow only 1.00."
    assert changes.endswith("shift ≥ 4 pixels at 512.")


def test_probes_keep_their_words_and_their_methods(metrics):
    found = weak.probes(metrics)
    assert found["methods"] == ["refine", "classical"]
    assert found["rows"][0]["name"] == "swapped" and "should be 0" in found["rows"][0]["measure"]
    assert [cell["best"] for cell in found["rows"][0]["cells"]] == [False, True]


def test_of_many_buckets_the_worst_are_drawn(metrics):
    buckets = {f"scene_{k:03d}": {"samples": 3, "clips": 1, "refine": {"mad": float(k)}} for k in range(100)}
    metrics.evaluate["slices"] = {"scene": buckets}
    (drawn,) = weak.slices(metrics)
    assert drawn.index("scene 099 (3)") < drawn.index("scene 088 (3)")
    assert "scene 099 (3)" in drawn and "scene 087" not in drawn and "the 12 worst of 100" in drawn


def test_buckets_go_from_small_to_large(metrics):
    names = ["10 to 25 %", "above 50 %", "below 10 %", "25 to 50 %"]
    metrics.evaluate["slices"] = {"coverage": {name: {"samples": 3, "refine": {"mad": 1.0}} for name in names}}
    (drawn,) = weak.slices(metrics)
    places = [drawn.index(f"{name} (3)") for name in ("below 10 %", "10 to 25 %", "25 to 50 %", "above 50 %")]
    assert places == sorted(places)
    assert weak.by_size(["above 2 pixels", "up to 2 pixels", "still"]) == ["still", "up to 2 pixels", "above 2 pixels"]


def test_probes_are_pictured_where_pictures_were_made(tmp_path, metrics):
    (tmp_path / "swapped.jpg").write_bytes(b"x")
    assert montages(tmp_path, metrics.robustness["probes"]) == [("swapped", "data:image/jpeg;base64,eA==")]
    assert montages(tmp_path / "nowhere", metrics.robustness["probes"]) == []


def test_numbers_are_as_long_as_they_need_to_be():
    assert [number(v) for v in (None, 0.123, 9.876, 9.999, 45.678, 999.9)] == [
        "–",
        "0.12",
        "9.88",
        "10.0",
        "45.7",
        "1000",
    ]
    assert interval(None) == "" and interval([1, 20]) == "1.00 to 20.0"


def test_the_worst_case_is_pictured_first(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    items = [
        {"strength": s, "which": which, "mad": {"refine": mad}, "files": {"true_alpha": "a.png"}}
        for s, which, mad in (
            ("exact", "best", 1.0), ("exact", "worst", 9.0), ("hard", "median", 50.0), ("hard", "worst", 90.0)
        )
    ]  # fmt: skip
    (tmp_path / "gallery.json").write_text(json.dumps(items))
    found = predictions(tmp_path)
    assert [item["title"] for item in found] == ["worst of hard", "worst of exact", "median of hard", "best of exact"]
    assert found[0]["layers"][0] == ("true alpha", "data:image/png;base64,eA==")
    (tmp_path / "gallery.json").unlink()
    with pytest.raises(FileNotFoundError, match="dvc repro evaluate"):
        predictions(tmp_path)
