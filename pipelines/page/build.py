"""Puts the chapters into the template."""

import json
from importlib.resources import files
from pathlib import Path

from compositing.tables import FRAMES, PLAN
from curation.sources import Source
from curation.tables import IMAGES, PEOPLE, VERDICTS, read_table
from pipelines.page import backgrounds, card, composites, curves, evaluation
from pipelines.params import Params


def page(params: Params, data: Path, metrics: Path, places365: Path | None, params_text: str) -> str:
    """Return the whole report as one self-contained HTML page.

    ``places365`` is None where the raw photographs are not at hand: their places stay empty.
    """
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs

    images, people, verdicts, frames, plan = (
        read_table(table, data / f"{table.name}.parquet").to_pandas()
        for table in (IMAGES, PEOPLE, VERDICTS, FRAMES, PLAN)
    )
    test = evaluation.ordered(json.loads((metrics / "evaluate.json").read_text(encoding="utf-8"))["test"])
    counts = backgrounds.counts(verdicts)
    shown = params.report
    drawn = [*data.glob("*.parquet"), *data.glob("models/*.safetensors")]
    read = Source(places365).read if places365 else _not_at_hand
    template = (files("pipelines") / "templates" / "report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    from markupsafe import Markup

    return environment.from_string(template).render(
        preset=params.data.preset,
        summary=f"{counts[0][1]:,} of {len(verdicts):,} backgrounds kept, {len(plan):,} composites.",
        verdict=evaluation.verdict(test),
        bars=Markup(curves.comparison(test, "mad", "test MAD × 1000, lower is better")),
        columns=[(name, unit) for _, name, unit in evaluation.COLUMNS],
        table=evaluation.table(test),
        predictions=evaluation.predictions(data / "evaluation"),
        composites=composites.rows(data / "shards", data / "shards.parquet", ("base", "refine"), shown.composites),
        rejected=Markup(curves.rejected(counts)),
        galleries=backgrounds.galleries(verdicts, people, read, shown.backgrounds, shown.blur_people),
        curves=[Markup(f) for name in ("train_base", "train_refine") for f in curves.training(metrics / name, name)],
        card=card.rows(images, verdicts, frames, plan),
        hashes=card.hashes(drawn),
        params=params_text,
        environment=card.environment(),
        commit=card.commit(),
        plotly_js=Markup(get_plotlyjs()),
    )


def _not_at_hand(locator: str) -> bytes:
    raise FileNotFoundError(f"{locator}: the raw photographs are not on this machine")
