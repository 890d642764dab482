"""The ``cleanplate`` command."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.storage import Root
from pipelines.commands import (
    audit,
    browse,
    calibrate,
    captured,
    curation,
    decisions,
    demo,
    evaluate,
    init,
    matte,
    people,
    replay,
    shards,
    shares,
)
from pipelines.terminal import legible

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="From photographs and green-screen mattes to two trained matting networks.\n\n"
    "The main job is `dvc repro`; this command sets it up, prices it and shows what came out. "
    "Start with `cleanplate doctor`.",
)
use_app = typer.Typer(no_args_is_help=True, help="Write params.yaml for the miniature or the real datasets.")
app.add_typer(use_app, name="use")
app.add_typer(browse.app, name="browse")
app.add_typer(decisions.app, name="decisions")
app.add_typer(matte.app, name="matte")
app.command()(init.init)
app.command()(init.run)
app.command()(demo.demo)
app.command()(people.people)
app.command()(people.calibrate_people)
app.command()(curation.curation)
app.command()(audit.audit)
app.command()(audit.audit_sample)
app.command()(calibrate.calibrate)
app.command()(captured.captured)
app.command()(shares.detect)
app.command()(shares.mattes)
app.command()(shares.render)
app.add_typer(shards.app, name="shards")
app.command()(shards.show)
app.command()(shards.verify)
app.command()(replay.replay)
app.command()(evaluate.evaluate)
use_app.command("testset")(evaluate.use_testset)

console = Console()
SCANS = Path(".work/scan")


def _show(value: Any) -> str:
    return "-" if value is None else str(value)


def _apply(name: Any, photos: bool = False) -> None:
    from pipelines.presets import use

    changes = use(name, photos=photos)
    if not changes:
        console.print(f"params.yaml already is the preset '{name}'.")
        return
    table = Table("key", "before", "now", title=f"params.yaml: preset '{name}'")
    for change in changes:
        table.add_row(change.key, _show(change.before), _show(change.after))
    console.print(table)


@use_app.command("sample")
def use_sample() -> None:
    """Use the embedded miniature: no download, minutes on a laptop.

    Next: `dvc repro`.
    """
    _apply("sample")


@use_app.command("full")
def use_full(
    places365: Annotated[str, typer.Option(help="Places365: holds data_large/, train/, val_large/ or .tar")],
    videomatte: Annotated[str, typer.Option(help="VideoMatte240K: holds train/ and test/, or fgr/, pha/")],
    published: Annotated[
        bool, typer.Option("--published", help="Perturb as Background Matting V2's own training did")
    ] = False,
    photos: Annotated[
        str | None, typer.Option(help="More backgrounds: any folder of photographs, larger than Places365's")
    ] = None,
) -> None:
    """Use the real datasets: folders, or URLs such as s3://BUCKET/places365.

    The roots go into the git-ignored paths.yaml. Next: `cleanplate scan`, `cleanplate estimate`, `dvc repro`.
    """
    from pipelines.presets import write_roots

    write_roots(places365, videomatte, photos=photos)
    _apply("published" if published else "full", photos is not None)
    if photos is not None:
        console.print(
            "Write licence and source of your photographs into params.yaml, data.photos: they go into the shards."
        )


@use_app.command("extra")
def use_extra(
    name: Annotated[str, typer.Argument(help="How params.yaml is to call it, such as office")],
    folder: Annotated[
        Path, typer.Argument(help="src/, bgr/, pha/ and perhaps fgr/; or KEY.src.jpg, ... in .tar or not")
    ],
) -> None:
    """Register samples of your own for training: captured pairs with an alpha, or shards.

    The folder goes into the git-ignored paths.yaml, its digest into params.yaml. Next: name it in `train_base.extra`.
    """
    from pipelines.presets import write_extra
    from training.samples.extra import find_samples

    samples = find_samples(name, folder)
    known = sum("fgr" in sample.layers for sample in samples)
    write_extra(name, folder)
    _scan_extra(name, folder, rehash=False)
    console.print(
        f"{len(samples):,} samples, {known:,} with a foreground. To mix them in, write below train_base:\n"
        f"  extra: [{{name: {name}, share: 0.1, weight: 0.5}}]",
        highlight=False,
        markup=False,
    )


@app.command()
def scan(
    rehash: Annotated[bool, typer.Option(help="Read files whose time changed but whose size did not")] = False,
) -> None:
    """Walk the raw datasets (names and sizes only) and write their digests into params.yaml.

    Run it after the raw data changed: `dvc repro` itself never walks them, and does again what the digests touch.
    """
    from pipelines.params import load
    from pipelines.paths import extra_roots, roots

    params = load()
    for name, root in extra_roots().items():
        _scan_extra(name, root, rehash)
    evaluate.scan_testsets()
    if params.data.preset == "sample":
        console.print("The sample needs no scan: its stage stamps what it made.")
        return
    found = roots(params)._asdict()
    for name, root in ((name, root) for name, root in found.items() if root is not None):
        digest = getattr(params.data, name).digest
        _scan(name, root, SCANS / f"{name}.parquet", rehash, digest, f"data.{name}.digest")


def _scan_extra(name: str, root: Path, rehash: bool) -> None:
    from pipelines.params import load
    from pipelines.presets import set_value

    known = load().extra.get(name)
    if known is None:
        set_value(f"extra.{name}", {"digest": None})
    digest = None if known is None else known.digest
    _scan(name, root, SCANS / f"extra-{name}.parquet", rehash, digest, f"extra.{name}.digest")


def _scan(name: str, root: Root, cache: Path, rehash: bool, before: str | None, key: str) -> None:
    from pipelines.presets import set_value
    from pipelines.scan import Listing, record
    from pipelines.scan import scan as walk

    with console.status(f"{name}: walking {root}") as status:
        for step in walk(root, cache, rehash, before):
            if isinstance(step, int):
                status.update(f"{name}: {step:,} files")
    assert isinstance(step, Listing)
    set_value(key, step.digest)
    record(step, cache)
    news = "unchanged" if step.digest == before else f"digest {step.digest}"
    console.print(
        f"{name}: {step.files:,} files, {step.bytes / 1e9:.1f} GB; "
        f"{step.added:,} new, {step.changed:,} changed, {step.removed:,} gone; {news}"
    )
    if step.suspicious:
        console.print(
            f"  {len(step.suspicious):,} files have another time but the same size, such as "
            f"{step.suspicious[0]}; 'cleanplate scan --rehash' reads them"
        )


@app.command()
def estimate() -> None:
    """Say what the current parameters will cost in disk and hours, before anything runs.

    The hours are orders of magnitude. The disk counts the DVC cache: once where it can hard-link, twice elsewhere.
    """
    import importlib.util

    from pipelines.estimate import estimate as price
    from pipelines.params import load

    gpu = False
    if importlib.util.find_spec("torch"):
        import torch

        gpu = torch.cuda.is_available()
    params = load()
    result = price(params, SCANS, gpu)
    table = Table("stage", "work", "GB", "hours", title=f"preset '{params.data.preset}', {'GPU' if gpu else 'CPU'}")
    for line in result.lines:
        table.add_row(line.stage, line.what, f"{line.gigabytes:.2f}", f"{line.hours:.2f}")
    console.print(table)
    copies = "hard links, one copy" if result.cache_shares_disk else "a second copy"
    console.print(
        f"{result.composites:,} composites; {result.gigabytes:.1f} GB on disk (DVC cache: {copies}), "
        f"{result.free_gigabytes:.1f} GB free; about {result.hours:.1f} hours"
    )
    if result.gigabytes > result.free_gigabytes:
        console.print("[red]It does not fit.[/red] Lower plan.base.count or plan.refine.count, or free some disk.")
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Say what works here, what is missing, and the command that mends it.

    Exit code 1 where the main job cannot run.
    """
    from pipelines.doctor import examine

    findings = examine()
    table = Table("", "what", "found", "mend with")
    for item in findings:
        mark = (
            "[green]ok[/green]" if item.ok else "[yellow]optional[/yellow]" if item.optional else "[red]missing[/red]"
        )
        table.add_row(mark, item.subject, item.words, item.mend)
    console.print(table)
    if any(not item.ok and not item.optional for item in findings):
        raise typer.Exit(1)


@app.command()
def fetch_weights(
    source: Annotated[str | None, typer.Argument(help="A known name, a URL or a file; none: list the names")] = None,
    sha256: Annotated[str, typer.Option(help="Checksum it must have; 8 digits or more")] = "",
) -> None:
    """Download published weights, or take a local file, and convert them to safetensors in .weights.

    Takes `.pth`, TorchScript and `.safetensors`; nothing in a file is ever run. What comes out is named in
    `train_base.init`, `train_refine.init` or `detect.members` by its file name.
    """
    from pipelines.fetch import KNOWN, fetch

    if source is None:
        table = Table("name", "what", "from")
        for name, known in KNOWN.items():
            table.add_row(name, known.words, known.url)
        console.print(table)
        return
    found = fetch(source, sha256)
    console.print(f"{found.path}: {found.words}\nSHA-256 {found.sha256}", highlight=False, soft_wrap=True)


@app.command()
def explain(
    section: Annotated[str | None, typer.Argument(help="A section or key, such as curate or plan.look")] = None,
) -> None:
    """Say what each key of params.yaml means, with its value now."""
    from pipelines.explain import explain as meanings

    for key, value, words in meanings(section):
        console.print(Text.assemble((key, "bold"), f" = {legible(value)}\n    {words}"))


@app.command()
def clean() -> None:
    """Remove work folders whose outputs dvc.lock records, and those unused for a week."""
    from pipelines.work import sweep

    removed = sweep()
    console.print(f"removed {len(removed)} work folders")


def main() -> None:
    """Run the command; an expected error is one message with the next step, not a traceback."""
    try:
        app()
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        # Text from data: neither rich's marks nor a terminal's commands may act.
        Console(stderr=True).print(Text.assemble(("cleanplate: ", "red"), legible(error)), soft_wrap=True)
        sys.exit(1)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("pymongo", "fiftyone"):
            raise
        words = f"FiftyOne's database, a mongod, does not answer ({type(error).__name__}); run the command again"
        Console(stderr=True).print(f"[red]cleanplate:[/red] {words}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
