"""``cleanplate audit``: scores and labels from files, the threshold curve as a picture."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from curation.audit import Looked, Point
from curation.storage import writing
from curation.tables import PERSONS, VERDICTS, read_table

SCORES = {PERSONS.name: (PERSONS, "score"), VERDICTS.name: (VERDICTS, "person_score")}


def read_scores(path: Path) -> dict[str, float | None]:
    """Best score by locator, from what ``cleanplate people`` or the stage ``curate`` wrote.

    Raises FileNotFoundError naming the command that writes it, or ValueError for another table.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; 'cleanplate people FOLDER' or 'dvc repro curate' writes it")
    name = (pq.read_schema(path).metadata or {}).get(b"table", b"").decode()
    if name not in SCORES:
        raise ValueError(f"{path} is a table '{name}'; expected what 'cleanplate people' or the stage curate writes")
    table, column = SCORES[name]
    rows = read_table(table, path, ["locator", column])
    return dict(zip(rows["locator"].to_pylist(), rows[column].to_pylist(), strict=True))


def write_sample(rows: Sequence[tuple[str, float, str]], path: Path) -> None:
    """Write images to label: the column ``person`` is empty, for 1 or 0."""
    with writing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("locator", "person", "score", "why"))
        writer.writerows((locator, "", f"{score:.4f}", why) for locator, score, why in rows)


def draw_curve(points: Sequence[Point], looked: Looked, threshold: float, path: Path) -> None:
    """Draw recall and false alarms over the threshold with their intervals, and the scores of both kinds below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    steps = [point.threshold for point in points]
    for name, colour, rates in (
        ("people found", "tab:blue", [point.recall for point in points]),
        ("false alarms", "tab:red", [point.false_alarms for point in points]),
    ):
        above.step(steps, [100 * r.share for r in rates], where="pre", color=colour, label=name)
        above.fill_between(
            steps, [100 * r.low for r in rates], [100 * r.high for r in rates], step="pre", color=colour, alpha=0.15
        )
    for axis in (above, below):
        axis.axvline(threshold, color="black", linestyle=":")
    above.set(
        ylabel="% of images", ylim=(0, 101), title=f"{len(looked.scores)} labelled images, threshold {threshold:g}"
    )
    above.legend()
    for label, colour, there in (("with people", "tab:blue", looked.person), ("without", "tab:red", ~looked.person)):
        below.hist(looked.scores[there], bins=40, range=(0, 1), color=colour, alpha=0.6, label=label)
    below.set(xlabel="score", ylabel="images")
    below.legend()
    with writing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
