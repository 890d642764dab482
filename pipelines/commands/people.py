"""``cleanplate people`` and ``calibrate-people``: the person filter by itself."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

console = Console()


def people(
    folder: Annotated[Path, typer.Argument(help="A folder of photographs, in any layout, .tar files included")],
    out: Annotated[Path, typer.Option(help="One row an image: locator, person, score")] = Path("people.parquet"),
    boxes: Annotated[Path | None, typer.Option(help="The detections too, as the stage 'detect' stores them")] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="builtin, onnx, darknet, torchvision, fiftyone, any, confirm or fusion; none: the best at hand"
        ),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="Its files or model names: one for onnx, two for fusion")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Score from which it is a person; none: its default")] = None,
    calibration: Annotated[Path | None, typer.Option(help="Of 'cleanplate calibrate-people', for fusion")] = None,
) -> None:
    """Look for people in any folder of photographs, with no pipeline around it.

    Files are looked up in $CLEANPLATE_WEIGHTS and .weights. A run that was killed goes on where it stopped.
    """
    from pipelines.detectors import choose
    from pipelines.people import filter_folder

    choice = choose(detector, weights or [], calibration)
    console.print(f"{choice.words}, threshold {choice.threshold if threshold is None else threshold:g}")
    found = filter_folder(folder, choice, out, boxes, threshold)
    table = Table("", "images", title=str(out))
    for name, count in found.counts.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    console.print(f"{found.images_per_second:.1f} images a second")


def calibrate_people(
    folder: Annotated[Path, typer.Argument(help="Photographs that somebody looked at")],
    labels: Annotated[Path, typer.Argument(help="CSV: locator (or file) and person, 1 or 0")],
    weights: Annotated[list[str] | None, typer.Option(help="Two ONNX detectors; none: those at hand")] = None,
    out: Annotated[Path, typer.Option(help="What detect.calibration and 'people --calibration' take")] = Path(
        "fusion.json"
    ),
    false_alarms: Annotated[float, typer.Option(help="Share of images without people that may be rejected")] = 0.024,
) -> None:
    """Fit the fusion of two detectors to labelled photographs; print what it is worth, cross-validated.

    A few hundred photographs like those to be filtered, half of them with people, are a good start.
    """
    from curation.audit import read_labels
    from curation.detectors.calibration import write_calibration
    from pipelines.calibrate_people import calibrate as fit
    from pipelines.detectors import choose

    spec = choose("fusion", weights or []).spec
    first, second = (member.files[0] for member in spec.members)
    seen = {name: label.person for name, label in read_labels(labels).seen.items()}
    found = fit(folder, seen, (first, second), false_alarms)
    write_calibration(found.calibration, out)
    table = Table("threshold", "people found", "false alarms", title="cross-validated, with 95 % intervals")
    near = min(range(len(found.points)), key=lambda i: abs(found.points[i].threshold - found.chosen.threshold))
    for point in sorted({found.chosen, *found.points[max(0, near - 4) : near + 5]}, key=lambda p: p.threshold):
        table.add_row(f"{point.threshold:.3f}", str(point.recall), str(point.false_alarms))
    console.print(table)
    known = found.calibration
    console.print(
        f"{known.images} photographs, {known.with_people} with people, {found.settled:.0%} settled by the whole"
    )
    console.print(f"{out}: threshold {known.threshold:g}")
