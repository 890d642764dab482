"""Composites and the evaluation as FiftyOne datasets: what is in them, in which order, made again when."""

import shutil

import pyarrow.parquet as pq
import pytest

from tests.pipelines.composites_world import MAD, SCRIPT, SETS, UNKEPT, key, scene, write_composites

BASE = "http://127.0.0.1:5152/secret"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(fiftyone_folder):
    write_composites(fiftyone_folder)
    return fiftyone_folder / "data"


@pytest.fixture
def composites(data):
    from pipelines.browse.composites import load_dataset

    return load_dataset(data, BASE)


@pytest.fixture
def evaluation(data):
    from pipelines.browse.evaluation import load_dataset

    return load_dataset(data, BASE)


def test_a_composite_is_a_group_of_its_layers_with_its_recipe(composites):
    assert composites.media_type == "group" and len(composites) == sum(SETS.values())
    assert composites.group_slices == ["source", "plate", "foreground", "alpha"]
    group = composites.get_group(composites.match({"set": "test", "ordinal": 3}).first().group.id)
    where = f"composites/test/3/{key('test', 3)}"
    layers = {"source": "src.jpg", "plate": "bgr.jpg", "foreground": "fgr.jpg", "alpha": "pha.png"}
    assert {name: sample.filepath for name, sample in group.items()} == {
        name: f"{BASE}/0/{where}.{member}" for name, member in layers.items()
    }
    for name, sample in group.items():
        assert (sample.media_type, sample.group.name) == ("image", name)
        assert sample.thumbnail == f"{BASE}/480/{where}.{layers[name]}"
        assert (sample.metadata.width, sample.metadata.height) == (128, 96)
        assert (sample.scene, sample.strength, sample.shift, sample.indoor) == (scene(3), "exact", 5.0, False)
        assert "plate moved: by 5.00 px" in sample.recipe
        shown, other = ("alpha", "alpha_over") if name == "alpha" else ("alpha_over", "alpha")
        assert sample[shown].map_path == f"{BASE}/1024/{where}.pha.png" and sample[other] is None


def test_every_document_is_one_that_fiftyone_would_have_written(composites):
    import fiftyone as fo

    dataset = fo.Dataset()
    dataset.add_group_field("group", default="source")
    own = composites.first().to_dict()
    dataset.add_sample(fo.Sample.from_dict({**own, "filepath": "/a.jpg"}))
    written = next(dataset._sample_collection.find({}))
    for document in composites._sample_collection.find({}):
        assert document.keys() <= {*written.keys(), "alpha", "alpha_over"} | own.keys()
        assert type(document["_rand"]) is float and document["_media_type"] == "image"
    ids = [document["_id"] for document in composites._sample_collection.find({})]
    maps = [d[n]["_id"] for d in composites._sample_collection.find({}) for n in ("alpha", "alpha_over") if d[n]]
    assert len(set(ids)) == len(ids) == 4 * 13 and len(set(maps)) == len(maps) == 4 * 13
    dataset.delete()


def test_views_and_filters_work_on_any_layer(composites):
    views = {name: len(composites.load_saved_view(name)) for name in composites.list_saved_views()}
    assert (views["set: base"], views["set: test"], views["strength: hard"], views["most shift"]) == (7, 6, 2, 13)
    assert views["nobody there"] == 0 == views["another plate"]
    plates = composites.select_group_slices("plate").match({"strength": "hard"})
    assert plates.values("ordinal") == [2, 5]


def test_an_even_sample_of_the_sets_asked_for(data):
    from pipelines.browse.composites import load_dataset

    few = load_dataset(data, BASE, limit=4)
    assert few.values(["set", "ordinal"]) == (["base", "base", "base", "test"], [0, 3, 6, 2])
    assert few.info["of"] == SETS
    assert load_dataset(data, BASE, ["test"]).distinct("set") == ["test"]
    with pytest.raises(ValueError, match="no set 'tset', only base, test"):
        load_dataset(data, BASE, ["tset"])


def test_it_is_built_again_only_where_something_changed(data, composites, tmp_path):
    from pipelines.browse.composites import load_dataset

    first = composites.first()
    first.tags = ["look here"]
    first.save()
    moved = load_dataset(data, "http://127.0.0.1:6000/other")
    assert moved.count_sample_tags() == {"look here": 1}, "the same dataset, at another address"
    moved.reload()
    starts = {path.rpartition("/composites/")[0] for path in moved.values("filepath")}
    assert starts == {"http://127.0.0.1:6000/other/0"}
    over = moved.values("alpha_over.map_path")
    assert {path.partition("/1024/")[0] for path in over} == {"http://127.0.0.1:6000/other"}
    shutil.copytree(data, tmp_path / "data")
    write_composites(tmp_path, {"base": 2, "test": 6})
    assert len(load_dataset(tmp_path / "data", BASE)) == 8
    (tmp_path / "data" / "shards.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="dvc repro"):
        load_dataset(tmp_path / "data", BASE)


def test_the_evaluation_comes_worst_first_with_every_method(evaluation):
    order = sorted(range(6), key=lambda ordinal: -MAD["refine"][ordinal])
    assert evaluation.values("ordinal") == order
    assert evaluation.values("rank") == [1, 2, 3, 4, 5, 6]
    assert evaluation.values("refine_mad") == [MAD["refine"][i] for i in order]
    assert evaluation.values("over_classical") == [MAD["refine"][i] - MAD["classical"][i] for i in order]
    assert "MAD of refine" in evaluation.get_field("rank").description


def test_predictions_and_errors_lie_over_the_source(evaluation):
    group = evaluation.get_group(evaluation.match({"ordinal": 1}).first().group.id)
    where = f"predictions/1/{key('test', 1)}"
    assert set(group) == {"source", "plate", "truth", "prediction", "error"}
    assert group["prediction"].filepath == f"{BASE}/0/{where}/alpha/refine.png"
    assert group["error"].filepath == f"{BASE}/0/{where}/error/refine.png"
    for method in MAD:
        assert group["source"][f"{method}_error"].map_path == f"{BASE}/1024/{where}/off/{method}.png"
        assert group["source"][f"{method}_alpha"].map_path == f"{BASE}/1024/{where}/alpha/{method}.png"
        assert group["truth"][f"{method}_error"] is None
    unkept = evaluation.get_group(evaluation.match({"ordinal": UNKEPT}).first().group.id)
    assert set(unkept) == {"source", "plate", "truth"}
    assert unkept["source"].refine_error is None and unkept["source"].refine_mad == 1.0


def test_views_cut_the_evaluation_into_slices_worst_first(evaluation):
    views = {name: evaluation.load_saved_view(name).values("ordinal") for name in evaluation.list_saved_views()}
    assert views["worst first"] == [3, 1, 5, 0, 2, 4]
    assert views["worse than classical"] == [3, 1]
    assert views["strength: mild"] == [1, 4] and views["indoor"] == [1, 0, 2] and views["outdoor"] == [3, 5, 4]
    assert (
        views["coverage: low"] == [1, 0] and views["coverage: middle"] == [3, 2] and views["coverage: high"] == [5, 4]
    )
    assert not any(name.startswith(("soft", "colour_distance")) for name in views), "all the same, all unknown"
    assert views["motion: low"] == [3, 1, 5, 0, 4] and views["motion: high"] == [2]
    assert views["scene: attic"] == [1, 5, 0, 2, 4] and f"scene: {SCRIPT}" not in views, "too few"


def test_an_evaluation_without_alphas_still_shows_its_figures(data, tmp_path):
    from pipelines.browse.evaluation import load_dataset

    shutil.copytree(data, tmp_path / "data")
    shutil.rmtree(tmp_path / "data/evaluation")
    dataset = load_dataset(tmp_path / "data", BASE)
    assert len(dataset) == 6 and dataset.info["predictions"] == 0
    (tmp_path / "data/evaluation.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="dvc repro evaluate"):
        load_dataset(tmp_path / "data", BASE)


def test_the_command_says_what_it_shows_and_of_how_many(data, monkeypatch, capsys):
    from typer.testing import CliRunner

    from pipelines.browse import session
    from pipelines.commands.browse import app

    served = []
    monkeypatch.setattr(session, "serve", lambda dataset, port, window: served.append((dataset.name, port, window)))
    told = CliRunner().invoke(app, ["composites", "--limit", "5", "--set", "base", "--port", "6001", "--no-open"])
    assert "5 composites, evenly spread over 7" in told.output
    told = CliRunner().invoke(app, ["evaluation"])
    assert "6 test composites, 5 with predictions" in told.output
    assert served == [("composites", 6001, False), ("evaluation", 5151, True)]
    assert pq.read_table(data / "plan.parquet").num_rows == 13
