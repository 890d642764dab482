"""images + people + verdicts -> a FiftyOne dataset of backgrounds."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from curation.identity import file_id
from curation.sources import Source
from curation.tables import IMAGES, PEOPLE, VERDICTS, read_table
from pipelines.browse import session
from pipelines.params import load
from pipelines.paths import roots

DATA = Path("data")
NAME = "backgrounds"
PLAIN = ("scene", "indoor", "split", "reason", "rule", "decision", "duplicate_of", "refine_ok", "licence", "source")
FIGURES = ("person_score", "person_share", "sharpness", "luma_mean", "luma_spread", "clipped")


def serve(port: int, open_browser: bool, limit: int | None = None) -> None:
    """Load the backgrounds (again only where the tables changed) and open the App on them."""
    session.serve(load_dataset(DATA, roots(load()).places365, limit), port, open_browser)


def load_dataset(data: Path, root: Path, limit: int | None = None) -> Any:
    """Return the persistent FiftyOne dataset for the tables in ``data``; rebuilt where a table changed.

    ``limit`` shows an even sample of so many rows. Raises FileNotFoundError naming the stage that makes a table.
    """
    fo = session.fiftyone_module()
    tables = [data / f"{table.name}.parquet" for table in (IMAGES, PEOPLE, VERDICTS)]
    images, people, verdicts = (
        read_table(table, path).to_pandas() for table, path in zip((IMAGES, PEOPLE, VERDICTS), tables, strict=True)
    )
    version = ".".join(file_id(path) for path in tables) + f".{limit}"
    if fo.dataset_exists(NAME):
        dataset = fo.load_dataset(NAME)
        if dataset.info.get("version") == version:
            return dataset
        fo.delete_dataset(NAME)
    dataset = fo.Dataset(NAME)
    dataset.add_samples(_samples(fo, images, people, verdicts, Source(root), root, limit), progress=True)
    dataset.info = {"version": version, "people_blurred": False}
    _describe(fo, dataset)
    _save_views(fo, dataset, sorted(verdicts["rule"].unique()))
    dataset.persistent = True
    dataset.save()
    return dataset


def _samples(
    fo: Any, images: pd.DataFrame, people: pd.DataFrame, verdicts: pd.DataFrame, source: Source, root: Path,
    limit: int | None,
) -> Iterator[Any]:  # fmt: skip
    rows = verdicts.merge(images[["dataset", "locator", "status", "bytes"]], on=["dataset", "locator"], how="left")
    if limit is not None and len(rows) > limit:
        rows = rows.iloc[[i * len(rows) // limit for i in range(limit)]]
    boxes = dict(iter(people[people["score"].notna()].groupby("locator")))
    for row in rows.to_dict("records"):
        values = {name: None if pd.isna(row[name]) else row[name] for name in (*PLAIN, *FIGURES)}
        verdict = "kept" if row["kept"] else "rejected"
        yield fo.Sample(
            filepath=str(_media(row, source, root)),
            tags=[verdict],
            verdict=fo.Classification(label=verdict),
            people=fo.Detections(detections=_detections(fo, boxes.get(row["locator"]))),
            locator=row["locator"],
            image_id=row["image_id"] if isinstance(row["image_id"], str) else None,
            width=None if pd.isna(row["width"]) else int(row["width"]),
            height=None if pd.isna(row["height"]) else int(row["height"]),
            status=row["status"],
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


def _media(row: dict[str, Any], source: Source, root: Path) -> Path:
    """The image's own file; a copy for a member of a tar; a card with the reason for what cannot be shown."""
    locator = str(row["locator"])
    if row["status"] == "ok" and "#" not in locator:
        return (root / locator).resolve()
    media = session.FOLDER.resolve() / "media"
    media.mkdir(parents=True, exist_ok=True)
    name = hashlib.blake2b(locator.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    if row["status"] == "ok":
        copy = media / f"{name}.jpg"
        if not copy.exists():
            copy.write_bytes(source.read(locator))
        return copy
    card = media / f"{name}.png"
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


def _describe(fo: Any, dataset: Any) -> None:
    """Field descriptions from the table's contract; the sidebar's order as one reads: verdict, people, quality."""
    for name in (*PLAIN, *FIGURES, "image_id", "locator"):
        field = dataset.get_field(name)
        if field is None:  # FiftyOne makes no field for a column without any value
            continue
        field.description = VERDICTS.columns[name][1]
        field.save()
    groups = [
        {"name": "tags", "paths": ["tags"]},
        {"name": "verdict", "paths": ["verdict", "reason", "rule", "decision", "split", "duplicate_of", "refine_ok"]},
        {"name": "people", "paths": ["people", "person_score", "person_share"]},
        {"name": "scene", "paths": ["scene", "indoor"]},
        {"name": "quality", "paths": ["sharpness", "luma_mean", "luma_spread", "clipped", "width", "height", "status"]},
        {"name": "origin", "paths": ["id", "filepath", "locator", "image_id", "licence", "source", "metadata"]},
    ]
    schema = dataset.get_field_schema()
    dataset.app_config.sidebar_groups = [
        fo.SidebarGroupDocument(
            name=group["name"], paths=[p for p in group["paths"] if p == "tags" or p in schema], expanded=True
        )
        for group in groups
    ]


def _save_views(fo: Any, dataset: Any, rules: list[str]) -> None:
    view = fo.ViewField
    dataset.save_view("kept", dataset.match(view("verdict.label") == "kept"))
    dataset.save_view("rejected", dataset.match(view("verdict.label") == "rejected"))
    for rule in rules:
        if rule != "ok":
            dataset.save_view(f"rejected: {rule}", dataset.match(view("rule") == rule))
    if dataset.get_field("person_score") is not None:
        scored = dataset.match(view("person_score") > 0)
        dataset.save_view("people, most certain first", scored.sort_by("person_score", reverse=True))
