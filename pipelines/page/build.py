"""Puts the chapters into the template."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.compute as pc

from compositing.tables import FRAMES, PLAN
from curation.datasets import reader, with_names
from curation.tables import IMAGES, PEOPLE, VERDICTS, read_table
from pipelines.page import backgrounds, borderline, captured, card, composites, curves, evaluation, histograms
from pipelines.page.limits import limits
from pipelines.params import Params

if TYPE_CHECKING:
    from jinja2 import Template

CAPTURED = Path("calibration/real.parquet")
"""Measures of the user's own pairs: optional, and no output of a stage."""
SHOWN = (
    "dataset", "locator", "image_id", "kept", "reason", "rule", "scene", "width", "height", "person_score", "sharpness",
    "luma_mean", "luma_spread", "clipped", "chroma", "border", "drawn",
)  # fmt: skip


def page(params: Params, data: Path, metrics: Path, roots: Mapping[str, Path] | None, params_text: str) -> str:
    """Return the whole report as one self-contained HTML page.

    ``roots``: of the photographs, by dataset; None where they are not at hand: their places stay empty.
    """
    from plotly.offline import get_plotlyjs

    images, frames, plan = (
        read_table(table, data / f"{table.name}.parquet").to_pandas() for table in (IMAGES, FRAMES, PLAN)
    )
    people, verdicts = (
        with_names(read_table(table, data / f"{table.name}.parquet")).to_pandas() for table in (PEOPLE, VERDICTS)
    )
    test = evaluation.ordered(json.loads((metrics / "evaluate.json").read_text(encoding="utf-8"))["test"])
    counts = backgrounds.counts(verdicts)
    shown = params.report
    drawn = [*data.glob("*.parquet"), *data.glob("models/*.safetensors")]
    read = reader(roots) if roots else _not_at_hand
    from markupsafe import Markup

    return _template("report.html.j2").render(
        preset=params.data.preset,
        summary=f"{counts[0][1]:,} of {len(verdicts):,} backgrounds kept, {len(plan):,} composites.",
        verdict=evaluation.verdict(test),
        bars=Markup(curves.comparison(test, "mad", "test MAD × 1000, lower is better")),
        columns=[(name, unit) for _, name, unit in evaluation.COLUMNS],
        table=evaluation.table(test),
        predictions=evaluation.predictions(data / "evaluation"),
        composites=composites.rows(data / "shards", data / "shards.parquet", ("base", "refine"), shown.composites),
        captured=captured.chapter(CAPTURED, data / "shards", data / "shards.parquet"),
        chapter=_curation(verdicts, people, read, params),
        curves=[Markup(f) for name in ("train_base", "train_refine") for f in curves.training(metrics / name, name)],
        card=card.rows(images, verdicts, frames, plan),
        hashes=card.hashes(drawn),
        params=params_text,
        environment=card.environment(),
        commit=card.commit(),
        plotly_js=Markup(get_plotlyjs()),
    )


def curation_page(params: Params, data: Path, roots: Mapping[str, Path] | None) -> str:
    """Return what curation did as one self-contained HTML page; it needs no more than the curation stages made.

    ``roots`` as for :func:`page`. Raises as :func:`curation.tables.read_table`.
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    verdicts = with_names(read_table(VERDICTS, data / "verdicts.parquet", SHOWN)).to_pandas()
    boxes = ["dataset", "locator", "role", "score", "x", "y", "w", "h"]
    people = with_names(read_table(PEOPLE, data / "people.parquet", boxes))
    found = people.filter(pc.greater_equal(people["score"], backgrounds.SMALLEST_SCORE)).to_pandas()
    return _template("curation.html.j2").render(
        preset=params.data.preset,
        summary=f"{int(verdicts['kept'].sum()):,} of {len(verdicts):,} backgrounds kept.",
        chapter=_curation(verdicts, found, reader(roots) if roots else _not_at_hand, params),
        plotly_js=Markup(get_plotlyjs()),
    )


def _curation(verdicts: pd.DataFrame, people: pd.DataFrame, read: backgrounds.Read, params: Params) -> dict[str, Any]:
    from markupsafe import Markup

    shown, curate = params.report, params.curate
    galleries = backgrounds.galleries(verdicts, people, read, shown.backgrounds, shown.blur_people)
    return {
        "rejected": Markup(curves.rejected(backgrounds.counts(verdicts))),
        "yields": Markup(histograms.yields(verdicts)),
        "scores": Markup(histograms.scores(verdicts, curate.person_score)),
        "measures": [Markup(figure) for figure in histograms.measures(verdicts, limits(curate))],
        "galleries": [
            *galleries,
            *borderline.sheets(verdicts, people, read, curate, max(2, shown.backgrounds // 2), shown.blur_people),
        ],
    }


def _template(name: str) -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("pipelines"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(name)


def _not_at_hand(locator: str) -> bytes:
    raise FileNotFoundError(f"{locator}: the raw photographs are not on this machine")
