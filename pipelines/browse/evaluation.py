"""evaluation + shards -> a FiftyOne dataset of test composites, worst first: truth, predictions, errors, figures."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa

from compositing.setrows import SetRows
from compositing.shards.reader import ShardReader
from compositing.tables import PLAN
from curation.identity import file_id
from pipelines.browse import bulk, session
from pipelines.browse.composites import DERIVED, plain_values
from pipelines.browse.layers import add_overlays, declared, example, overlay, pictures, tidy
from pipelines.browse.layout import GREEN, MAGENTA, ORANGE, View, lay_out, put_views
from pipelines.browse.media import Address
from pipelines.browse.members import OVERLAY, THUMBNAIL
from pipelines.browse.results import Found, kept_alphas, numbers, read, slug, thirds
from training.evaluation.tables import EVALUATION, MEASURES

DATA = Path("data")
NAME = "evaluation"
LAYOUT = "1"
"""Of the dataset's fields; another one rebuilds datasets that an earlier version left."""
PHOTOGRAPHS = {"source": "src.jpg", "plate": "bgr.jpg", "truth": "pha.png"}
"""Slice of a group -> member of the shard."""
UNDER = "source"
"""The slice that overlays are drawn on; the others stay bare."""
PREDICTED = {"prediction": "alpha", "error": "error"}
"""Slice of a group -> what of the own method's prediction; missing where the evaluation kept no alpha."""
RECIPE = ("composite_id", "width", "height", "locator", "licence", "source", *DERIVED)
"""What samples have of the plan."""
HEAT = {"error": MAGENTA, "truth_alpha": GREEN, "alpha": ORANGE}
"""How the names of overlays end -> colour."""
FEWEST = 3
"""Samples that a scene needs for a view."""
SCENES = 12


def serve(port: int, open_browser: bool) -> None:
    """Load the evaluation (again only where it changed) and open the App on it."""
    dataset = load_dataset(DATA, Address(session.home()).base)
    kept = dataset.info["predictions"]
    some = "" if kept else "; none has a prediction: 'dvc repro evaluate' writes them"
    print(f"{len(dataset):,} test composites, {kept:,} with predictions{some}", flush=True)
    session.serve(dataset, port, open_browser)


def load_dataset(data: Path, base: str) -> Any:
    """Return the persistent FiftyOne dataset of the evaluation in ``data``; built again where it changed.

    Args:
        data: folder of the tables, the shards and ``evaluation/alphas``.
        base: with what addresses of pictures begin, as ``media.Address.base``.

    Raises FileNotFoundError naming the stage that makes what is missing.
    """
    fo = session.fiftyone_module()
    tables = [data / f"{name}.parquet" for name in ("evaluation", "plan", "shards")]
    table, plan, _ = tables
    if not table.is_file():
        raise FileNotFoundError(f"{table} is missing; run 'dvc repro evaluate' or 'dvc pull'")
    version = ".".join([*map(file_id, tables), str(len(kept_alphas(data))), LAYOUT])
    dataset = fo.load_dataset(NAME) if fo.dataset_exists(NAME) else None
    if dataset is None or dataset.info.get("version") != version:
        ShardReader(data / "shards", data / "shards.parquet", "test")
        found = read(table, kept_alphas(data))
        rows = SetRows(PLAN, plan).read("test").to_pylist()
        recipes = {row["composite_id"]: row for row in rows}
        made = _declare(fo, found)
        bulk.add_groups(fo, made, _pattern(fo, found), _groups(found, recipes, base))
        bulk.note(made, base, _addresses(found), version=version, predictions=len(found.alphas))
        if dataset is not None:
            fo.delete_dataset(NAME)
        made.name, made.persistent = NAME, True
        dataset = made
        put_views(dataset, _views(fo, dataset, found))
    bulk.rebase(dataset, base)
    return dataset


def _fields(found: Found) -> dict[str, tuple[pa.DataType, str]]:
    about = {name: told for name, told in EVALUATION.columns.items() if name in found.rows}
    recipe = {name: told for name, told in {**PLAN.columns, **DERIVED}.items() if name in RECIPE}
    own = {
        "rank": (pa.int64(), f"place by the MAD of {found.methods[0]}; 1 is the worst"),
        "over_classical": (
            pa.float64(),
            f"MAD x 1000 of {found.methods[0]} less that of classical; above 0 it is worse",
        ),
    }
    figures = {
        f"{slug(method)}_{name}": (pa.float64(), f"{method}: {MEASURES[name]}")
        for method in found.methods
        for name in found.measures
    }
    return about | recipe | own | figures


def _overlays(found: Found) -> dict[str, str]:
    overlays = {"truth_alpha": "true alpha over the picture"}
    for method in _pictured(found):
        overlays[f"{slug(method)}_error"] = f"{method}: absolute error of alpha; below 4 of 255 it is left out"
        overlays[f"{slug(method)}_alpha"] = f"{method}: predicted alpha"
    return overlays


def _pictured(found: Found) -> list[str]:
    seen = {method for methods in found.alphas.values() for method in methods}
    return sorted(seen, key=lambda name: (name != found.methods[0], name))


def _addresses(found: Found) -> list[str]:
    return ["filepath", "thumbnail", *(f"{name}.map_path" for name in _overlays(found))]


def _declare(fo: Any, found: Found) -> Any:
    fields = _fields(found)
    dataset = declared(fo, f"{NAME} (in the making)", fields, UNDER)
    add_overlays(fo, dataset, _overlays(found))
    first = slug(found.methods[0])
    by_method = {
        method: [name for name in (*_overlays(found), *fields) if name.startswith((f"{method}_", f"{slug(method)}_"))]
        for method in found.methods
    }
    recipe = {"composite_id", *RECIPE}
    slices = [name for name in found.rows if name in EVALUATION.columns and name not in recipe]
    groups: dict[str, Sequence[str]] = {
        "tags": ["tags"],
        "worth": ["rank", "over_classical"],
        **by_method,
        "truth": ["truth_alpha"],
        "composite": [*slices, "composite_id", "width", "height"],
        "recipe": list(DERIVED)[::-1],
        "metadata": ["locator", "licence", "source"],
    }
    heat = {name: next(c for what, c in HEAT.items() if name.endswith(what)) for name in _overlays(found)}
    lay_out(
        fo, dataset, {}, groups, [f"{first}_mad", "strength", "case", f"{first}_error"],
        closed=("recipe", "metadata", *found.methods[1:]), heat=heat,
    )  # fmt: skip
    dataset.save()
    return dataset


def _pattern(fo: Any, found: Found) -> dict[str, Any]:
    suffixes = {**PHOTOGRAPHS, **dict.fromkeys(PREDICTED, "picture.png")}
    return {name: example(fo, file, _fields(found), _overlays(found)) for name, file in suffixes.items()}


def _groups(found: Found, recipes: Mapping[str, Any], base: str) -> Iterator[dict[str, bulk.Values]]:
    fields, bare, own = _fields(found), dict.fromkeys(_overlays(found)), found.methods[0]
    for row in found.rows.to_dict("records"):
        recipe = recipes[row["composite_id"]]
        figures = {name: tidy(value) for name, value in (plain_values(recipe) | row).items() if name in fields}
        figures = {name: None if pd.isna(value) else value for name, value in figures.items()}
        where = {name: pictures(recipe, member, base) for name, member in PHOTOGRAPHS.items()}
        if own in found.alphas.get(row["composite_id"], ()):
            for name, what in PREDICTED.items():
                places = {"filepath": _place(row, what, own, base, 0)}
                where[name] = where["truth"] | places | {"thumbnail": _place(row, what, own, base, THUMBNAIL)}
        over = {"truth_alpha.map_path": overlay(recipe, base)} | _predictions(found, row, base)
        yield {name: {**figures, **(over if name == UNDER else bare), **layer} for name, layer in where.items()}


def _predictions(found: Found, row: Mapping[Any, Any], base: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for method in _pictured(found):
        there = method in found.alphas.get(row["composite_id"], ())
        for field, what in (("error", "off"), ("alpha", "alpha")):
            name = f"{slug(method)}_{field}"
            values |= {f"{name}.map_path": _place(row, what, method, base, OVERLAY)} if there else {name: None}
    return values


def _place(row: Mapping[Any, Any], what: str, method: str, base: str, side: int) -> str:
    return f"{base}/{side}/predictions/{row['ordinal']}/{row['composite_id']}/{what}/{quote(method, safe='')}.png"


def _views(fo: Any, dataset: Any, found: Found) -> list[View]:
    field, worst = fo.ViewField, f"{slug(found.methods[0])}_mad"

    def view(name: str, part: pd.DataFrame, stages: Any) -> View:
        words = f"{len(part):,} composites, mean MAD x 1000 of {found.methods[0]} {part[worst].mean():.1f}, worst first"
        return View(name, stages.sort_by(worst, reverse=True), words)

    views = [view("worst first", found.rows, dataset)]
    if "over_classical" in found.rows:
        behind = found.rows[found.rows["over_classical"] > 0]
        views.append(view("worse than classical", behind, dataset.match(field("over_classical") > 0)))
    for name in ("strength", "case", "indoor"):
        for value, part in found.rows.groupby(name):
            label = {True: "indoor", False: "outdoor"}[bool(value)] if name == "indoor" else f"{name}: {value}"
            views.append(view(label, part, dataset.match(field(name) == value)))
    for name in numbers(found):
        for words, part in thirds(found.rows, name):
            low, high = float(part[name].min()), float(part[name].max())
            views.append(view(f"{name}: {words}", part, dataset.match((field(name) >= low) & (field(name) <= high))))
    scenes = found.rows.groupby("scene")[worst].agg(["mean", "size"])
    for scene in scenes[scenes["size"] >= FEWEST].sort_values("mean", ascending=False).index[:SCENES]:
        part = found.rows[found.rows["scene"] == scene]
        views.append(view(f"scene: {scene}", part, dataset.match(field("scene") == scene)))
    return views
