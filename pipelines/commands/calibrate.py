"""``cleanplate calibrate``: perturbation ranges from the user's own captured pairs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

console = Console()
SECTION = "plan.train"
SHARD_TABLE = "shards.parquet"


def calibrate(
    src: Annotated[Path | None, typer.Option(help="Folder of frames with people")] = None,
    bgr: Annotated[Path | None, typer.Option(help="Folder of plates: the same camera, nobody there")] = None,
    people: Annotated[Path | None, typer.Option(help="Boxes of 'cleanplate people SRC --boxes FILE'")] = None,
    against: Annotated[Path | None, typer.Option(help="Shards to measure likewise, such as data/shards")] = None,
    set_name: Annotated[str, typer.Option("--set", help="Set of the shards")] = "base",
    count: Annotated[int, typer.Option(min=1, help="Composites of it, evenly spread")] = 60,
    write: Annotated[bool, typer.Option("--write", help="Write the ranges into params.yaml")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the tables and the plot")] = Path("calibration"),
) -> None:
    """Measure what your camera does between plate and source, and propose the plan's ranges from it.

    A plate belongs to the sources of its name, or is the only one, or has the number before. Everything is measured
    outside the person. With `--against` alone, the captured pairs measured before are compared with the shards.
    """
    import pandas as pd

    from compositing.tables import MEASURES
    from curation.tables import read_table, write_table
    from pipelines.calibrate import REAL, SYNTHETIC, draw, measure_folder, measure_shards

    if (src is None) is not (bgr is None) or (src is None and against is None):
        raise ValueError("give --src and --bgr, the two folders of captured pairs, or --against for the shards; or all")
    real, synthetic = out / REAL.name, out / SYNTHETIC.name
    if src and bgr:
        out.mkdir(parents=True, exist_ok=True)
        write_table(MEASURES, measure_folder(src, bgr, people), real)
    if against:
        out.mkdir(parents=True, exist_ok=True)
        write_table(MEASURES, measure_shards(against, against.with_name(SHARD_TABLE), set_name, count), synthetic)
    found = [read_table(MEASURES, path).to_pandas() for path in (real, synthetic) if path.is_file()]
    measures = pd.concat(found)
    draw(measures, out / "plot.png")
    _say_bad(measures)
    if against:
        _compare(measures)
    if src:
        _propose(measures[measures["kind"] == "real"], write)
    elif write:
        raise ValueError("--write needs --src and --bgr: ranges come from captured pairs, never from shards")
    console.print(f"{out / 'plot.png'} and the tables beside it", highlight=False, soft_wrap=True)
    if real.is_file() and out == REAL.parent:
        console.print("The report compares these pairs with rendered ones: 'dvc repro -f -s report' draws it anew.")


def _say_bad(measures: "pd.DataFrame") -> None:
    for kind, rows in measures.groupby("kind"):
        bad = rows[rows["status"] != "ok"]
        console.print(f"{kind}: {len(rows) - len(bad)} of {len(rows)} pairs measured")
        for pair, status in bad[["pair", "status"]].head(10).itertuples(index=False):
            console.print(f"  {pair}: {status}", highlight=False, soft_wrap=True)


def _compare(measures: "pd.DataFrame") -> None:
    from pipelines.page.inputs.captured import table

    shown = Table("quantity", "unit", "real", "synthetic", title="5 / 50 / 95 % quantiles")
    for name, unit, words in table(measures):
        shown.add_row(name, unit, words["real"], words["synthetic"])
    console.print(shown)


def _propose(real: "pd.DataFrame", write: bool) -> None:
    from compositing.calibration.ranges import propose
    from pipelines.params import load
    from pipelines.presets import set_value

    now = load().plan.train
    shown = Table("key", "now", "proposed", "pairs", title=f"params.yaml: {SECTION}")
    proposals = [each for each in propose(real) if hasattr(now, each.key)]
    for each in proposals:
        before = getattr(now, each.key)
        alone = isinstance(before, float)
        words = (f"{before:g}", f"{each.low:g}") if alone else tuple(f"{a:g} to {b:g}" for a, b in (before, each[1:3]))
        shown.add_row(each.key, *words, str(each.pairs))
    console.print(shown)
    if not write:
        console.print("Nothing is written yet: add --write. Noise is as stored, after the codec.")
        return
    for each in proposals:
        bounds: object = [each.low, each.high]
        if each.key == "quality":
            bounds = [int(each.low), int(each.high)]
        elif isinstance(getattr(now, each.key), float):
            bounds = each.low
        set_value(f"{SECTION}.{each.key}", bounds)
    console.print("params.yaml is written; 'dvc repro' plans, renders and trains anew.")
