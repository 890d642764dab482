"""The card against the documented form of a model hub's metadata (huggingface/hub-docs, modelcard.md)."""

from numbers import Number

import pytest
from ruamel.yaml import YAML

from pipelines.page import modelcard
from pipelines.page.inputs.sources import Source
from pipelines.page.results.metrics import Metrics
from pipelines.params import load

# https://huggingface.co/docs/hub/repositories-licenses: those that the card can name.
LICENCES = {"mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "other"}
RESULT = {"task", "dataset", "metrics", "source"}
DATASET = {"type", "name", "config", "split", "revision", "args"}
METRIC = {"type", "value", "name", "config", "args", "verified"}


@pytest.fixture
def metrics(values):
    return Metrics(**values)


def check(front):
    assert front["license"] in LICENCES
    assert front["license"] != "other" or front["license_name"]
    assert front["library_name"] and front["pipeline_tag"] == "image-segmentation"
    for key in ("tags", "datasets", "metrics"):
        assert front[key] and all(isinstance(item, str) and item for item in front[key])
    (model,) = front["model-index"]
    assert model["name"] and model["results"]
    for result in model["results"]:
        assert set(result) == RESULT
        assert result["task"]["type"] and {"type", "name"} <= set(result["dataset"]) <= DATASET
        assert all(isinstance(value, str) for value in result["dataset"].values())
        for metric in result["metrics"]:
            assert {"type", "value"} <= set(metric) <= METRIC and isinstance(metric["value"], Number)
            assert metric["type"] in front["metrics"]
        assert result["source"]["name"] and result["source"]["url"], "a source's name needs its address"


def test_the_metadata_has_the_documented_form(metrics):
    sources = [Source("places365", "backgrounds", "", "MIT", "Places365, places2.csail.mit.edu")]
    front = modelcard.front_matter(load(), metrics, sources, "other")
    check(front)
    again = YAML(typ="safe", pure=True).load(modelcard._yaml(front))
    check(again)
    assert again == front and next(iter(again)) == "license"
    names = [result["dataset"]["name"] for result in front["model-index"][0]["results"]]
    assert names[0] == "photomatte (real mattes)" and "(the drawn sample)" in names[-1]
    assert front["datasets"] == ["places365"]
    assert front["model-index"][0]["name"].endswith("-sample")


def test_a_licence_that_a_hub_knows_needs_no_name(metrics):
    front = modelcard.front_matter(load(), metrics, [Source("a", "mattes", "", "MIT", "b")], "mit")
    check(front)
    assert "license_name" not in front


def test_text_from_data_is_no_markup():
    assert modelcard.plain("a|b *c* `d` [e](f)\n<script>") == "a\\|b \\*c\\* \\`d\\` \\[e\\](f) &lt;script&gt;"
