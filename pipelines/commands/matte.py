"""``cleanplate matte``: people out of clips and pictures, with a trained network and a picture of the empty scene."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipelines.matting.plates import Boxes, Plate
    from pipelines.matting.work import What
    from training.predictor import MattingPredictor
    from training.realtime.finish import Finish

app = typer.Typer(no_args_is_help=True, help="Matte people in clips and pictures with a trained network.")
console = Console()
WEIGHTS = Path("data/models/refine.safetensors")
STOPPED = 130
SPARSE = 0.98
"""Uncovered shares below which the rest is worth a warning."""
DRIFT = 0.15
"""Stops of exposure over a clip from which one fit for all of it leaves traces."""

Weights = Annotated[Path, typer.Option(help="A refine network: its file, or the folder with its card")]
Over = Annotated[str | None, typer.Option(help="Behind the person: blur, a colour (green, #rrggbb), picture or clip")]
Wants = Annotated[str | None, typer.Option(help="composite, rgba, alpha or foreground; none: what --over and OUT say")]
Straight = Annotated[bool | None, typer.Option("--premultiplied/--straight", help="Colours times alpha, or not")]
Align = Annotated[str, typer.Option(help="Fit the background to the first frame, to each, or never")]
Smooth = Annotated[float, typer.Option(help="Steady the matte where the picture stands still, 0 to below 1")]
Largest = Annotated[bool, typer.Option("--largest", help="Keep only the largest person")]
Choke = Annotated[float, typer.Option(help="Move the edge inward by pixels; negative: outward")]
Feather = Annotated[float, typer.Option(min=0.0, help="Soften the edge by pixels")]
Despill = Annotated[str | None, typer.Option(help="Take a screen's colour out of the person: green or blue")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Go on with a background that does not seem to belong")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it exists")]
Backend = Annotated[str, typer.Option(help="auto, pytorch (the network as it is) or runtime (fast, on a CPU)")]
Precision = Annotated[
    str | None, typer.Option(help="Of the runtime: float32, bfloat16, int8 (fastest); none: bfloat16 where it is fast")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...; none: a GPU where there is one")]


@app.command("image")
def image(
    src: Annotated[Path, typer.Argument(help="A photograph")],
    out: Annotated[Path, typer.Argument(help="What to write: .png, .exr (linear light) or .jpg")],
    background: Annotated[Path, typer.Option(help="The empty scene: a picture, or a clip of it")],
    over: Over = None,
    what: Wants = None,
    weights: Weights = WEIGHTS,
    premultiplied: Straight = None,
    align: Align = "first",
    largest: Largest = False,
    choke: Choke = 0.0,
    feather: Feather = 0.0,
    despill: Despill = None,
    anyway: Anyway = False,
    overwrite: Overwrite = False,
    device: Device = None,
) -> None:
    """Matte one photograph: RGBA, alpha, foreground, or the person over something else."""
    from pipelines.stage import require_extra

    require_extra("train")
    from pipelines.matting import backdrops, plates
    from pipelines.matting.reading import read_picture
    from pipelines.matting.work import Wanted, picture
    from pipelines.matting.writing import write_picture
    from training.realtime.finish import Finisher

    _free(src, out, overwrite)
    if out.suffix.lower() not in (".png", ".exr", ".jpg", ".jpeg"):
        raise ValueError(f"{out}: give a name that ends in .png, .exr or .jpg")
    wanted = Wanted(
        _what(what, over, out.suffix.lower() in (".png", ".exr")),
        premultiplied,
        finish=_finish(0.0, largest, choke, feather, despill),
    )
    linear = _linear(out.suffix.lower() == ".exr", wanted.what)
    frame = read_picture(src)
    plate = plates.captured(background, *frame.shape[:2])
    console.print(f"background: {plate.words}", highlight=False)
    predictor = _predictor(weights, device, align, "pytorch")  # ready sooner, for one picture
    _fit(predictor, [frame], plate, anyway)
    behind = None
    if wanted.what == "composite":
        show = backdrops.choose(over or "green", lambda: _used(predictor, plate), *frame.shape[:2])
        behind = lambda: show(0.0)  # noqa: E731
    out.parent.mkdir(parents=True, exist_ok=True)
    write_picture(out, picture(frame, predictor, Finisher(wanted.finish), wanted, behind, linear))
    console.print(f"{out}: {wanted.what}", highlight=False, soft_wrap=True)


@app.command("video")
def video(
    src: Annotated[Path, typer.Argument(help="A clip of a camera that stands still")],
    out: Annotated[
        Path, typer.Argument(help=".mp4 (H.264), .mov (ProRes 4444), .webm (VP9), .mkv (FFV1); no ending: a folder")
    ],
    background: Annotated[
        Path | None, typer.Option(help="The empty scene: a picture, or a clip of it; none: recovered from SRC")
    ] = None,
    over: Over = None,
    what: Wants = None,
    weights: Weights = WEIGHTS,
    exr: Annotated[bool, typer.Option("--exr", help="In a folder: EXR in linear light in place of PNG")] = False,
    premultiplied: Straight = None,
    align: Align = "first",
    smooth: Smooth = 0.0,
    largest: Largest = False,
    choke: Choke = 0.0,
    feather: Feather = 0.0,
    despill: Despill = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many: a trial")] = None,
    anyway: Anyway = False,
    overwrite: Overwrite = False,
    device: Device = None,
    backend: Backend = "auto",
    precision: Precision = None,
) -> None:
    """Matte a clip: every frame at its own time, sound kept.

    .mov, .webm, .mkv and folders hold alpha and get RGBA; .mp4 gets the person over --over (green). Ctrl-C leaves a
    playable file of what is done.
    """
    from pipelines.stage import require_extra

    require_extra("train")
    from pipelines.matting import backdrops, plates
    from pipelines.matting.reading import spread
    from pipelines.matting.work import Wanted, matte_clip

    _free(src, out, overwrite)
    wanted = Wanted(
        _what(what, over, out.suffix.lower() != ".mp4"),
        premultiplied,
        ".exr" if exr else ".png",
        _finish(smooth, largest, choke, feather, despill),
        frames,
    )
    if exr and out.suffix:
        raise ValueError(f"--exr writes a folder of pictures; {out} has an ending, give a name without one")
    _linear(exr, wanted.what)
    looks = spread(src, plates.FRAMES if background is None else plates.LOOKS)
    size = looks[0].shape[:2]
    plate = plates.captured(background, *size) if background is not None else _recovered(looks)
    console.print(f"background: {plate.words}", highlight=False)
    predictor = _predictor(weights, device, align, backend, precision)
    console.print(f"network: {predictor.words}", highlight=False)
    _fit(predictor, looks[:: max(1, len(looks) // plates.LOOKS)], plate, anyway)
    show = None
    if wanted.what == "composite":
        show = backdrops.choose(over or "green", lambda: _used(predictor, plate), *size)
    done = matte_clip(src, out, predictor, wanted, show)
    console.print(f"{out}: {wanted.what}, {done.frames:,} frames", highlight=False, soft_wrap=True)
    if done.trouble is not None:
        raise ValueError(f"{done.trouble}; the {done.frames:,} frames before that are in {out}")
    if done.early:
        console.print(f"{src} ends {done.early:.1f} s before the length it states: it may be cut off.", highlight=False)
    if done.stopped:
        console.print("Stopped before the end, as you asked.")
        raise typer.Exit(STOPPED)


@app.command("webcam")
def webcam(
    out: Annotated[
        Path | None, typer.Argument(help="Also write the results: .mp4, .mov, .webm, .mkv or a folder")
    ] = None,
    camera: Annotated[str, typer.Option(help="A device's number; a file or a URL stands in for one")] = "0",
    background: Annotated[
        Path | None, typer.Option(help="The empty scene: a picture, or a clip of it; none: captured on B")
    ] = None,
    over: Over = None,
    weights: Weights = WEIGHTS,
    size: Annotated[str | None, typer.Option(help="Ask the camera for WIDTHxHEIGHT, such as 640x360")] = None,
    countdown: Annotated[float, typer.Option(min=0.0, help="Seconds between B and the plate")] = 5.0,
    window: Annotated[bool, typer.Option("--window/--no-window", help="Show the results")] = True,
    virtual: Annotated[bool, typer.Option("--virtual", help="Be a camera for other programs: [webcam]")] = False,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="End after so many seconds of results")] = None,
    align: Align = "first",
    smooth: Smooth = 0.0,
    largest: Largest = False,
    choke: Choke = 0.0,
    feather: Feather = 0.0,
    despill: Despill = None,
    anyway: Anyway = False,
    overwrite: Overwrite = False,
    device: Device = None,
    backend: Backend = "auto",
    precision: Precision = None,
) -> None:
    """Matte a camera live: B captures the plate after a countdown, and again whenever pressed; Q or Escape ends.

    Without a window the countdown begins at once, where there is no --background.
    """
    from pipelines.stage import require_extra

    require_extra("train")
    from pipelines.matting.live import Asked
    from pipelines.matting.webcam import run

    if not window and out is None and not virtual:
        raise ValueError("--no-window leaves nothing to show results in; name a file to write, or give --virtual")
    if out is not None:
        _unused(out, overwrite)
    asked = Asked(
        countdown,
        at_once=not window,
        seconds=seconds,
        finish=_finish(smooth, largest, choke, feather, despill),
    )
    predictor = _predictor(weights, device, align, backend, precision)

    def fit(frame: "NDArray[np.uint8]") -> None:
        from pipelines.matting import plates

        if background is not None:
            plate = plates.captured(background, *frame.shape[:2])
            console.print(f"background: {plate.words}", highlight=False)
            _fit(predictor, [frame], plate, anyway)

    if run(camera, _sides(size), predictor, fit, over or "green", asked, window, virtual, out, _say):
        raise typer.Exit(STOPPED)


def _say(line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


def _sides(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    width, _, height = size.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise ValueError(f"--size {size}: give WIDTHxHEIGHT, such as 640x360")
    return int(width), int(height)


def _free(src: Path, out: Path, overwrite: bool) -> None:
    if not src.is_file():
        raise FileNotFoundError(f"{src} is missing; give the path of a file")
    if out.exists() and src.samefile(out):
        raise ValueError(f"{out} is the source itself; give another name")
    _unused(out, overwrite)


def _unused(out: Path, overwrite: bool) -> None:
    if out.is_file() and not overwrite:
        raise ValueError(f"{out} exists; --overwrite replaces it")


def _what(what: str | None, over: str | None, alpha: bool) -> "What":
    from typing import get_args

    from pipelines.matting.work import What

    if what is None:
        return "rgba" if alpha and over is None else "composite"
    if what not in get_args(What):
        raise ValueError(f"--what {what}: none of {', '.join(get_args(What))}")
    if over is not None and what != "composite":
        raise ValueError(f"--what {what} has nothing behind the person; leave --over out, or ask for composite")
    return what  # type: ignore[return-value]  # just compared


def _linear(exr: bool, what: str) -> bool:
    if exr and what != "rgba":
        raise ValueError(f"EXR holds colours with alpha in linear light, not {what}; leave --what and --over out")
    return exr


def _finish(smooth: float, largest: bool, choke: float, feather: float, despill: str | None) -> "Finish":
    from training.realtime.finish import Finish

    if despill not in (None, "green", "blue"):
        raise ValueError(f"--despill {despill}: neither green nor blue")
    screen: Literal["green", "blue"] | None = despill  # type: ignore[assignment]  # just compared
    return Finish(smooth, largest, choke, feather, screen)


def _predictor(
    weights: Path, device: str | None, align: str, backend: str, precision: str | None = None
) -> "MattingPredictor":
    import torch

    from training.predictor import MattingPredictor

    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    # It says what it takes.
    return MattingPredictor.from_pretrained(weights, place, align, backend, precision)  # type: ignore[arg-type]


def _fit(predictor: "MattingPredictor", frames: "list[NDArray[np.uint8]]", plate: "Plate", anyway: bool) -> None:
    """Hold the plate against frames all over the clip, before the work; fit it to the one that shows most of it."""
    from pipelines.matting.plates import held_against

    fits = held_against(frames, plate.image)
    best, frame = fits[0]
    words = best.words if len(fits) == 1 else f"{best.words} (best of {len(fits)} frames)"
    if not best.belongs and not anyway:
        raise ValueError(f"{words}. Give the picture of this scene by this camera, or go on with --anyway")
    console.print(words, highlight=False, soft_wrap=True)
    strange = sum(not found.belongs for found, _ in fits)
    if best.belongs and strange:
        console.print(
            f"In {strange} of {len(fits)} frames it is hardly to be seen: people fill them, or the camera moved "
            "(--align each follows a little)."
        )
    stops = [found.stops for found, _ in fits if found.belongs]
    drift = max(stops, default=0.0) - min(stops, default=0.0)
    if drift >= DRIFT and predictor.fitting == "first":
        console.print(f"The camera's exposure drifts by {drift:.2f} stops over the clip: --align each follows it.")
    predictor.set_background(plate.image, None if predictor.fitting == "never" else frame)


def _used(predictor: "MattingPredictor", plate: "Plate") -> Any:
    return plate.image if predictor.background is None else predictor.background


def _recovered(looks: "list[NDArray[np.uint8]]") -> "Plate":
    from pipelines.matting.plates import recovered

    plate, share = recovered(looks, _people())
    console.print(f"no --background: {share:.1%} of the frame was uncovered by people at some time", highlight=False)
    if share < SPARSE:
        console.print(
            f"The other {1 - share:.1%} is a guess, and whoever stood there may be missing from the matte: "
            "a picture of the empty scene is better."
        )
    return plate


def _people() -> "Boxes":
    from curation.detectors.build import build_observer
    from pipelines.detectors import choose, people_finder

    choice = choose(None, [])
    console.print(f"people: {choice.words}, threshold {choice.threshold:g}", highlight=False)
    return people_finder(build_observer(choice.spec), choice.threshold)
