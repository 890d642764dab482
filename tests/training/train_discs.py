"""Trains on the drawn samples in a process of its own: ``python train_discs.py SHARDS FOLDER PARAMS``."""

import sys
from pathlib import Path

from compositing.shards.reader import ShardReader
from training.config import TrainParams
from training.loop import Readers, train


def main() -> None:
    """Print each step when it is done."""
    shards, work, params = Path(sys.argv[1]), Path(sys.argv[2]), TrainParams.model_validate_json(sys.argv[3])
    readers = Readers(*(ShardReader(shards / "shards", shards / "shards.parquet", name) for name in ("base", "valid")))
    train("base", params, readers, work, work / "curves", "discs", progress=lambda step, note: print(step, flush=True))


if __name__ == "__main__":
    main()
