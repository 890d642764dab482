import errno
import gc
import pickle
import tempfile

import numpy as np
import pyarrow as pa
import pytest

from compositing.shards import mapped
from compositing.shards.mapped import Records, Rows

KIND = np.dtype([("a", "<i8"), ("b", "<i4", 2)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_records_are_mapped_also_where_they_are_sent(folder):
    whole = np.array([(i, (i, -i)) for i in range(9)], KIND)
    records = Records(KIND, [whole[:4], whole[4:4], whole[4:]])
    again = pickle.loads(pickle.dumps(records))
    assert isinstance(again.all, np.memmap) and (records.all == whole).all() and (again.all == whole).all()
    assert len(Records(KIND, []).all) == 0


def test_rows_come_out_as_they_went_in(folder):
    pieces = [pa.table({"n": [1, 2, 3], "s": pa.array(["x", "y", "x"]).dictionary_encode()}),
              pa.table({"n": pa.array([], pa.int64()), "s": pa.array([], pa.string()).dictionary_encode()}),
              pa.table({"n": [4, None], "s": pa.array(["z", None]).dictionary_encode()})]  # fmt: skip
    rows = Rows(pieces)
    expected = [row for piece in pieces for row in piece.to_pylist()]
    for each in (rows, pickle.loads(pickle.dumps(rows))):
        assert len(each) == 5 and [each.row(i) for i in range(5)] == expected
        assert each.table().to_pylist() == expected


def test_the_file_goes_with_its_maker_and_stays_mapped(folder):
    records = Records(KIND, [np.ones(3, KIND)])
    again = pickle.loads(pickle.dumps(records))
    assert len(list(folder.iterdir())) == 1
    del records
    gc.collect()
    assert not list(folder.iterdir()) and (again.all == np.ones(3, KIND)).all()


def test_a_full_disk_says_what_to_do_and_leaves_nothing(folder):
    def write(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left.*set TMPDIR"):
        mapped.Scratch(write)
    assert not list(folder.iterdir())
