from typing import Any

from curation.seen import known_people
from curation.tables import IMAGES, PEOPLE, to_arrow


def people(locator: str, image_id: str, *scores: float | None, **change: Any) -> list[dict[str, Any]]:
    row = dict.fromkeys(PEOPLE.columns) | {"dataset": "d", "locator": locator, "image_id": image_id}
    row |= {"role": "verdict", "detector": "x", "look": "whole", "status": "ok"} | change
    return [row | {"rank": rank, "score": score} for rank, score in enumerate(scores)]


def images(*rows: tuple[str, str | None, str]) -> Any:
    names = ("locator", "image_id", "status")
    whole = [dict.fromkeys(IMAGES.columns) | {"dataset": "d"} | dict(zip(names, row, strict=True)) for row in rows]
    return to_arrow(IMAGES, whole).select(["dataset", "locator", "image_id", "status"])


def told(kept: list[dict[str, Any]], *rows: tuple[str, str | None, str]) -> tuple[list[tuple[Any, ...]], list[int]]:
    known = known_people(images(*rows), to_arrow(PEOPLE, kept))
    found = known.people.sort_by([("locator", "ascending"), ("rank", "ascending")]).to_pylist()
    return [(row["locator"], row["rank"], row["score"]) for row in found], known.todo.tolist()


def test_a_moved_image_is_known_by_its_content() -> None:
    kept = [*people("a.jpg", "1", 0.5, 0.25), *people("b.jpg", "2", None)]
    assert told(kept, ("a.jpg", "3", "ok"), ("c.jpg", "1", "ok"), ("d.jpg", "2", "ok")) == (
        [("c.jpg", 0, 0.5), ("c.jpg", 1, 0.25), ("d.jpg", 0, None)],
        [0],
    )


def test_copies_are_each_told_once_however_often_they_were_kept() -> None:
    """Two files of one content, kept by a whole run and by a killed one."""
    kept = [*people("a.jpg", "1", 0.5, 0.25), *people("b.jpg", "1", 0.5, 0.25)] * 2
    rows = [("a.jpg", 0, 0.5), ("a.jpg", 1, 0.25), ("z.jpg", 0, 0.5), ("z.jpg", 1, 0.25)]
    assert told(kept, ("a.jpg", "1", "ok"), ("z.jpg", "1", "ok")) == (rows, [])


def test_what_was_not_looked_at_is_tried_again() -> None:
    kept = [*people("a.jpg", "1", None, status="not looked at: x"), *people("b.jpg", "2", 0.5)]
    assert told(kept, ("a.jpg", "1", "ok"), ("b.jpg", "2", "unsupported: y"), ("c.jpg", None, "empty")) == (
        [],
        [0, 1, 2],
    )
