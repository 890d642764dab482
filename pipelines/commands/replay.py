"""``cleanplate replay``: a training step that went wrong, taken again."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from training.watch.divergence import Incident
    from training.watch.replay import Layer, Taken

console = Console()


def replay(
    file: Annotated[Path, typer.Argument(help="What the message of the stopped run names: diverged-STEP.safetensors")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for a PNG a sample: what the step saw and made of it")
    ] = None,
    accelerator: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to take the step")] = "auto",
) -> None:
    """Take the step at which training stopped again, and name the layer, the weights and the sample that went wrong.

    When the loss or its gradient is no number, or the loss explodes, training saves the batch and the weights before
    the step in its work folder. Here the same step runs with the same crops and dropout, at the run's precision and in
    float32 side by side: each loss term, the first layer whose output is not finite, the layer with the largest output,
    gradients by part of the network, and the loss of each sample. Nothing is trained, and nothing in the file can run.

    * Wrong at the run's precision and right in float32: set `precision` to `32-true`, or `clip` to 1.0.
    * Wrong in both, with weights that were broken before: an earlier step did it; lower `rates`.
    * One sample stands out: look at it with `--out DIR` or `cleanplate show COMPOSITE`.
    * Nothing is wrong in the step itself: the run drifted off before; lower `rates`, or raise `diverge` if it did not.

    Change params.yaml and run `CLEANPLATE_RESUME=anyway dvc repro`: it goes on from the last checkpoint.
    """
    from pipelines.stage import require_extra

    require_extra("train")
    from training.watch import divergence
    from training.watch.replay import broken_weights
    from training.watch.replay import replay as again

    incident = divergence.load(file)
    say(f"[bold]train_{incident.kind}[/bold]: {incident.what}")
    taken = again(incident, accelerator)
    if taken[0].precision != incident.params.precision:
        say(f"The run's {incident.params.precision} needs a GPU: only float32 here.")
    before = broken_weights(incident.weights)
    if before:
        say(f"{len(before)} weights were not finite before the step already, such as {before[0]}")
    console.print(_terms(taken))
    for each in taken:
        say(f"[bold]{each.precision}[/bold]")
        if each.first is not None:
            say(f"  first output that is not finite: {_words(each.first, incident)}")
        say(f"  largest output: {_words(each.largest, incident)}")
        for part in each.gradients:
            bad = f", {part.broken:.1%} not finite" if part.broken else ""
            say(f"  gradient of {part.part}: norm {part.norm:.3g}, largest {part.largest:.3g} in {part.where}{bad}")
    console.print(_samples(incident, taken))
    say(_verdict(incident, taken, bool(before)))
    if out is not None:
        _write(out, incident, taken[0])


def say(words: str) -> None:
    """Print a line without breaking it."""
    console.print(words, highlight=False, soft_wrap=True)


def _terms(taken: "list[Taken]") -> Table:
    table = Table("loss", *(each.precision for each in taken))
    for name in taken[0].terms:
        table.add_row(name, *(f"{each.terms[name]:.5g}" for each in taken))
    return table


def _words(layer: "Layer", incident: "Incident") -> str:
    shape = "x".join(map(str, layer.shape))
    text = f"{layer.name} ({layer.kind}, {shape}): up to {layer.largest:.3g} of {layer.entered:.3g} that went in"
    if layer.broken:
        text += f", {layer.broken:.1%} not finite"
    if layer.samples and len(layer.samples) < len(incident.composites):
        text += f", in {', '.join(incident.composites[i] for i in layer.samples)}"
    return text


def _samples(incident: "Incident", taken: "list[Taken]") -> Table:
    columns = [word for each in taken for word in (f"loss, {each.precision}", "its pull")]
    table = Table("composite", *columns, caption="pull: the largest gradient of the loss at the network's outputs")
    first = taken[0].samples
    order = sorted(range(len(first)), key=lambda i: _rank(first[i]["total"]), reverse=True)
    for i in order:
        cells = [text for each in taken for text in (f"{each.samples[i]['total']:.5g}", f"{each.pulls[i]:.3g}")]
        table.add_row(incident.composites[i], *cells)
    return table


def _rank(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def _verdict(incident: "Incident", taken: "list[Taken]", before: bool) -> str:
    def fine(each: "Taken") -> bool:
        return math.isfinite(each.terms["total"]) and not any(part.broken for part in each.gradients)

    if before:
        return "An earlier step broke the weights. Lower the rates."
    if all(fine(each) for each in taken):
        return "This step is in order by itself: the run drifted off in the steps before. Lower the rates, or set clip."
    if fine(taken[-1]):
        return f"{taken[0].precision} fails where float32 does not: set precision to '32-true', or lower the rates."
    layer = taken[-1].first
    if layer is not None and 0 < len(layer.samples) < len(incident.composites):
        return f"Look at {', '.join(incident.composites[i] for i in layer.samples)}: float32 fails on it too."
    return "float32 fails too. Lower the rates, set clip, or start from other weights."


def _write(folder: Path, incident: "Incident", taken: "Taken") -> None:
    import cv2

    from training.watch.replay import picture

    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(incident.composites):
        path = folder / f"{i:02d}-{name}.png"
        cv2.imwrite(str(path), cv2.cvtColor(picture(incident, taken, i), cv2.COLOR_RGB2BGR))
    say(f"{len(incident.composites)} pictures in {folder}: source, background, foreground, true alpha, predicted alpha")
