"""``cleanplate curation``: what was kept and why, as a page."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console()


def curation(
    out: Annotated[Path, typer.Option(help="The page")] = Path("report/curation.html"),
) -> None:
    """Write a page on what curation kept and why: yields, reasons, scores, thresholds and the borderline of each.

    Needs what `dvc repro curate` makes and nothing that is trained.
    """
    from curation.storage import writing
    from pipelines.page.build import curation_page
    from pipelines.params import load
    from pipelines.paths import roots

    params = load()
    try:
        photographs = roots(params).backgrounds
    except FileNotFoundError as error:
        console.print(f"{error}; the page shows no photographs", highlight=False)
        photographs = None
    html = curation_page(params, Path("data"), photographs)
    with writing(out) as temporary:
        temporary.write_text(html, encoding="utf-8")
    console.print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)", highlight=False, soft_wrap=True)
