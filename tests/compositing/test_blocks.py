import numpy as np
import pytest

from compositing.blocks import BLOCK, by_rows, row_blocks


@pytest.mark.parametrize("shape", [(1, 5), (300, 400, 3), (7, 2 * BLOCK), (97, 130, 4)])
def test_blocks_hold_every_row_once(shape):
    rows = [row for block in row_blocks(shape) for row in range(shape[0])[block]]
    assert rows == list(range(shape[0]))


def test_a_chain_over_blocks_gives_what_it_gives_over_the_whole():
    generator = np.random.default_rng(0)
    image = generator.random((301, 217, 3), dtype=np.float32)
    cover = generator.random((301, 217), dtype=np.float32)

    def chain(colour, alpha):
        assert len(colour) == len(alpha) < 301
        return np.rint(255 * colour * alpha[:, :, None]).astype(np.uint8)

    assert (by_rows(chain, image, cover) == np.rint(255 * image * cover[:, :, None]).astype(np.uint8)).all()


def test_layers_must_have_the_same_rows():
    with pytest.raises(ValueError, match="different heights"):
        by_rows(np.add, np.zeros((4, 3)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="without rows"):
        by_rows(np.negative, np.zeros((0, 3)))
