from pathlib import Path

import pytest

from pipelines.params import ParamsError, load, parse
from pipelines.presets import flatten, preset_text, set_value, use, write_roots


@pytest.mark.parametrize(("name", "data"), [("sample", "sample"), ("full", "full"), ("published", "full")])
def test_presets_are_valid(name, data):
    params = parse(preset_text(name))
    assert params.data.preset == data


def test_committed_params_are_the_sample_preset(root):
    assert parse((root / "params.yaml").read_text()) == parse(preset_text("sample"))


def test_presets_have_the_same_keys():
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    sample, full, published = (flatten(yaml.load(preset_text(name))) for name in ("sample", "full", "published"))
    assert sample.keys() == full.keys() == published.keys()
    differ = {key for key in full if full[key] != published[key]}
    assert published["plan.look.space"] == "display"
    starts = {key for key in differ if key.endswith(".start")}
    assert {published[key] for key in starts} == {"published"}
    assert all(key.startswith(("plan.look.", "plan.train.", "plan.base.", "plan.refine.")) for key in differ - starts)


def test_unknown_key_names_itself():
    text = preset_text("sample").replace("  floor: ", "  flor: ")
    with pytest.raises(ParamsError) as caught:
        parse(text)
    assert "unknown key 'detect.flor'" in str(caught.value)
    assert "missing key 'detect.floor'" in str(caught.value)


def test_mistyped_value_names_key_and_value():
    text = preset_text("sample").replace("  min_side: ", "  min_side: tall # ")
    with pytest.raises(ParamsError, match=r"'curate.min_side' is 'tall'"):
        parse(text)


def test_a_number_in_quotes_is_mistyped():
    text = preset_text("sample").replace("  test_seed: ", "  test_seed: '1' # ")
    with pytest.raises(ParamsError, match=r"plan\.test_seed"):
        parse(text)


def test_missing_file_says_what_writes_it(tmp_path):
    with pytest.raises(ParamsError, match="cleanplate use sample"):
        load(tmp_path / "params.yaml")


def test_broken_yaml_is_an_error(tmp_path):
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(ParamsError, match="not YAML"):
        load(tmp_path / "params.yaml")


def test_use_reports_changes_and_keeps_the_digest(tmp_path):
    path = tmp_path / "params.yaml"
    use("full", path)
    set_value("data.places365.digest", "abc", path)
    assert parse(path.read_text()).data.places365.digest == "abc"
    assert use("full", path) == []
    changed = {c.key: c for c in use("sample", path)}
    assert changed["data.preset"].before == "full"
    assert changed["data.places365.digest"].after is None


def test_set_value_keeps_comments_and_nulls(tmp_path):
    path = tmp_path / "params.yaml"
    use("sample", path)
    set_value("plan.base.count", 7, path)
    text = path.read_text()
    assert text.startswith("# ")
    assert "weights: null" in text
    assert parse(text).plan.base.count == 7


def test_roots_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="--videomatte"):
        write_roots(tmp_path, tmp_path / "nowhere", tmp_path / "paths.yaml")


def test_roots_are_found_from_a_folder_below(tmp_path, monkeypatch):
    from pipelines.paths import roots

    for name in ("places", "mattes", "below"):
        (tmp_path / name).mkdir()
    write_roots(tmp_path / "places", tmp_path / "mattes", tmp_path / "paths.yaml")
    monkeypatch.chdir(tmp_path / "below")
    found = roots(parse(preset_text("full")))
    assert found.places365 == (tmp_path / "places").resolve()


def test_missing_roots_name_the_command(tmp_path, monkeypatch):
    from pipelines.paths import roots

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEANPLATE_PATHS", str(tmp_path / "paths.yaml"))
    Path(tmp_path / "paths.yaml").write_text("places365: /nowhere-at-all\nvideomatte: .\n")
    with pytest.raises(FileNotFoundError, match=r"places365 is '/nowhere-at-all'.*cleanplate use full"):
        roots(parse(preset_text("full")))
