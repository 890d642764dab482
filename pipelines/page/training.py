"""The curves of training."""

from pathlib import Path

import pandas as pd

from pipelines.page.figures import figure_html, new_figure


def curves(folder: Path, title: str) -> list[str]:
    """Draw one figure a family of curves (``train/...``, ``valid/...``) that DVCLive wrote below ``folder``."""
    families: dict[str, list[tuple[str, pd.DataFrame]]] = {}
    top = folder / "plots" / "metrics"
    for file in sorted(top.rglob("*.tsv")):
        name = file.relative_to(top).with_suffix("").as_posix()
        family, _, curve = name.rpartition("/")
        families.setdefault(family, []).append((curve, pd.read_csv(file, sep="\t")))
    figures: list[str] = []
    for family, found in families.items():
        figure = new_figure()
        for curve, frame in found:
            # A curve of few points is no line yet: markers show where it was measured.
            mode = "lines+markers" if len(frame) < 12 else "lines"
            figure.add_scatter(x=frame["step"], y=frame.iloc[:, -1], name=curve, mode=mode)
        figure.update_xaxes(title="step")
        if all((frame.iloc[:, -1] > 0).all() for _, frame in found):
            figure.update_yaxes(type="log", dtick="D2", exponentformat="none")
        figures.append(figure_html(figure, f"{title}: {family or 'run'}"))
    return figures
