"""images + people + verdicts -> a FiftyOne dataset of backgrounds."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from curation.datasets import place_of, with_names
from curation.decisions import read_decisions
from curation.identity import file_id
from curation.sources import Source
from curation.storage import Root, is_remote
from curation.tables import IMAGES, PEOPLE, VERDICTS, read_table
from pipelines.browse import review, session, views
from pipelines.browse.scores import best_scores, thresholds
from pipelines.params import Params, load
from pipelines.paths import roots

DATA = Path("data")
DECISIONS = Path("curation/decisions.csv")
NAME = "backgrounds"
LAYOUT = "review 1"
"""Of the dataset's fields; another one rebuilds datasets that an earlier version left."""
PLAIN = ("scene", "indoor", "split", "reason", "rule", "duplicate_of", "refine_ok", "licence", "source")
FIGURES = (
    "person_score", "person_share", "sharpness", "luma_mean", "luma_spread", "clipped", "chroma", "border", "drawn",
)  # fmt: skip


def serve(port: int, open_browser: bool, limit: int | None = None) -> None:
    """Load the backgrounds (again only where the tables changed) and open the App on them."""
    params = load()
    session.serve(load_dataset(DATA, roots(params).backgrounds, params, DECISIONS, limit), port, open_browser)


def load_dataset(
    data: Path, folders: Mapping[str, Root], params: Params, decisions: Path, limit: int | None = None
) -> Any:
    """Return the persistent FiftyOne dataset for the tables in ``data``; rebuilt where a table changed.

    The decisions of the CSV are in it as tags, and over them what was decided in the App and not pulled yet, which
    outlives a rebuilding, as labels for the audit do. ``folders``: the root of each dataset, by its name. ``limit``
    shows an even sample of so many rows.

    Raises FileNotFoundError naming the stage that makes a table, or what to do about the CSV.
    """
    fo = session.fiftyone_module()
    chosen = read_decisions(decisions)
    tables = [data / f"{table.name}.parquet" for table in (IMAGES, PEOPLE, VERDICTS)]
    version = ".".join(file_id(path) for path in tables if path.is_file()) + f".{limit}.{LAYOUT}"
    dataset = fo.load_dataset(NAME) if fo.dataset_exists(NAME) else None
    held = review.unpulled(dataset) if dataset is not None else review.waiting(NAME)
    if dataset is None or dataset.info.get("version") != version:
        frames = [
            with_names(read_table(table, path)).to_pandas()
            for table, path in zip((IMAGES, PEOPLE, VERDICTS), tables, strict=True)
        ]
        made = _build(fo, frames, folders, params, limit)
        made.info = {**made.info, "version": version, "people_blurred": False}
        made.save()
        dataset = review.replace(fo, dataset, made, NAME, held)
    review.bring_in(dataset, chosen, held)
    _measure(dataset, params)
    rejected = set(dataset.match(fo.ViewField("verdict.label") == "rejected").distinct("rule"))
    views.save_views(fo, dataset, sorted(rejected), params.curate)
    return dataset


def _build(fo: Any, tables: list[pd.DataFrame], folders: Mapping[str, Root], params: Params, limit: int | None) -> Any:
    """A new dataset under a name of its own: a build that is killed leaves the old one, and its review, alone."""
    images, people, verdicts = tables
    name = f"{NAME} (in the making)"
    if fo.dataset_exists(name):
        fo.delete_dataset(name)
    dataset = fo.Dataset(name)
    found = best_scores(people, thresholds(params))
    for field in (*found.fields, "disagreement", "borderline", *FIGURES):
        dataset.add_sample_field(field, fo.FloatField)
    dataset.add_sample_field("disagree", fo.BooleanField)
    for field in ("image_id", "locator", "duplicate_group", *review.FIELDS):
        dataset.add_sample_field(field, fo.StringField)
    dataset.add_samples(_samples(fo, images, people, verdicts, found.rows, folders, limit), progress=True)
    for field in ("image_id", "locator"):
        dataset.create_index(field)
    views.describe(fo, dataset, found.fields)
    dataset.persistent = True
    return dataset


def _measure(dataset: Any, params: Params) -> None:
    """How far each image lies from the threshold in use: it may have moved since the dataset was built."""
    at = params.curate.person_score
    if dataset.info.get("threshold") == at:
        return
    ids, scores = dataset.exists("person_score").values(["id", "person_score"])
    distances = {sample: abs(score - at) for sample, score in zip(ids, scores, strict=True)}
    if distances:
        dataset.set_values("borderline", distances, key_field="id")
    dataset.info["threshold"] = at


def _samples(
    fo: Any, images: pd.DataFrame, people: pd.DataFrame, verdicts: pd.DataFrame, scores: pd.DataFrame,
    folders: Mapping[str, Root], limit: int | None,
) -> Iterator[Any]:  # fmt: skip
    groups = {locator: locator for locator in verdicts["duplicate_of"].dropna()}
    groups |= dict(verdicts[["locator", "duplicate_of"]].dropna().itertuples(index=False))
    by_detector = scores.to_dict("index")
    rows = verdicts.merge(images[["dataset", "locator", "status", "bytes"]], on=["dataset", "locator"], how="left")
    if limit is not None and len(rows) > limit:
        rows = rows.iloc[[i * len(rows) // limit for i in range(limit)]]
    boxes = dict(iter(people[people["score"].notna()].groupby(["role", "locator"])))
    for row in rows.to_dict("records"):
        values = {name: None if pd.isna(row[name]) else row[name] for name in (*PLAIN, *FIGURES)}
        seen = by_detector.get(row["locator"], {})
        values |= {name: None if pd.isna(value) else value for name, value in seen.items()}
        verdict = "kept" if row["kept"] else "rejected"
        yield fo.Sample(
            filepath=str(_media(row, folders)),
            tags=[verdict],
            verdict=fo.Classification(label=verdict),
            people=fo.Detections(detections=_detections(fo, boxes.get(("verdict", row["locator"])))),
            seen=fo.Detections(detections=_detections(fo, boxes.get(("member", row["locator"])))),
            locator=row["locator"],
            image_id=row["image_id"] if isinstance(row["image_id"], str) else None,
            width=None if pd.isna(row["width"]) else int(row["width"]),
            height=None if pd.isna(row["height"]) else int(row["height"]),
            status=row["status"],
            duplicate_group=groups.get(row["locator"]),
            decision_note="",
            pulled_note="",
            **values,
        )


def _detections(fo: Any, found: pd.DataFrame | None) -> list[Any]:
    if found is None:
        return []
    return [
        fo.Detection(
            label="person",
            bounding_box=[float(d["x"]), float(d["y"]), float(d["w"]), float(d["h"])],
            confidence=float(d["score"]),
            detector=d["detector"],
            look=d["look"],
        )
        for d in found.to_dict("records")
    ]


def _media(row: dict[str, Any], folders: Mapping[str, Root]) -> Path:
    """The image's own file; a copy of what is packed or in a store; a card with the reason for what cannot be shown."""
    name = str(row["locator"])
    dataset, locator = place_of(name, folders)
    root = folders[dataset]
    if row["status"] == "ok" and "#" not in locator and not is_remote(root):
        return (Path(root) / locator).resolve()
    media = session.FOLDER.resolve() / "media"
    media.mkdir(parents=True, exist_ok=True)
    file = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    if row["status"] == "ok":
        copy = media / f"{file}.jpg"
        if not copy.exists():
            copy.write_bytes(Source(root).read(locator))
        return copy
    card = media / f"{file}.png"
    if not card.exists():
        _draw_card(str(row["reason"]), card)
    return card


def _draw_card(words: str, path: Path) -> None:
    import textwrap

    from PIL import Image, ImageDraw, ImageFont

    card = Image.new("RGB", (480, 320), (38, 38, 42))
    text = "cannot be shown\n\n" + textwrap.fill(words, 40)
    ImageDraw.Draw(card).multiline_text((24, 24), text, (222, 222, 222), ImageFont.load_default(18), spacing=6)
    card.save(path)
