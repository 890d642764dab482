import numpy as np
import pyarrow as pa

from curation.known import match


def table(**columns: list) -> pa.Table:
    return pa.table(columns)


def test_rows_are_matched_by_all_keys_and_never_by_nothing() -> None:
    wanted = table(name=["a", "b", "c", None, "d"], size=[1, 2, 3, 4, None])
    kept = table(name=["c", "b", "a", None, "d", "e"], size=[3, 9, 1, 4, None, 5], row=[0, 1, 2, 3, 4, 5])
    found = match(wanted, kept, ("name", "size"))
    assert found.wanted.tolist() == [0, 2] and found.kept.tolist() == [2, 0]
    assert found.missing.tolist() == [1, 3, 4]


def test_a_key_may_come_many_times_on_either_side() -> None:
    images = table(image_id=["x", "y", "x", "z"])  # two copies of x
    people = table(image_id=["x", "z", "x"], rank=[0, 0, 1])  # two people in it
    found = match(images, people, ("image_id",))
    assert list(zip(found.wanted.tolist(), found.kept.tolist(), strict=True)) == [
        (0, 0),
        (0, 2),
        (2, 0),
        (2, 2),
        (3, 1),
    ]
    assert found.missing.tolist() == [1]


def test_the_order_hangs_on_the_rows_alone() -> None:
    rng = np.random.default_rng(1)
    names = [f"{number:05d}" for number in rng.permutation(50_000)]
    wanted = pa.concat_tables([table(name=names[start : start + 700]) for start in range(0, 50_000, 700)])
    found = match(wanted, table(name=sorted(names)), ("name",))
    assert found.wanted.tolist() == list(range(50_000)) and found.missing.size == 0
    assert [names[row] for row in found.wanted] == [f"{row:05d}" for row in found.kept]


def test_empty_tables_match_nothing() -> None:
    none = table(name=pa.array([], pa.string()))
    assert match(none, none, ("name",)).missing.size == 0
    assert match(table(name=["a"]), none, ("name",)).missing.tolist() == [0]
