"""Drawn composites and a small untrained network, one thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.shards_world import write_shards
from tests.training.conftest import draw
from training.network import RefineNetwork, build_refine

SIDE = 128


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine cost more than they save on pictures this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network() -> RefineNetwork:
    return build_refine("mobilenetv2", 0.5, "sampling", 2048).eval()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``shards/`` and ``shards.parquet``: 5 samples ``test`` and 6 ``refine``, 64x64."""
    sets = {"test": 5, "refine": 6}
    return write_shards(tmp_path_factory.mktemp("discs"), {s: [draw(s, i) for i in range(n)] for s, n in sets.items()})
