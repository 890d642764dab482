"""The ``plan`` stage: curated photographs and mattes -> one row a composite."""

import logging
from pathlib import Path

from compositing.plan.coverage import Coverage
from compositing.plan.pairing import plan_chunks
from compositing.tables import FRAMES, PLAN
from curation.tables import VERDICTS, read_table, write_chunks
from pipelines.stage import Stage, run

VERDICT_TABLE = Path("data/verdicts.parquet")
FRAME_TABLE = Path("data/frames.parquet")
PLAN_TABLE = Path("data/plan.parquet")

log = logging.getLogger("cleanplate.plan")


def body(stage: Stage) -> None:
    """Draw every composite of every set."""
    verdicts, frames = read_table(VERDICTS, VERDICT_TABLE), read_table(FRAMES, FRAME_TABLE)
    coverage = Coverage()
    made = stage.work.folder / PLAN_TABLE.name
    write_chunks(PLAN, coverage.watch(plan_chunks(verdicts, frames, stage.params.plan)), made)
    stage.work.link_file(made, PLAN_TABLE)
    metrics = coverage.counts()
    for name, counts in metrics.items():
        log.info("%s: %s", name, ", ".join(f"{value} {key}" for key, value in counts.items()))
    stage.write_metrics(metrics)


if __name__ == "__main__":
    run("plan", body)
