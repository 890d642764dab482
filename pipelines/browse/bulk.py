"""Many groups into a FiftyOne dataset at once: documents after the pattern of one that FiftyOne wrote itself.

Building ``fo.Sample`` objects costs 1.4 ms each, so that the 40,000 pictures of 10,000 composites would take over a
minute. Here FiftyOne writes one group, which declares and checks every field; the others are copies of its documents
with values of their own, and go to the database as they are. Addresses stay what they are, too: a Sample would take
``http://`` for the name of a folder.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

Values = Mapping[str, Any]
"""Values by path, such as ``scene`` or ``alpha.map_path``; a label that is missing is None under its own name."""
BATCH = 4000


def add_groups(fo: Any, dataset: Any, pattern: Mapping[str, Any], groups: Iterable[Mapping[str, Values]]) -> int:
    """Add groups to an empty grouped dataset; returns how many.

    Args:
        fo: FiftyOne.
        dataset: a dataset with a group field ``group``.
        pattern: slice -> a Sample with all its fields and labels set; it does not stay.
        groups: slice -> values of each, for all slices of the pattern.
    """
    whole = fo.Group()
    for name, sample in pattern.items():
        sample["group"] = whole.element(name)
    dataset.add_samples(list(pattern.values()), progress=False)
    table = dataset._sample_collection
    written = {each["group"]["name"]: each for each in table.find({})}
    table.delete_many({})
    count, documents = 0, _documents(written, groups)
    while batch := list(islice(documents, BATCH)):
        table.insert_many(batch, ordered=True)
        count += len(batch)
    return count // len(pattern)


def _documents(written: Mapping[str, Any], groups: Iterable[Mapping[str, Values]]) -> Iterator[dict[str, Any]]:
    from bson import ObjectId

    now, shuffle = datetime.now(UTC), random.Random(0)
    stamps = {"created_at": now, "last_modified_at": now}
    for group in groups:
        whole = ObjectId()
        for name, values in group.items():
            document = {key: dict(part) if isinstance(part, dict) else part for key, part in written[name].items()}
            document |= {"_id": ObjectId(), "_rand": shuffle.random(), "tags": [], **stamps}
            document["group"]["_id"] = whole
            for path, value in values.items():
                top, _, below = path.partition(".")
                if not below:
                    document[top] = value
                    continue
                document[top][below] = value
                if "_id" in document[top]:
                    document[top]["_id"] = ObjectId()
            yield document


def rebase(dataset: Any, base: str) -> None:
    """Let a dataset's addresses begin with ``base``; its ``info`` says with what they began, and in which fields."""
    before, paths = dataset.info.get("media"), dataset.info.get("addresses", [])
    if before is None or before == base:
        return
    for path in paths:
        new = {"$replaceOne": {"input": f"${path}", "find": before, "replacement": base}}
        dataset._sample_collection.update_many({path: {"$type": "string"}}, [{"$set": {path: new}}])
    note(dataset, base, paths)
    dataset.reload()


def note(dataset: Any, base: str, paths: Sequence[str], **info: Any) -> None:
    """Note with what the addresses begin and which fields hold them, for :func:`rebase`, and whatever else."""
    # As a whole: FiftyOne does not see that a mapping within changed.
    dataset.info = {**dataset.info, "media": base, "addresses": list(paths), **info}
    dataset.save()
