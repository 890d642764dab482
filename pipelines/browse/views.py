"""What a reviewer of backgrounds opens: saved views and the order of the sidebar."""

from collections.abc import Iterable, Mapping
from typing import Any

from curation.filters import CurateParams
from curation.tables import VERDICTS
from pipelines.browse.layout import GREEN, ORANGE, RED, View, lay_out, put_views
from pipelines.browse.marks import tag
from pipelines.browse.review import FIELDS

BAND = 0.1
"""A person score is borderline up to this far from the threshold."""
NEAR = 0.2
"""Another figure is borderline up to this share of its threshold away."""

SHOWN = ("tags", "verdict", "reason", "people", "person_score", "decision")
"""What the App shows on each image at first."""
COLOURS = (
    ("people", "label", {"person": ORANGE}),
    ("verdict", "label", {"kept": GREEN, "rejected": RED}),
    ("decision", "value", {"keep": GREEN, "reject": RED}),
    ("tags", "value", {"decision:keep": GREEN, "decision:reject": RED}),
)


def save_views(fo: Any, dataset: Any, rules: Iterable[str], params: CurateParams) -> None:
    """Save the views for these rules and thresholds; views that a person saved are left alone."""
    views = (
        *_people(fo, dataset, params),
        *_verdicts(fo, dataset, rules),
        *_review(fo, dataset),
        *_figures(fo, dataset, params),
    )
    put_views(dataset, views)


def _people(fo: Any, dataset: Any, params: CurateParams) -> list[View]:
    field, at = fo.ViewField, params.person_score
    near = dataset.match((field("borderline") != None) & (field("borderline") <= BAND))  # noqa: E711
    parted = dataset.match(field("disagree") == True).sort_by("disagreement", reverse=True)  # noqa: E712
    return [
        View(
            "borderline", near.sort_by([("decision", 1), ("borderline", 1)]),
            f"person score within {BAND:g} of the threshold {at:g}: undecided first, then the nearest",
        ),
        View(
            "detectors disagree", parted,
            "one detector or look sees a person and another does not; empty with one detector and look",
        ),
        View(
            "people, most certain first",
            dataset.match(field("person_score") > 0).sort_by("person_score", reverse=True), "by person score",
        ),
    ]  # fmt: skip


def _figures(fo: Any, dataset: Any, params: CurateParams) -> list[View]:
    field, views = fo.ViewField, []
    thresholds = {
        "sharpness": params.min_sharpness, "luma_spread": params.min_spread, "clipped": params.max_clipped,
        "chroma": params.min_chroma, "border": params.max_border, "drawn": params.max_drawn,
    }  # fmt: skip
    for name, threshold in thresholds.items():
        if threshold is None or dataset.get_field(name) is None:
            continue
        off = (field(name) - threshold).abs()
        words = f"within {NEAR:.0%} of the threshold {threshold:g}, nearest first"
        view = dataset.match((field(name) != None) & (off <= NEAR * threshold)).sort_by(off)  # noqa: E711
        views.append(View(f"borderline: {name}", view, words))
    return views


def _verdicts(fo: Any, dataset: Any, rules: Iterable[str]) -> list[View]:
    field = fo.ViewField
    rejected = dataset.match(field("verdict.label") == "rejected")
    copies = dataset.match(field("duplicate_group") != None)  # noqa: E711
    return [
        View("kept", dataset.match(field("verdict.label") == "kept"), "may be backgrounds"),
        View("rejected", rejected, "by any rule"),
        *(
            View(f"rejected: {rule}", rejected.match(field("rule") == rule), f"the first rule to fail was {rule}")
            for rule in rules
        ),
        View(
            "duplicates", copies.sort_by([("duplicate_group", 1), ("verdict.label", 1), ("locator", 1)]),
            "each image that was kept, followed by its near-duplicates",
        ),
    ]  # fmt: skip


def _review(fo: Any, dataset: Any) -> list[View]:
    field = fo.ViewField
    changed = (field("decision") != field("pulled")) | (field("decision_note") != field("pulled_note"))
    asked = [f"to label:{why}" for why in ("random", "near")]
    labelled = field("tags").contains([tag("label", "person"), tag("label", "nobody")])
    return [
        View("decided", dataset.match(field("decision") != None), "somebody's keep or reject"),  # noqa: E711
        View("decided, not pulled", dataset.match(changed), "what 'cleanplate decisions pull' would write"),
        View(
            "to label", dataset.match(field("tags").contains(asked) & ~labelled),
            "drawn by 'cleanplate audit-sample --tags', not labelled yet",
        ),
    ]  # fmt: skip


def describe(fo: Any, dataset: Any, scores: Mapping[str, str]) -> None:
    """Field descriptions from the tables' contracts; the sidebar's order as one reads: verdict, review, people."""
    words = {name: text for name, (_, text) in VERDICTS.columns.items()} | FIELDS | dict(scores)
    words |= {
        "disagreement": "how far the highest score of a detector and look lies over the lowest",
        "disagree": "whether one detector or look sees a person, each at its threshold, and another does not",
        "borderline": "distance of the person score from the threshold in use",
        "seen": "the best box of each detector and look, where several made the answer",
        "duplicate_group": "locator of the image kept, on it and on its near-duplicates",
    }
    groups = {
        "tags": ["tags"],
        "verdict": ["verdict", "reason", "rule", "split", "refine_ok"],
        "review": list(FIELDS),
        "people": ["people", "seen", "person_score", "borderline", "person_share", *scores, "disagreement", "disagree"],
        "duplicates": ["duplicate_group", "duplicate_of"],
        "scene": ["scene", "indoor"],
        "quality": [
            "sharpness",
            "luma_mean",
            "luma_spread",
            "clipped",
            "chroma",
            "border",
            "drawn",
            "width",
            "height",
            "status",
        ],
        "metadata": ["locator", "image_id", "licence", "source"],
    }
    lay_out(fo, dataset, words, groups, SHOWN, COLOURS, closed=("duplicates", "metadata"))
