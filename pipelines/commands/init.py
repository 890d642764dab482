"""``cleanplate init`` and ``cleanplate run``: a project of one's own, and its stages."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console()


def init(
    folder: Annotated[Path, typer.Argument(help="In a git repository of yours: its top, or a folder below")] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite dvc.yaml, and a params.yaml that does not fit")
    ] = False,
    git: Annotated[bool, typer.Option("--git", help="Make it a git repository where it is in none")] = False,
) -> None:
    """Start a project of your own, outside Cleanplate's checkout.

    Writes `dvc.yaml` (the whole pipeline, each stage run as `cleanplate run STAGE` from the installed package),
    `params.yaml` (the embedded sample), `.dvc/config`, ignore files and an empty `curation/decisions.csv`.

    Ignore files and DVC's configuration are added to. Decisions and a `params.yaml` that fits are always kept. Anything
    else in the way is named, and nothing is written. Run twice, it changes nothing.

    Your own folders may be called `training` or `pipelines`: the package's code is `cleanplate.training` and so on.
    After an upgrade, `cleanplate init --force` brings the pipeline up, and `dvc repro` runs what the new code touches.
    """
    from pipelines.project import init as write

    done = write(folder, force, git)
    for path, what in done:
        console.print(f"{what:>11}  {path}", highlight=False, markup=False)
    enter = [] if folder.resolve() == Path.cwd() else [(f"cd {shlex.quote(str(folder))}", "")]
    steps = [
        *enter,
        ("cleanplate doctor", "what is missing here, and what mends it"),
        ("git add . && git commit -m Start", "training's curves and 'dvc exp' need a commit"),
        ("dvc repro", "the embedded sample, first stage to last: no download"),
        ("cleanplate browse backgrounds", "what was kept, what was not, and why"),
    ]
    full = [
        ("cleanplate use full --places365 DIR --videomatte DIR", ""),
        ("cleanplate scan", "what they hold, into params.yaml"),
        ("cleanplate estimate", "disk and hours, before anything runs"),
        ("dvc repro", ""),
    ]
    for title, lines in (("Next:", steps), ("With the real datasets:", full)):
        console.print(f"\n{title}")
        for line, words in lines:
            comment = f"  # {words}" if words else ""
            console.print(f"  {line:<36}{comment}".rstrip(), highlight=False, markup=False, soft_wrap=True)


def run(
    stage: Annotated[str, typer.Argument(help="A stage of dvc.yaml, such as render; 'code' notes what each would run")],
) -> None:
    """Run one stage as `dvc repro` does in a project of your own. DVC is not told: it is what DVC runs."""
    from pipelines.installed import run_stage

    run_stage(stage)
