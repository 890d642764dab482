from pathlib import Path

import pytest
import torch

from compositing.shards.reader import ShardReader
from training.export.inputs import SMALLEST, other_size, random_pairs, real_pairs


def test_other_size_has_another_shape_and_fits():
    for size in ((448, 448), (128, 128), (1080, 1920)):
        other = other_size(*size)
        assert other != size
        assert other[0] * size[1] != other[1] * size[0]
        assert all(side % 4 == 0 and side >= SMALLEST for side in other)


def test_noise_is_the_same_every_time():
    (one,), (again,) = random_pairs(128, 132), random_pairs(128, 132)
    assert one.src.shape == (1, 3, 128, 132) and torch.equal(one.src, again.src) and torch.equal(one.bgr, again.bgr)
    assert not torch.equal(one.src, one.bgr)


@pytest.mark.parametrize(("count", "positions"), [(2, [0, 3]), (6, [0, 1, 2, 3, 4, 5]), (9, [0, 1, 2, 3, 4, 5])])
def test_composites_are_spread_over_their_set(shards: Path, count: int, positions: list[int]):
    where = (shards / "shards", shards / "shards.parquet")
    pairs = list(real_pairs(*where, 64, 96, count, "refine"))
    reader = ShardReader(*where, "refine")
    assert [pair.name for pair in pairs] == [reader.key(position) for position in positions]
    assert pairs[0].src.shape == pairs[0].bgr.shape == (1, 3, 64, 96)
    assert pairs[0].pha is not None and pairs[0].pha.shape == (1, 1, 64, 96)


def test_a_composite_of_its_own_size_is_its_bytes(shards: Path):
    where = (shards / "shards", shards / "shards.parquet")
    (pair,) = real_pairs(*where, 64, 64, 1)
    sample = ShardReader(*where, "test").read(0)
    for found, layer in ((pair.src, sample.src), (pair.bgr, sample.bgr), (pair.pha, sample.pha[..., None])):
        assert torch.equal((found[0] * 255).round().byte(), torch.from_numpy(layer).permute(2, 0, 1))
