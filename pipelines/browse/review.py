"""A review between the App and ``decisions.csv``: what was decided since, brought in, carried over, pulled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from curation.decisions import Decision, Merged, merge, read_decisions, write_decisions
from pipelines.browse import labels, session
from pipelines.browse.marks import mark_of, store, tag, tags_of

FIELDS = {
    "decision": "a reviewer's keep or reject, as the tags say; null where none",
    "decision_note": "why, in the reviewer's words",
    "pulled": "the decision as decisions.csv holds it: where it differs, 'cleanplate decisions pull' brings it up",
    "pulled_note": "the note in decisions.csv",
}
"""Fields of a sample that hold the review, with their meaning."""
ELSEWHERE = "decided, but not in the dataset"
LABELS = "labels"


class Held(NamedTuple):
    """What the App holds of one photograph."""

    decision: str | None
    note: str


def unpulled(dataset: Any) -> dict[str, Held]:
    """Decisions that differ from what ``decisions.csv`` held when it was last read, by image id.

    Raises ValueError naming a photograph that is tagged to be kept and to be rejected.
    """
    from fiftyone import ViewField

    held = waiting(dataset.name)
    if not dataset.has_field("pulled"):
        return held
    view = dataset.match(ViewField("tags").contains(tags_of("decision")) | (ViewField("pulled") != None))  # noqa: E711
    view = view.exists("image_id")
    columns = view.values(["image_id", "locator", "tags", "decision_note", "pulled", "pulled_note"])
    photographs: dict[str, tuple[set[str], str, Held]] = {}
    for image_id, locator, tags, note, before, note_before in zip(*columns, strict=True):
        seen, words, base = photographs.get(image_id, (set(), "", Held(before, note_before or "")))
        photographs[image_id] = ({*seen, *tags}, words or note or "", base)
        try:
            mark_of(photographs[image_id][0], "decision")
        except ValueError as error:
            raise ValueError(f"{locator} is {error}; remove one of the tags in the App, then pull again") from None
    for image_id, (tags, note, base) in photographs.items():
        choice = mark_of(tags, "decision")
        now = Held(choice, note if choice else "")
        if now != base:
            held[image_id] = now
        else:
            held.pop(image_id, None)
    return held


def waiting(name: str) -> dict[str, Held]:
    """What was decided of photographs that dataset ``name`` does not hold (now, or since it is gone), by image id."""
    return {image_id: Held(*state) for image_id, state in (store(name).get(ELSEWHERE) or {}).items()}


def replace(fo: Any, old: Any, new: Any, name: str, held: Mapping[str, Held]) -> Any:
    """Put a dataset in the place of another (or of none) under ``name``, with its decisions and labels.

    They are laid down before the old dataset goes: a process that dies in between leaves them for the next one.
    """
    _lay_down(name, held)
    if old is not None:
        store(name).set(LABELS, labels.held(old))
        fo.delete_dataset(name)
    new.name = name
    labels.carry(new, store(name).get(LABELS) or {})
    return new


def bring_in(dataset: Any, decisions: Mapping[str, Decision], held: Mapping[str, Held]) -> None:
    """Tag the samples as the decisions say, and as ``held`` says where nobody pulled that yet.

    What ``held`` says of photographs that are not in the dataset waits for the next pull.
    """
    from fiftyone import ViewField

    wanted = {image_id: Held(d.decision, d.note) for image_id, d in decisions.items()} | dict(held)
    marked = ViewField("tags").contains(tags_of("decision")) | (ViewField("pulled") != None)  # noqa: E711
    ids, images, tags = dataset.match(ViewField("image_id").is_in(list(wanted)) | marked).values(
        ["id", "image_id", "tags"]
    )
    own, nothing = set(tags_of("decision")), Held(None, "")
    values: dict[str, dict[str, Any]] = {field: {} for field in ("tags", *FIELDS)}
    for sample, image_id, mine in zip(ids, images, tags, strict=True):
        now, row = wanted.get(image_id, nothing), decisions.get(image_id)
        values["tags"][sample] = [t for t in mine if t not in own]
        if now.decision:
            values["tags"][sample].append(tag("decision", now.decision))
        values["decision"][sample], values["decision_note"][sample] = now
        values["pulled"][sample], values["pulled_note"][sample] = (row.decision, row.note) if row else nothing
    for field, column in values.items():
        if column:
            dataset.set_values(field, column, key_field="id")
    here = set(images)
    _lay_down(dataset.name, {image_id: state for image_id, state in held.items() if image_id not in here})


def _lay_down(name: str, held: Mapping[str, Held]) -> None:
    store(name).set(ELSEWHERE, {image_id: list(state) for image_id, state in held.items()})


def pull(name: str, path: Path, by: str, note: str) -> Merged:
    """Bring what was decided in the App into the decisions; writes them where anything changed.

    Args:
        name: the FiftyOne dataset.
        path: the CSV; what it says of other photographs stays.
        by: who decides.
        note: put down where the reviewer left none.

    Raises:
        ValueError: no such dataset, or a photograph with contradicting tags.
    """
    dataset = session.dataset(name)
    held = unpulled(dataset)
    review: dict[str, Decision | None] = {
        image_id: Decision(image_id, "keep" if now.decision == "keep" else "reject", by, now.note or note)
        if now.decision
        else None
        for image_id, now in held.items()
    }
    merged = merge(read_decisions(path), review)
    if merged.new or merged.changed or merged.withdrawn:
        write_decisions(merged.decisions.values(), path)
    bring_in(dataset, merged.decisions, {})
    return merged
