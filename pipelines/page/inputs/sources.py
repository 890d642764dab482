"""The data card: where everything came from, under which terms, and how much of it was used."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from training.config import TrainParams

UNKNOWN = "not recorded"
IDENTIFIERS = {
    "mit": "mit",
    "mit licence": "mit",
    "mit license": "mit",
    "apache 2.0": "apache-2.0",
    "apache-2.0": "apache-2.0",
    "cc0": "cc0-1.0",
    "cc0-1.0": "cc0-1.0",
    "cc by 4.0": "cc-by-4.0",
    "cc-by-4.0": "cc-by-4.0",
    "cc by-sa 4.0": "cc-by-sa-4.0",
    "cc-by-sa-4.0": "cc-by-sa-4.0",
    "cc by-nc 4.0": "cc-by-nc-4.0",
    "cc-by-nc-4.0": "cc-by-nc-4.0",
}
"""A licence as people write it, in small letters -> its identifier on model hubs."""
RESTRICTED = re.compile(r"research|education|academic|non-?commercial|\bnc\b", re.IGNORECASE)


class Source(NamedTuple):
    """One source of pictures."""

    dataset: str
    role: str
    """``backgrounds``, ``mattes`` or ``extra samples``."""
    amount: str
    """How much there was and how much was used, in words."""
    licence: str
    origin: str


class Licences(NamedTuple):
    """What the sources' terms come to for the weights."""

    identifier: str
    """A hub's identifier where all sources share one licence that it knows, else ``other``."""
    restricted: list[str]
    """The terms that allow research, education or non-commercial use alone, as the sources state them."""
    told: str
    """The same as a sentence or two."""


def sources(
    images: pd.DataFrame, verdicts: pd.DataFrame, frames: pd.DataFrame, trained: Iterable[TrainParams]
) -> list[Source]:
    """Return a row a source, from IMAGES, VERDICTS, FRAMES and the extra samples that training mixed in."""
    found = []
    kept = verdicts[verdicts["kept"]].groupby("dataset").size()
    for (dataset, licence, origin), part in _by_terms(images):
        amount = f"{len(part):,} files, {int(kept.get(dataset, 0)):,} kept"
        found.append(Source(dataset, "backgrounds", amount, licence, origin))
    for (dataset, licence, origin), part in _by_terms(frames):
        usable = part[part["status"] == "ok"]
        amount = f"{part['clip'].nunique():,} clips, {len(part):,} frames, {len(usable):,} usable"
        found.append(Source(dataset, "mattes", amount, licence, origin))
    shares = {extra.name: extra.share for params in trained for extra in params.extra}
    for name, share in shares.items():
        found.append(Source(name, "extra samples", f"{share:.0%} of what training saw", UNKNOWN, UNKNOWN))
    return found


def _by_terms(table: pd.DataFrame) -> Iterable[tuple[tuple[str, str, str], pd.DataFrame]]:
    keys = ["dataset", "licence", "source"]
    told = table.assign(**{key: table[key].fillna(UNKNOWN) for key in keys})
    return [((str(a), str(b), str(c)), part) for (a, b, c), part in told.groupby(keys)]


def licences(found: Iterable[Source]) -> Licences:
    """Say what the sources' terms allow; nothing is assumed that no source states."""
    terms = {source.dataset: source.licence for source in found}
    known = {IDENTIFIERS.get(licence.strip().lower()) for licence in terms.values()}
    identifier = known.pop() if len(known) == 1 else None
    restricted = sorted({f"{dataset}: {licence}" for dataset, licence in terms.items() if RESTRICTED.search(licence)})
    unread = sorted(name for name, terms_of in terms.items() if terms_of == UNKNOWN)
    if restricted:
        told = (
            "Not for commercial use without asking: the weights were learnt from pictures whose terms restrict what "
            "they may be used for."
        )
    elif identifier:
        told = f"Every source states the licence {identifier}."
    else:
        told = "The sources state different terms; read them before passing the weights on."
    if unread:
        told += f" No terms are recorded of {', '.join(unread)}: find them out first."
    return Licences(identifier or "other", restricted, told)


def counts(verdicts: pd.DataFrame, frames: pd.DataFrame, plan: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what else the card counts: splits, scenes, composites."""
    usable = frames[frames["status"] == "ok"]
    kept = verdicts[verdicts["kept"]]
    return [
        ("backgrounds kept, by split", _counts(kept["split"])),
        ("scenes kept", f"{kept['scene'].nunique()}"),
        ("clips by split", _counts(usable.drop_duplicates("clip")["split"])),
        ("composites by set", _counts(plan["set"])),
    ]


def rejected(verdicts: pd.DataFrame) -> list[dict[str, Any]]:
    """Return why backgrounds were rejected: rule, how many, share of all."""
    found = verdicts.loc[~verdicts["kept"], "rule"].value_counts()
    total = max(1, len(verdicts))
    return [{"rule": str(rule), "count": int(n), "share": f"{n / total:.1%}"} for rule, n in found.items()]


def _counts(values: pd.Series) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in values.value_counts().sort_index().items())
