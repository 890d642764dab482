"""``cleanplate decisions``: what people decided about backgrounds, out of the App and into the pipeline."""

import getpass
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipelines.terminal import quoted

app = typer.Typer(no_args_is_help=True, help="Bring what was decided in FiftyOne into the pipeline.")
console = Console()
DECISIONS = Path("curation/decisions.csv")
SHOWN = 10


def _whoever() -> str:
    """The name that git would sign with, else the user's."""
    try:
        told = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, check=False)
    except OSError:
        return getpass.getuser()
    return told.stdout.strip() or getpass.getuser()


@app.command()
def pull(
    by: Annotated[str | None, typer.Option(help="Who decides; none: git's user.name, else $USER")] = None,
    note: Annotated[str, typer.Option(help="Why; for decisions that bear no note of their own")] = "",
) -> None:
    """Write what was kept, rejected and undone in FiftyOne into curation/decisions.csv.

    What the App changed since the last pull wins; decisions on other images stay. Next: `dvc repro curate`.
    """
    from pipelines.browse.backgrounds import NAME
    from pipelines.browse.review import pull as bring

    merged = bring(NAME, DECISIONS, by or _whoever(), note)
    kinds = {"new": merged.new, "changed": merged.changed, "withdrawn": merged.withdrawn}
    if not any(kinds.values()):
        console.print(f"{DECISIONS}: nothing to pull, {len(merged.decisions)} decisions as before")
        return
    counts = ", ".join(f"{len(ids)} {kind}" for kind, ids in kinds.items())
    console.print(f"{DECISIONS}: {counts}; {len(merged.decisions)} in all")
    for kind, ids in kinds.items():
        for image_id in ids[:SHOWN]:
            decision = merged.decisions.get(image_id)
            words = f" {decision.decision}{f' ({decision.note})' if decision.note else ''}" if decision else ""
            console.print(f"  {kind}: {image_id}{words}", highlight=False, markup=False)
        if len(ids) > SHOWN:
            console.print(f"  {kind}: and {len(ids) - SHOWN} more")
    console.print("Next: dvc repro curate")


@app.command("list")
def show() -> None:
    """List the decisions with the image they are about and its verdict, as far as the tables are at hand."""
    from curation.decisions import read_decisions
    from curation.tables import VERDICTS, read_table

    verdicts = Path("data/verdicts.parquet")
    about: dict[str, tuple[str, str]] = {}
    if verdicts.is_file():
        rows = read_table(VERDICTS, verdicts, ["image_id", "locator", "reason"])
        about = {row["image_id"]: (row["locator"], row["reason"]) for row in rows.to_pylist()}
    table = Table("image id", "decision", "by", "note", "image", "verdict", title=str(DECISIONS))
    for decision in read_decisions(DECISIONS).values():
        table.add_row(*map(quoted, decision), *map(quoted, about.get(decision.image_id, ("not in the index", ""))))
    console.print(table)
