"""Puts the chapters into the templates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from compositing.tables import FRAMES, PLAN
from curation.datasets import reader, with_names
from curation.storage import Root
from curation.tables import IMAGES, PEOPLE, VERDICTS, read_table
from pipelines.page import modelcard, provenance, template, training
from pipelines.page.backgrounds import borderline, gallery, histograms
from pipelines.page.backgrounds.limits import limits
from pipelines.page.figures import MODEL_COLOUR
from pipelines.page.inputs import captured, composites, sources
from pipelines.page.results import exports, robustness, tables, weak, worth
from pipelines.page.results import gallery as cases
from pipelines.page.results import metrics as measured
from pipelines.params import Params

CAPTURED = Path("calibration/real.parquet")
"""Measures of the user's own pairs: optional, and no output of a stage."""
SHOWN = (
    "dataset", "locator", "image_id", "kept", "reason", "rule", "scene", "width", "height", "person_score", "sharpness",
    "luma_mean", "luma_spread", "clipped", "chroma", "border", "drawn",
)  # fmt: skip


def pages(
    params: Params, data: Path, metrics: Path, roots: Mapping[str, Root] | None, params_text: str
) -> tuple[str, str]:
    """Return the whole report as one self-contained HTML page, and the model card as Markdown.

    ``roots``: of the photographs, by dataset; None where they are not at hand: their places stay empty. Raises
    FileNotFoundError where a stage's output is missing, or as :func:`curation.tables.read_table`.
    """
    images, frames, plan = (
        read_table(table, data / f"{table.name}.parquet").to_pandas() for table in (IMAGES, FRAMES, PLAN)
    )
    people, verdicts = (
        with_names(read_table(table, data / f"{table.name}.parquet")).to_pandas() for table in (PEOPLE, VERDICTS)
    )
    found = measured.read(metrics)
    shown, shards = params.report, (data / "shards", data / "shards.parquet")
    used = sources.sources(images, verdicts, frames, (params.train_base, params.train_refine))
    shared: dict[str, Any] = {
        "preset": params.data.preset,
        "model": measured.MODEL,
        "worth": worth.chapter(found, params.data.preset),
        "first": weak.first(found),
        "exports": exports.chapter(found.export),
        "data": {
            "sources": used,
            "licences": sources.licences(used),
            "counts": sources.counts(verdicts, frames, plan),
            "rejected": sources.rejected(verdicts),
        },
        "hashes": provenance.hashes([*data.glob("*.parquet"), *data.glob("models/*.safetensors")]),
        "environment": provenance.environment(),
        "commit": provenance.commit(),
    }
    report = template.html(
        "report.html.j2",
        **shared,
        colour=MODEL_COLOUR,
        summary=f"{int(verdicts['kept'].sum()):,} of {len(verdicts):,} backgrounds kept, {len(plan):,} composites.",
        fails={
            "worst": weak.worst(found),
            "slices": weak.slices(found),
            "no_slices": weak.NO_SLICES,
            "robustness": robustness.chapter(found.robustness),
            "no_robustness": robustness.ABSENT,
            "probes": weak.probes(found),
            "no_probes": weak.NO_PROBES,
            "pictures": cases.montages(data / "robustness", weak.probed(found)),
        },
        predictions=cases.predictions(data / "evaluation"),
        tables=tables.tables(found),
        no_exports=exports.ABSENT,
        composites=composites.rows(*shards, ("base", "refine"), shown.composites),
        captured=captured.chapter(CAPTURED, *shards),
        chapter=_backgrounds(verdicts, people, roots, params),
        curves=[figure for name in ("train_base", "train_refine") for figure in training.curves(metrics / name, name)],
        params=params_text,
    )
    return report, modelcard.text(params, found, shared)


def curation_page(params: Params, data: Path, roots: Mapping[str, Root] | None) -> str:
    """Return what curation did as one self-contained HTML page; it needs no more than the curation stages made.

    ``roots`` as for :func:`pages`. Raises as :func:`curation.tables.read_table`.
    """
    verdicts = with_names(read_table(VERDICTS, data / "verdicts.parquet", SHOWN)).to_pandas()
    boxes = ["dataset", "locator", "role", "score", "x", "y", "w", "h"]
    people = with_names(read_table(PEOPLE, data / "people.parquet", boxes))
    found = people.filter(pc.greater_equal(people["score"], gallery.SMALLEST_SCORE)).to_pandas()
    return template.html(
        "curation.html.j2",
        preset=params.data.preset,
        summary=f"{int(verdicts['kept'].sum()):,} of {len(verdicts):,} backgrounds kept.",
        chapter=_backgrounds(verdicts, found, roots, params),
    )


def _backgrounds(
    verdicts: pd.DataFrame, people: pd.DataFrame, roots: Mapping[str, Root] | None, params: Params
) -> dict[str, Any]:
    shown, curate = params.report, params.curate
    read = reader(roots) if roots else _not_at_hand
    near = borderline.sheets(verdicts, people, read, curate, max(2, shown.backgrounds // 2), shown.blur_people)
    return {
        "rejected": histograms.rejected(gallery.counts(verdicts)),
        "yields": histograms.yields(verdicts),
        "scores": histograms.scores(verdicts, curate.person_score),
        "measures": histograms.measures(verdicts, limits(curate)),
        "galleries": [
            *gallery.galleries(verdicts, people, read, shown.backgrounds, shown.blur_people),
            *near,
        ],
    }


def _not_at_hand(locator: str) -> bytes:
    raise FileNotFoundError(f"{locator}: the raw photographs are not on this machine")
