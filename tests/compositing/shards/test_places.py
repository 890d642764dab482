import pickle

import pytest

from compositing.shards.places import Places
from compositing.tables import LAYERS, SHARDS
from curation import tables
from curation.identity import item_id
from curation.tables import write_table


def rows_of(kind: str) -> list[dict]:
    rows = []
    for set_name, count in (("base", 7), ("test", 4)):
        for ordinal in range(count):
            for number, member in enumerate(LAYERS):
                at = {"offset": 9 * ordinal + number, "size": 10 * number + ordinal}
                at = at if kind == "tar" else {"row_group": ordinal // 2, "row": ordinal % 2, "size": 3}
                row = {"set": set_name, "ordinal": ordinal, "composite_id": item_id(set_name, ordinal)}
                rows.append(
                    dict.fromkeys(SHARDS.columns) | row | at | {"member": member, "shard": f"{set_name}/{ordinal // 3}"}
                )
    return rows


@pytest.mark.parametrize("group", [1, 3, 5, 12, 65_536])
@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_places_are_those_of_the_table_over_any_row_groups(tmp_path, monkeypatch, group, kind):
    monkeypatch.setattr(tables, "ROW_GROUP", group)
    rows = rows_of(kind)
    write_table(SHARDS, rows, tmp_path / "shards.parquet")
    places = Places(tmp_path / "shards.parquet", "test")
    for each in (places, pickle.loads(pickle.dumps(places))):
        assert len(each) == 4 and each.ordinals.tolist() == [0, 1, 2, 3] and each.in_tar == (kind == "tar")
        for row in rows[35:]:
            ordinal, at = row["ordinal"], each.at(row["ordinal"])
            assert (each.key(ordinal), each.shard(ordinal)) == (row["composite_id"], row["shard"])
            if kind == "tar":
                number = LAYERS.index(row["member"])
                assert (at["offset"][number], at["size"][number]) == (row["offset"], row["size"])
            else:
                assert (at["row_group"], at["row"]) == (row["row_group"], row["row"])
    places.keep([3, 1])
    assert places.ordinals.tolist() == [3, 1] and places.shard(0) == "test/1" and places.key(1) == item_id("test", 1)


@pytest.mark.parametrize("lost", [0, 7, 34])
def test_a_sample_that_lacks_a_member_is_named(tmp_path, lost):
    rows = rows_of("tar")
    gone = rows.pop(lost)
    write_table(SHARDS, rows, tmp_path / "shards.parquet")
    with pytest.raises(ValueError, match=f"set 'base' lacks a member of sample {gone['ordinal']} "):
        Places(tmp_path / "shards.parquet", "base")
