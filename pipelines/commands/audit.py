"""``cleanplate audit`` and ``audit-sample``: how far the person filter can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from curation.audit import Labels

console = Console()
VERDICTS = Path("data/verdicts.parquet")
AROUND = 0.1
"""Scores up to this far from the threshold are near it."""
Scores = Annotated[Path, typer.Option(help="What 'cleanplate people' or the stage curate wrote")]
Threshold = Annotated[
    float | None,
    typer.Option(help="None: the one in use, of the table 'cleanplate people' wrote, else curate.person_score"),
]
Tags = Annotated[bool, typer.Option("--tags", help="Labels are tags in FiftyOne, not a CSV")]


def audit(
    labels: Annotated[Path | None, typer.Argument(help="CSV: locator (or file), person (1 or 0), maybe why")] = None,
    scores: Scores = VERDICTS,
    threshold: Threshold = None,
    residual: Annotated[float, typer.Option(help="Wanted: share of kept images that may show a person")] = 0.005,
    plot: Annotated[Path | None, typer.Option(help="PNG of the threshold curve")] = None,
    tags: Tags = False,
) -> None:
    """Say how far the person filter can be trusted, from images that somebody looked at.

    Shares are of the images drawn at random (column `why`; without it, all); others say where to look.
    Draw the images to label with `cleanplate audit-sample`.
    """
    from curation.audit import at, curve, match, near, propose, read_labels
    from pipelines.audit import draw_curve, read_scores

    if (labels is None) is not tags:
        raise ValueError("name the CSV with the labels, or give --tags to read them from FiftyOne; one of both")
    scored = read_scores(scores, threshold)
    found = read_labels(labels) if labels is not None else _tagged()
    looked, threshold = match(found.seen, scored.best), scored.threshold
    points, point = curve(looked, 1e-6), at(looked, threshold)
    table = Table("threshold", "people found", "false alarms", "people among the kept")
    place = min(range(len(points)), key=lambda i: abs(points[i].threshold - threshold))
    for row in sorted({point, *points[max(0, place - 3) : place + 4]}, key=lambda p: p.threshold):
        mark = " in use" if row is point and scored.in_use else ""
        table.add_row(f"{row.threshold:.3f}{mark}", str(row.recall), str(row.false_alarms), str(row.residual))
    console.print(table)
    drawn = int(looked.random.sum())
    console.print(f"Shares with 95 % intervals, of the {drawn:,} labelled images that were drawn at random.")
    if found.waiting:
        console.print(
            f"{found.waiting:,} more were drawn and are not labelled; until they are, the shares hold only if the "
            "labelled ones are no selection."
        )
    if len(looked.scores) > drawn:
        low, high = max(0.0, threshold - AROUND), threshold + AROUND
        under, over = near(looked, low, threshold), near(looked, threshold, high)
        console.print(
            f"Near the threshold, of all labels, so no shares but where to look: people in {under.hits} of "
            f"{under.total} images scored {low:.2f} to {threshold:.2f}, in {over.hits} of {over.total} scored "
            f"{threshold:.2f} to {high:.2f}."
        )
    if looked.unknown:
        console.print(f"{len(looked.unknown)} labelled images have no score, such as {looked.unknown[0]}")
    proposal = propose(points, residual)
    wanted = f"at most {residual:.2%} of kept images show a person"
    if proposal.point is not None:
        console.print(
            f"{wanted.capitalize()}, 95 % sure: threshold {proposal.point.threshold:.3f} "
            f"(false alarms {proposal.point.false_alarms})"
        )
    else:
        console.print(
            f"No threshold makes it 95 % sure that {wanted}: label at least {proposal.more:,} more kept images, all of "
            f"which would have to be without people (about {proposal.draws:,} more drawn at random)"
        )
        if proposal.hopeless:
            console.print("More people than that are among the kept as it is: take a better detector, not more labels")
    if plot is not None:
        draw_curve(points, looked, threshold, residual, plot)
        console.print(f"the curve: {plot}")


def audit_sample(
    scores: Scores = VERDICTS,
    out: Annotated[Path, typer.Option(help="CSV to fill in: 1 or 0 in the column person")] = Path("labels.csv"),
    count: Annotated[int, typer.Option(min=4, help="Images to label")] = 400,
    threshold: Threshold = None,
    seed: Annotated[int, typer.Option(help="Another seed draws others")] = 1,
    tags: Tags = False,
) -> None:
    """Draw images to label: half at random, for shares of all, half near the threshold, where labels tell most."""
    from curation.audit import draw
    from pipelines.audit import read_scores, write_sample

    if not tags and out.exists():
        raise ValueError(f"{out} is there already; somebody may have filled it in: give another --out")
    scored = read_scores(scores, threshold)
    rows = draw(scored.best, scored.threshold, count, seed)
    if tags:
        from pipelines.browse.labels import ask, backgrounds

        asked = ask(backgrounds(), rows)
        console.print(
            f"{asked} of {len(rows)} images tagged; open the view 'to label' of 'cleanplate browse backgrounds', press "
            "Person or Nobody, then 'cleanplate audit --tags'"
        )
        return
    write_sample(rows, out)
    console.print(f"{out}: {len(rows)} images; write 1 or 0 into 'person', then 'cleanplate audit {out}'")


def _tagged() -> "Labels":
    from pipelines.browse.labels import answers, backgrounds

    return answers(backgrounds())
