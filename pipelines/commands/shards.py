"""``cleanplate verify`` and ``show``: whether the shards are whole, and what they hold."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.terminal import quoted

console = Console()
app = typer.Typer(no_args_is_help=True, help="Shards in an object store.")
SHOWN = 20


def _verify_outputs(repair: bool) -> None:
    from pipelines.recorded import discard, spoiled

    found = spoiled()
    for each in found[:SHOWN]:
        console.print(f"{each.file} is not what dvc.lock records of '{each.stage}'", highlight=False, soft_wrap=True)
    stages = sorted({each.stage for each in found})
    if not found:
        console.print("all outputs are what dvc.lock records")
    elif repair:
        discard(found)
        console.print(f"{len(found)} removed, DVC's damaged copies too; now run: dvc repro {' '.join(stages)}")
    else:
        console.print(f"{len(found)} damaged; 'cleanplate verify --outputs --repair' removes them for 'dvc repro'")
        raise typer.Exit(1)


def verify(
    folder: Annotated[Path, typer.Argument(help="The shards")] = Path("data/shards"),
    table: Annotated[Path | None, typer.Option(help="Their table; none: shards.parquet beside the folder")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Render the damaged shards again, and only those")] = False,
    outputs: Annotated[
        bool, typer.Option("--outputs", help="Every stage's outputs against dvc.lock; --repair removes the damaged")
    ] = False,
) -> None:
    """Find any flipped bit, missing or extra member or file in the shards, and say which composites it touches.

    Exit code 1 where something is wrong and was not repaired.
    """
    if outputs:
        _verify_outputs(repair)
        return
    from pipelines.params import load
    from pipelines.verify import repair as render_again
    from pipelines.verify import verify as check

    index = table or folder.with_name("shards.parquet")
    found = check(folder, index)
    for each in found.damage[:SHOWN]:
        whose = f" (composite {each.composite_id})" if each.composite_id else ""
        console.print(quoted(f"{each.shard}: {each.what}{whose}"), highlight=False, soft_wrap=True)
    if len(found.damage) > SHOWN:
        console.print(f"... and {len(found.damage) - SHOWN} more")
    affected = sorted({each.composite_id for each in found.damage if each.composite_id})
    extra = {each.shard for each in found.damage if each.what.startswith("a file")}
    damaged = {each.shard for each in found.damage} - extra
    console.print(
        f"{found.shards:,} shards, {found.composites:,} composites: {len(damaged)} shards damaged, "
        f"{len(affected)} composites affected, {len(extra)} files too many",
        soft_wrap=True,
    )
    for composite in affected:
        console.print(f"affected: {composite}", highlight=False)
    if damaged and repair:
        for shard, words in render_again(load(), folder, index, damaged).items():
            console.print(f"{shard}: {words}", highlight=False, soft_wrap=True)
        damaged = set()
    if extra:
        console.print("Files too many are left alone: delete them once you know what they are.")
    if damaged:
        console.print("Run 'cleanplate verify --repair' to render the damaged shards again.")
    if damaged or extra:
        raise typer.Exit(1)


def show(
    composite: Annotated[str | None, typer.Argument(help="Its composite_id; the beginning will do")] = None,
    set_name: Annotated[str | None, typer.Option("--set", help="Instead: base, refine, valid or test")] = None,
    ordinal: Annotated[int | None, typer.Option(min=0, help="and the place in the set")] = None,
    out: Annotated[Path, typer.Option(help="PNG to write")] = Path("composite.png"),
) -> None:
    """Draw any row of the plan: its layers, the difference of source and plate, and what was drawn, in words.

    Rendered from the raw data, or read from the shards where that is not at hand.
    """
    import cv2

    from compositing.plan.words import describe
    from curation.storage import writing
    from pipelines.params import load
    from pipelines.show import find_row, picture
    from pipelines.show import load as load_sample

    data = Path("data")
    row = find_row(data / "plan.parquet", composite, set_name, ordinal)
    shown = load_sample(load(), data, row)
    done, encoded = cv2.imencode(".png", cv2.cvtColor(picture(shown), cv2.COLOR_RGB2BGR))
    assert done
    with writing(out) as temporary:
        temporary.write_bytes(encoded.tobytes())
    for name, words in describe(shown.sample.recipe):
        console.print(f"[bold]{quoted(name)}[/bold]: {quoted(words)}", highlight=False, soft_wrap=True)
    console.print(f"{out}: {shown.origin}", highlight=False, soft_wrap=True)


@app.command()
def push(
    url: Annotated[str, typer.Argument(help="Where to: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or a folder")],
    folder: Annotated[Path, typer.Option(help="The shards")] = Path("data/shards"),
    table: Annotated[Path | None, typer.Option(help="Their table; none: shards.parquet beside the folder")] = None,
) -> None:
    """Put the shards into an object store, to train from there with CLEANPLATE_SHARDS=URL.

    A push that was stopped goes on where it was: what is there with the same size and hash is left alone.
    """
    from compositing.shards.push import push as put
    from compositing.shards.verify import shards_of
    from pipelines.progress import Progress

    index = table or folder.with_name("shards.parquet")
    with Progress("putting shards", total=len(shards_of(index))) as bar:
        done = put(folder, index, url, bar.advance)
    console.print(
        f"{done.sent:,} shards put ({done.bytes / 1e9:.2f} GB), {done.there:,} were there. To train from them:\n"
        f"  export CLEANPLATE_SHARDS={url}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
