"""Stage ``train_base``: shards -> the coarse network."""

from pipelines.stage import Stage, run
from pipelines.train import train_stage


def body(stage: Stage) -> None:
    """Train the base network from scratch, or from ``init``."""
    train_stage(stage, "base", stage.params.train_base, init=None)


if __name__ == "__main__":
    run("train_base", body)
