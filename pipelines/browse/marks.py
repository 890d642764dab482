"""Marks on samples: a reviewer's decisions and labels, tagged step by step, each step undone by the next Undo.

Tags hold them, so that the App's own tagging works too. All copies of a photograph (one ``image_id``) bear one mark.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

KINDS = {"decision": ("keep", "reject"), "label": ("person", "nobody")}
"""Marks of one kind exclude each other; a tag is ``kind:mark``."""
LARGEST = 20_000
"""Photographs that one step may mark: what it undoes is one document of the database (16 MB at most)."""


class Step(NamedTuple):
    """What one press of a button did."""

    words: str
    """Such as ``rejected``."""
    images: int
    """Photographs marked."""
    samples: int
    """Samples that show them: more, where there are copies."""
    unknown: int
    """Samples left alone: they could not be read, so nothing tells their photograph."""


def tag(kind: str, mark: str) -> str:
    """The tag of a mark, such as ``decision:keep``."""
    return f"{kind}:{mark}"


def tags_of(kind: str) -> list[str]:
    """All tags of a kind."""
    return [tag(kind, mark) for mark in KINDS[kind]]


def mark_of(tags: Iterable[str], kind: str) -> str | None:
    """The mark of a kind among tags; None without one. Raises ValueError where they contradict each other."""
    found = [mark for mark in KINDS[kind] if tag(kind, mark) in tags]
    if len(found) > 1:
        raise ValueError(f"tagged {' and '.join(tag(kind, mark) for mark in found)} at once")
    return found[0] if found else None


def store(name: str) -> Any:
    """What belongs to the review of dataset ``name`` and outlives its rebuilding: steps, marks on their way."""
    from fiftyone.operators.store import ExecutionStore

    return ExecutionStore.create(f"cleanplate review of {name}")


def put(dataset: Any, ids: Sequence[str], kind: str, mark: str, note: str = "", words: str = "marked") -> Step:
    """Mark the photographs of samples; remembers how they were.

    Args:
        dataset: the FiftyOne dataset.
        ids: ids of samples.
        kind: one of :data:`KINDS`.
        mark: one of its marks.
        note: why, in the reviewer's words; kept with a decision.
        words: what happened, for messages.

    Raises:
        ValueError: more photographs than one step may mark.
    """
    view = dataset.select(list(ids))
    images = sorted(set(view.values("image_id")) - {None})
    if len(images) > LARGEST:
        raise ValueError(f"{len(images):,} photographs at once; mark at most {LARGEST:,}: narrow the view first")
    unknown = len(view) - len(view.exists("image_id"))
    if not images:
        return Step(words, 0, 0, unknown)
    before, samples = _set(dataset, {image_id: ([tag(kind, mark)], note) for image_id in images}, kind)
    shelf = store(dataset.name)
    last = max((int(key[5:]) for key in shelf.list_keys() if key.startswith("step ")), default=0)
    shelf.set(f"step {last + 1:08d}", {"kind": kind, "words": words, "before": before})
    return Step(words, len(images), samples, unknown)


def undo(dataset: Any) -> Step | None:
    """Take back the last step that is not taken back yet; None where there is none."""
    shelf = store(dataset.name)
    key = max((key for key in shelf.list_keys() if key.startswith("step ")), default=None)
    if key is None:
        return None
    step = shelf.get(key)
    _, samples = _set(dataset, {image_id: tuple(state) for image_id, state in step["before"].items()}, step["kind"])
    shelf.delete(key)
    return Step(step["words"], len(step["before"]), samples, 0)


def _set(
    dataset: Any, states: dict[str, tuple[list[str], str]], kind: str
) -> tuple[dict[str, tuple[list[str], str]], int]:
    """Give photographs these tags of a kind, and the note of a decision; returns how they were, and the samples."""
    from fiftyone import ViewField

    view = dataset.match(ViewField("image_id").is_in(list(states)))
    ids, images, tags, notes = view.values(["id", "image_id", "tags", "decision_note"])
    own = set(tags_of(kind))
    before: dict[str, tuple[list[str], str]] = {}
    for image_id, mine, note in zip(images, tags, notes, strict=True):
        had = sorted({*before.get(image_id, ([], ""))[0], *(own & set(mine))})
        before[image_id] = (had, note or "")
    after = [[t for t in mine if t not in own] + list(states[i][0]) for i, mine in zip(images, tags, strict=True)]
    _write(dataset, "tags", ids, after)
    if kind == "decision":
        _write(dataset, "decision", ids, [mark_of(mine, kind) for mine in after])
        _write(dataset, "decision_note", ids, [states[image_id][1] for image_id in images])
    return before, len(ids)


def _write(dataset: Any, field: str, ids: Sequence[str], values: Sequence[Any]) -> None:
    dataset.set_values(field, dict(zip(ids, values, strict=True)), key_field="id")
