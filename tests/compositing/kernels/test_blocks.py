import pytest

from compositing.kernels.blocks import BLOCK, row_blocks


@pytest.mark.parametrize("shape", [(1, 5), (300, 400, 3), (7, 2 * BLOCK), (97, 130, 4)])
def test_blocks_hold_every_row_once(shape):
    rows = [row for block in row_blocks(shape) for row in range(shape[0])[block]]
    assert rows == list(range(shape[0]))
