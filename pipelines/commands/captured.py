"""``cleanplate captured``: what a model is worth on the user's own captures, whose true alpha nobody knows."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

console = Console()
WEIGHTS = Path("data/models/refine.safetensors")
EVALUATION = Path("data/evaluation")


def captured(
    src: Annotated[Path, typer.Option(help="Folder of frames with people, or a clip of a camera that stands still")],
    bgr: Annotated[
        Path | None, typer.Option(help="Folder of plates, for a clip one picture; none: the median of its empty frames")
    ] = None,
    people: Annotated[Path | None, typer.Option(help="Boxes of 'cleanplate people SRC --boxes FILE'")] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Masks of people, named as the sources; none: segmented by GrabCut")
    ] = None,
    weights: Annotated[list[Path] | None, typer.Option(help=f"Refine networks or ONNX models; none: {WEIGHTS}")] = None,
    start: Annotated[int, typer.Option(min=0, help="First frame of a clip")] = 0,
    frames: Annotated[int, typer.Option(min=1, help="Frames of it, one after the other")] = 40,
    out: Annotated[Path, typer.Option(help="Folder of the figures and the sheet of pictures")] = Path("captured"),
) -> None:
    """Look at mattes of real captures without a true alpha: outside of people, inside of them, from frame to frame.

    Beside your networks a plain difference and, where 'evaluate' ran, the tuned baseline are measured. People are
    looked for with the best detector at hand ('cleanplate people' says which that is).
    """
    from curation.detectors.build import build_observer
    from pipelines import captured as shell
    from pipelines.detectors import choose, people_finder
    from pipelines.matting.reading import is_video
    from pipelines.methods import name_methods
    from training.evaluation.choosing import Project, build_methods
    from training.evaluation.plain import PlainDifference
    from training.evaluation.tuning import CLASSICAL, load_classical

    filmed = is_video(src)
    if not filmed and bgr is None:
        raise ValueError("--bgr: give the folder of plates that belong to --src; only a clip has a median")
    if filmed and people is not None:
        raise ValueError("--people names pictures, not the frames of a clip; leave it out, and they are looked at here")
    tuned = load_classical(EVALUATION) if (EVALUATION / CLASSICAL).is_file() else None
    if tuned is None:
        console.print(
            f"{EVALUATION / CLASSICAL} is missing, so the tuned baseline is left out: run 'dvc repro evaluate'"
        )
    asked, files = name_methods([str(file) for file in weights or [WEIGHTS]])
    names = [*(["classical"] if tuned else []), *asked]
    methods = [PlainDifference(), *build_methods(names, Project(WEIGHTS, WEIGHTS, "cpu", tuned, files=files))]
    if people is not None:
        boxes = shell.listed(people)
    else:
        choice = choose(None, [])
        console.print(f"{choice.words}, threshold {choice.threshold:g}")
        boxes = shell.detected(people_finder(build_observer(choice.spec), choice.threshold))
    shots = list(shell.clip(src, bgr, start, frames, boxes) if filmed else shell.pairs(src, bgr or src))
    strips, rows = shell.look(shots, methods, boxes, masks)
    shell.write(out, strips, rows)
    console.print(f"Plates: {', '.join(dict.fromkeys(rows['plate']))}", highlight=False)
    _say(shell.summed(rows), len(shots))
    empty = rows.loc[rows["people"] == 0, "name"].nunique()
    if empty:
        console.print(f"Nobody was found in {empty} of {len(shots)}: all of their alpha counts as outside.")
    console.print(f"{out / 'sheet.jpg'}, {out / 'captured.json'}", highlight=False, soft_wrap=True)


def _say(lines: list[dict[str, object]], shots: int) -> None:
    shown = Table("method", "outside", "holes", "flicker", title=f"{shots} shots: error of alpha x 1000")
    for line in lines:
        figures = (
            "-" if line[name] is None else f"{line[name]:.2f} ({line[f'{name}_shots']})"
            for name in ("outside", "holes", "flicker")
        )
        shown.add_row(str(line["method"]), *figures)
    console.print(shown)
    console.print(
        "In brackets: of how many shots. Outside: far from every person's box; holes: deep inside a segmentation "
        "(median); flicker: where the picture stands still. Right: 0. No figure sees edges or hair: look at the sheet."
    )
