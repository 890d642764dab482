"""What a reviewer opens: saved views and the order of the sidebar."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from curation.filters import CurateParams
from curation.tables import VERDICTS
from pipelines.browse.marks import tag
from pipelines.browse.review import FIELDS

BAND = 0.1
"""A person score is borderline up to this far from the threshold."""
NEAR = 0.2
"""Another figure is borderline up to this share of its threshold away."""
OURS = "ours"
"""Key of ``dataset.info`` with the names of the views that are made anew each time; others are the user's."""

SHOWN = ("tags", "verdict", "reason", "people", "person_score", "decision")
"""What the App shows on each image at first."""
TIMES = ("created_at", "last_modified_at")
GREEN, RED = "#3b8a4b", "#b0413e"
ORANGE, SLATE = "#ff6d04", "#5b6770"
COLOURS = (
    ("people", "label", {"person": ORANGE}),
    ("verdict", "label", {"kept": GREEN, "rejected": RED}),
    ("decision", "value", {"keep": GREEN, "reject": RED}),
    ("tags", "value", {"decision:keep": GREEN, "decision:reject": RED}),
)


class _View(NamedTuple):
    name: str
    stages: Any
    words: str


def save_views(fo: Any, dataset: Any, rules: Iterable[str], params: CurateParams) -> None:
    """Save the views for these rules and thresholds; views that a person saved are left alone."""
    for name in dataset.info.get(OURS, []):
        if dataset.has_saved_view(name):
            dataset.delete_saved_view(name)
    names = []
    for view in (
        *_people(fo, dataset, params),
        *_verdicts(fo, dataset, rules),
        *_review(fo, dataset),
        *_figures(fo, dataset, params),
    ):
        if not dataset.has_saved_view(view.name):
            dataset.save_view(view.name, view.stages, description=view.words)
            names.append(view.name)
    dataset.info[OURS] = names
    dataset.save()


def _people(fo: Any, dataset: Any, params: CurateParams) -> list[_View]:
    field, at = fo.ViewField, params.person_score
    near = dataset.match((field("borderline") != None) & (field("borderline") <= BAND))  # noqa: E711
    parted = dataset.match(field("disagree") == True).sort_by("disagreement", reverse=True)  # noqa: E712
    return [
        _View(
            "borderline", near.sort_by([("decision", 1), ("borderline", 1)]),
            f"person score within {BAND:g} of the threshold {at:g}: undecided first, then the nearest",
        ),
        _View(
            "detectors disagree", parted,
            "one detector or look sees a person and another does not; empty with one detector and look",
        ),
        _View(
            "people, most certain first",
            dataset.match(field("person_score") > 0).sort_by("person_score", reverse=True), "by person score",
        ),
    ]  # fmt: skip


def _figures(fo: Any, dataset: Any, params: CurateParams) -> list[_View]:
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
        views.append(_View(f"borderline: {name}", view, words))
    return views


def _verdicts(fo: Any, dataset: Any, rules: Iterable[str]) -> list[_View]:
    field = fo.ViewField
    rejected = dataset.match(field("verdict.label") == "rejected")
    copies = dataset.match(field("duplicate_group") != None)  # noqa: E711
    return [
        _View("kept", dataset.match(field("verdict.label") == "kept"), "may be backgrounds"),
        _View("rejected", rejected, "by any rule"),
        *(
            _View(f"rejected: {rule}", rejected.match(field("rule") == rule), f"the first rule to fail was {rule}")
            for rule in rules
        ),
        _View(
            "duplicates", copies.sort_by([("duplicate_group", 1), ("verdict.label", 1), ("locator", 1)]),
            "each image that was kept, followed by its near-duplicates",
        ),
    ]  # fmt: skip


def _review(fo: Any, dataset: Any) -> list[_View]:
    field = fo.ViewField
    changed = (field("decision") != field("pulled")) | (field("decision_note") != field("pulled_note"))
    asked = [f"to label:{why}" for why in ("random", "near")]
    labelled = field("tags").contains([tag("label", "person"), tag("label", "nobody")])
    return [
        _View("decided", dataset.match(field("decision") != None), "somebody's keep or reject"),  # noqa: E711
        _View("decided, not pulled", dataset.match(changed), "what 'cleanplate decisions pull' would write"),
        _View(
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
    schema = dataset.get_field_schema()
    for name, text in words.items():
        if name in schema:
            field = dataset.get_field(name)
            field.description = text
            field.save()
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
        # Named as the group that the App adds where it is missing.
        "metadata": ["locator", "image_id", "licence", "source", "id", "filepath", "metadata", *TIMES],
    }
    dataset.app_config.active_fields = fo.ActiveFields(paths=list(SHOWN))
    fields = [
        {"path": path, "colorByAttribute": by, "valueColors": [{"value": v, "color": c} for v, c in colours.items()]}
        for path, by, colours in COLOURS
    ]
    dataset.app_config.color_scheme = fo.ColorScheme(color_by="value", color_pool=[SLATE], fields=fields)
    dataset.app_config.sidebar_groups = [
        fo.SidebarGroupDocument(
            name=name,
            paths=[path for path in paths if path == "tags" or path in schema],
            expanded=name not in ("duplicates", "metadata"),
        )
        for name, paths in groups.items()
    ]
