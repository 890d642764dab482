"""Labels for the audit as tags: what is asked for, what was answered, carried over when the dataset is rebuilt."""

from collections.abc import Iterable, Mapping
from typing import Any

from curation.audit import Label, Labels
from pipelines.browse import session
from pipelines.browse.marks import mark_of, tags_of

ASKED = "to label:"
DRAWN = "drawn"
"""Key of ``dataset.info``: whether samples were drawn to be labelled."""


def backgrounds() -> Any:
    """The dataset of backgrounds as FiftyOne holds it. Raises ValueError where there is none."""
    return session.dataset("backgrounds")


def ask(dataset: Any, drawn: Iterable[tuple[str, float, str]]) -> int:
    """Tag the samples drawn (locator, score, why) with ``to label:WHY``, and nothing else with it; returns how many.

    A sample drawn anew replaces the one asked for before: shares hold for one random draw.
    """
    return _write(dataset, {locator: [ASKED + why] for locator, _, why in drawn}, replace=True)


def answers(dataset: Any) -> Labels:
    """The labels by locator; of samples that nobody asked for they count as picked.

    Raises ValueError naming an image with contradicting labels, or where nothing is labelled.
    """
    view = dataset.match_tags([*tags_of("label"), ASKED + "random"])
    labels: dict[str, Label] = {}
    waiting = 0
    for locator, tags in zip(*view.values(["locator", "tags"]), strict=True):
        try:
            mark = mark_of(tags, "label")
        except ValueError as error:
            raise ValueError(f"{locator} is {error}; remove one of the tags in the App") from None
        why = next((tag[len(ASKED) :] for tag in tags if tag.startswith(ASKED)), "picked")
        if mark is None:
            waiting += 1
        else:
            labels[locator] = Label(mark == "person", why)
    if not labels:
        raise ValueError("no sample is labelled; open the view 'to label' in the App and press Person or Nobody")
    return Labels(labels, waiting)


def held(dataset: Any) -> dict[str, list[str]]:
    """The tags of an audit by locator."""
    view = dataset.match_tags([*tags_of("label"), ASKED + "random", ASKED + "near"])
    return {locator: _audit(tags) for locator, tags in zip(*view.values(["locator", "tags"]), strict=True)}


def carry(dataset: Any, tags: Mapping[str, list[str]]) -> None:
    """Tag the samples as :func:`held` says."""
    _write(dataset, tags, replace=False)


def _audit(tags: Iterable[str]) -> list[str]:
    return [tag for tag in tags if tag.startswith(ASKED) or tag in tags_of("label")]


def _write(dataset: Any, wanted: Mapping[str, list[str]], replace: bool) -> int:
    from fiftyone import ViewField

    here = ViewField("locator").is_in(list(wanted))
    if replace:
        here |= ViewField("tags").contains([ASKED + "random", ASKED + "near"])
    ids, locators, tags = dataset.match(here).values(["id", "locator", "tags"])
    values = {}
    for sample, locator, mine in zip(ids, locators, tags, strict=True):
        rest = [tag for tag in mine if not tag.startswith(ASKED)] if replace else mine
        values[sample] = list(dict.fromkeys([*rest, *wanted.get(locator, [])]))
    if values:
        dataset.set_values("tags", values, key_field="id")
        dataset.info[DRAWN] = True
        dataset.save()
    return sum(locator in wanted for locator in locators)
