"""How figures look and how they get onto a page: as data, drawn by the page's one script, never as code."""

import json
from html import escape
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.utils import PlotlyJSONEncoder

if TYPE_CHECKING:
    from markupsafe import Markup

INK, SOFT, GRID = "#1c1e21", "#5c6470", "#e3e6ea"
KEPT, REJECTED = "#3a7d44", "#b5523b"
MODEL_COLOUR = "#1f5fbf"
COLOURS = {"refine": MODEL_COLOUR, "refine_coarse": "#8db7ea", "base": "#5aa3a3", "classical": "#d98032"}
LIGHT = ("refine_coarse", "base", "classical")
"""Methods whose colour takes dark letters."""
MORE_COLOURS = ("#8a4f9e", "#b03a5b", "#6d7a29", "#4d4f57", "#b98a00", "#2b7a4b", "#8f6a4f")
AXIS = {
    "gridcolor": GRID,
    "linecolor": "#b9c0c8",
    "zeroline": False,
    "automargin": True,
    "showgrid": True,
    "title": {"font": {"size": 12, "color": SOFT}, "standoff": 8},
}
TEMPLATE = {
    "layout": {
        "colorway": [*COLOURS.values(), *MORE_COLOURS],
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "xaxis": AXIS,
        "yaxis": AXIS,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "hovermode": "closest",
    }
}
FONT = {"family": "system-ui, sans-serif", "size": 13, "color": INK}


def new_figure(height: int = 320, legend: bool = True, **layout: Any) -> go.Figure:
    """Return an empty figure in the page's looks, ``height`` pixels high."""
    margin = {"l": 10, "r": 16, "t": 34 if legend else 10, "b": 44}
    looks = {"template": TEMPLATE, "height": height, "margin": margin, "font": FONT, "showlegend": legend}
    return go.Figure(layout={**looks, **layout})


def colour_of(method: str, methods: list[str]) -> str:
    """Return a method's colour: its own for the project's methods, the next free one for any other."""
    others = [name for name in methods if name not in COLOURS]
    return COLOURS.get(method) or MORE_COLOURS[others.index(method) % len(MORE_COLOURS)]


def label(text: object) -> str:
    """Make a text from data safe as a plotly label, where ``<b>`` would be a format and ``<br>`` a line."""
    return escape(str(text), quote=False)


def figure_html(figure: go.Figure, title: str = "", unit: str = "") -> "Markup":
    """Return a figure as a box with its data, for the page's script to draw; title and unit are text that wraps.

    ``<`` is written as an escape, so that no text of a figure can end the block of data.
    """
    from markupsafe import Markup

    data = json.dumps(figure.to_plotly_json(), cls=PlotlyJSONEncoder, separators=(",", ":")).replace("<", "\\u003c")
    under = Markup(" <small>{}</small>").format(unit) if unit else ""
    caption = Markup("<figcaption>{}{}</figcaption>").format(title, under) if title else ""
    height = int(figure.layout.height)
    return Markup(
        '<figure class="chart">{}<div class="plot" style="min-height:{}px"></div>'
        '<script type="application/json">{}</script></figure>'
    ).format(caption, height, Markup(data))
