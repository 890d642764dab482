"""How the App lays a dataset out: descriptions, the order of the sidebar, colours, saved views."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

OURS = "ours"
"""Key of ``dataset.info`` with the names of the views that are made anew each time; others are the user's."""
TIMES = ("created_at", "last_modified_at")
GREEN, RED = "#3b8a4b", "#b0413e"
ORANGE, SLATE = "#ff6d04", "#5b6770"
MAGENTA = "#ff00c8"
"""Rare in photographs."""
Colours = Iterable[tuple[str, str, Mapping[str, str]]]
"""Field, attribute, value -> colour."""


class View(NamedTuple):
    """A saved view."""

    name: str
    stages: Any
    words: str


def put_views(dataset: Any, views: Iterable[View]) -> None:
    """Save views in place of those saved here before; views that a person saved are left alone."""
    for name in dataset.info.get(OURS, []):
        if dataset.has_saved_view(name):
            dataset.delete_saved_view(name)
    names = []
    for view in views:
        if not dataset.has_saved_view(view.name):
            dataset.save_view(view.name, view.stages, description=view.words)
            names.append(view.name)
    dataset.info[OURS] = names
    dataset.save()


def lay_out(
    fo: Any,
    dataset: Any,
    words: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    shown: Sequence[str],
    colours: Colours = (),
    closed: Collection[str] = (),
    heat: Mapping[str, str] | None = None,
) -> None:
    """Describe the fields and order the sidebar.

    Args:
        fo: FiftyOne.
        dataset: the dataset; the caller saves it.
        words: field -> description; fields that it has not are left out, here and in ``groups``.
        groups: heading -> fields; ``metadata`` is the last and takes those of FiftyOne itself.
        shown: fields shown on each image at first.
        colours: colours of values.
        closed: headings that are folded at first.
        heat: heat map -> its colour, the more opaque the higher the value; without it they come in FiftyOne's scale
            of colours, which even the faintest value covers the picture with, and colours follow values.
    """
    schema = dataset.get_field_schema()
    for name, text in words.items():
        if name in schema:
            field = dataset.get_field(name)
            field.description = text
            field.save()
    dataset.app_config.active_fields = fo.ActiveFields(paths=list(shown))
    scheme = [
        {"path": path, "colorByAttribute": by, "valueColors": [{"value": v, "color": c} for v, c in found.items()]}
        for path, by, found in colours
    ]
    dataset.app_config.color_scheme = fo.ColorScheme(
        color_by="field" if heat else "value",
        color_pool=[SLATE],
        fields=[*scheme, *({"path": path, "fieldColor": colour} for path, colour in (heat or {}).items())],
    )
    # "metadata" is named as the group that the App adds where it is missing.
    own = {"metadata": [*groups.get("metadata", ()), "id", "filepath", "metadata", *TIMES]}
    dataset.app_config.sidebar_groups = [
        fo.SidebarGroupDocument(
            name=name,
            paths=[path for path in paths if path == "tags" or path in schema],
            expanded=name not in closed,
        )
        for name, paths in ({**groups, **own}).items()
    ]
