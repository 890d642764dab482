"""``cleanplate detect``, ``mattes``, ``render``: a share of a stage's parts, for several machines or a batch queue."""

from typing import Annotated

import typer

PART = Annotated[str, typer.Option("--part", help="Which share of the work: 1/2 and 2/2 together are all of it")]


def detect(part: PART) -> None:
    """Look for people in a share of the photographs; then 'dvc repro detect' publishes what all shares found.

    The machines need the same commit, environment and index ('dvc pull index'), the raw photographs, and
    CLEANPLATE_WORK set to one folder or s3:// URL that they share. The bytes are those of one run on one machine; a
    share that was killed goes on where it stopped.
    """
    _run("detect", part)


def mattes(part: PART) -> None:
    """Store a share of the clips; then 'dvc repro mattes' publishes them all.

    The machines need the same commit and environment, the raw clips, and CLEANPLATE_WORK set to one folder or
    s3:// URL that they share. The bytes are those of one run on one machine; a share that was killed goes on where it
    stopped.
    """
    _run("mattes", part)


def render(part: PART) -> None:
    """Render a share of the shards; then 'dvc repro render' publishes them all.

    The machines need the same commit, environment, plan and frames ('dvc pull plan mattes'), the raw photographs, and
    CLEANPLATE_WORK set to one folder or s3:// URL that they share. The bytes are those of one run on one machine; a
    share that was killed goes on where it stopped.
    """
    _run("render", part)


def _run(stage: str, part: str) -> None:
    import importlib

    from pipelines.stage import run
    from pipelines.work import Share

    try:
        share = Share.parse(part)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    run(stage, importlib.import_module(f"{__name__.rsplit('.', 2)[0]}.{stage}").body, share)
