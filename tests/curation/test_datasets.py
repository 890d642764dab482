from pathlib import Path

import pyarrow as pa
import pytest

from curation.datasets import place_of, reader, told, with_names

ROOTS = {"places365": Path("a"), "photos": Path("b")}


def table(*keys):
    return pa.table({"dataset": [key[0] for key in keys], "locator": [key[1] for key in keys]})


def test_names_lead_back_to_their_file():
    keys = [("places365", "x/1.jpg"), ("photos", "x/1.jpg"), ("photos", "b.tar#512+9"), ("places365", "odd:name.jpg")]
    names = told(table(*keys)).to_pylist()
    assert names == ["x/1.jpg", "photos:x/1.jpg", "photos:b.tar#512+9", "odd:name.jpg"]
    assert [place_of(name, ROOTS) for name in names] == keys
    assert with_names(table(*keys))["locator"].to_pylist() == names


def test_places365_alone_keeps_its_locators():
    assert told(table(("places365", "photos:x"))).to_pylist() == ["photos:x"]
    assert place_of("photos:x", {"places365": Path("a")}) == ("places365", "photos:x")


def test_each_file_is_read_below_its_own_root(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_text(name)
    read = reader({"places365": tmp_path / "one", "photos": tmp_path / "two"})
    assert (read("x.jpg"), read("photos:x.jpg")) == (b"one", b"two")
    with pytest.raises(FileNotFoundError):
        read("photos:y.jpg")
