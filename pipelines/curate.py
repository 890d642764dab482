"""Stage ``curate``: which images may be backgrounds, each with a reason, and in which split."""

import logging
from pathlib import Path

from curation import judging, presence
from curation.decisions import read_decisions
from curation.tables import IMAGES, PEOPLE, VERDICTS, read_table, write_table
from pipelines.stage import Stage, run

DECISIONS = Path("curation/decisions.csv")
OUT = Path("data/verdicts.parquet")
log = logging.getLogger("cleanplate.curate")


def body(stage: Stage) -> None:
    """Judge all images. Never runs a detector."""
    images = read_table(IMAGES, Path("data/images.parquet"), judging.COLUMNS)
    people = read_table(PEOPLE, Path("data/people.parquet"), presence.COLUMNS)
    decisions = read_decisions(DECISIONS)
    verdicts = judging.judge(images, people, decisions, stage.params.curate)
    metrics = judging.summary(verdicts, decisions)
    write_table(VERDICTS, verdicts, stage.work.folder / OUT.name)
    stage.work.link_file(stage.work.folder / OUT.name, OUT)
    log.info("kept %(kept)d of %(images)d images", metrics)
    for rule, count in metrics["rejected"].items():
        log.info("  %s: %d", rule, count)
    stage.write_metrics(metrics)


if __name__ == "__main__":
    run("curate", body)
