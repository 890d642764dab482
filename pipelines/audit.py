"""``cleanplate audit``: scores and labels from files, the threshold curve as a picture."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from curation.audit import Looked, Point
from curation.datasets import told
from curation.storage import writing
from curation.tables import PERSONS, VERDICTS, read_table
from pipelines.params import load

SCORES = {PERSONS.name: (PERSONS, "score"), VERDICTS.name: (VERDICTS, "person_score")}


class Scored(NamedTuple):
    """Scores to audit, and the threshold to audit at."""

    best: dict[str, float | None]
    """Best score by the name of the file, see :mod:`curation.datasets`; None where not looked at."""
    threshold: float
    in_use: bool
    """Whether that is the threshold in use, and not one asked for."""


def read_scores(path: Path, threshold: float | None = None) -> Scored:
    """Read what ``cleanplate people`` or the stage ``curate`` wrote, and the threshold in use unless one is given.

    Raises FileNotFoundError naming the command that writes it, or ValueError for another table, or for one that was
    put together from runs with several thresholds.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; 'cleanplate people FOLDER' or 'dvc repro curate' writes it")
    name = (pq.read_schema(path).metadata or {}).get(b"table", b"").decode()
    if name not in SCORES:
        raise ValueError(f"{path} is a table '{name}'; expected what 'cleanplate people' or the stage curate writes")
    table, column = SCORES[name]
    rows = read_table(table, path, ["locator", column])
    names = told(read_table(table, path, ["dataset", "locator"])) if name == VERDICTS.name else rows["locator"]
    best = dict(zip(names.to_pylist(), rows[column].to_pylist(), strict=True))
    if threshold is not None:
        return Scored(best, threshold, False)
    if name == VERDICTS.name:
        return Scored(best, load().curate.person_score, True)
    used = read_table(table, path, ["threshold"])["threshold"].unique().to_pylist()
    if len(used) != 1:
        raise ValueError(f"{path} was made with {len(used)} thresholds; say which with --threshold")
    return Scored(best, round(used[0], 6), True)


def write_sample(rows: Sequence[tuple[str, float, str]], path: Path) -> None:
    """Write images to label: the column ``person`` is empty, for 1 or 0."""
    with writing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("locator", "person", "score", "why"))
        writer.writerows((locator, "", f"{score:.4f}", why) for locator, score, why in rows)


def draw_curve(points: Sequence[Point], looked: Looked, threshold: float, residual: float, path: Path) -> None:
    """Draw what each threshold is worth, with intervals, and the scores of both kinds below.

    On top recall and false alarms, in the middle the people among the kept against the wanted ``residual``: the bound
    that is 95 % sure decides. The scores of images that were not drawn at random are dashed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 8), layout="constrained")
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    steps = [point.threshold for point in points]
    for name, colour, rates in (
        ("people found", "tab:blue", [point.recall for point in points]),
        ("false alarms", "tab:red", [point.false_alarms for point in points]),
    ):
        above.step(steps, [100 * r.share for r in rates], where="pre", color=colour, label=name)
        above.fill_between(
            steps, [100 * r.low for r in rates], [100 * r.high for r in rates], step="pre", color=colour, alpha=0.15
        )
    middle.step(
        steps, [100 * p.residual.share for p in points], where="pre", color="tab:purple", label="people among the kept"
    )
    middle.step(
        steps, [100 * p.residual_bound for p in points], where="pre", color="tab:purple", linestyle="--",
        label="less than this, 95 % sure",
    )  # fmt: skip
    middle.axhline(100 * residual, color="tab:green", label=f"wanted: {residual:.2%}")
    for axis in (above, middle, below):
        axis.axvline(threshold, color="black", linestyle=":")
    drawn = int(looked.random.sum())
    above.set(ylabel="% of images", ylim=(0, 101), title=f"{drawn} images drawn at random, threshold {threshold:g}")
    middle.set(ylabel="% of the kept", ylim=(0, None))
    for words, there, colour in (("with people", looked.person, "tab:blue"), ("without", ~looked.person, "tab:red")):
        for drawn_so, line in ((looked.random, "-"), (~looked.random, "--")):
            scores = looked.scores[drawn_so & there]
            if len(scores):
                label = words if line == "-" else f"{words}, not at random"
                below.hist(
                    scores, bins=40, range=(0, 1), histtype="step", color=colour, linestyle=line, label=label
                )  # fmt: skip
    below.set(xlabel="score", ylabel="images (log scale)", yscale="log", ylim=(0.7, None))
    for axis in (above, middle, below):
        axis.legend()
    with writing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
