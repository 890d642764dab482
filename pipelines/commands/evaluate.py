"""``cleanplate evaluate`` and ``use testset``: any test set and any method, in one table."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

console = Console()
MODELS = Path("data/models")
EVALUATION = Path("data/evaluation")
SHARDS = Path("data/shards")
WHOLE = (
    ("mad", "MAD", 1),
    ("mse", "MSE", 1),
    ("grad", "grad", 2),
    ("conn", "conn", 2),
    ("mad_zero", "alpha 0", 1),
    ("mad_soft", "soft", 1),
    ("mad_one", "alpha 1", 1),
    ("dtssd", "dtSSD", 2),
)
UNKNOWN = (
    ("sad_unknown", "SAD", 2),
    ("mad_unknown", "MAD", 1),
    ("mse_unknown", "MSE", 1),
    ("grad_unknown", "grad", 0),
    ("conn_unknown", "conn", 0),
    ("fgr_mad", "fgr MAD", 1),
    ("fgr_mse", "fgr MSE", 2),
)
TOLD = 20
Layout = Annotated[str, typer.Option(help="auto, folder, rgba, fg-alpha, videomatte or rvm")]
Backgrounds = Annotated[Path | None, typer.Option(help="Photographs without people, for layouts of mattes alone")]


def evaluate(
    folder: Annotated[Path | None, typer.Argument(help="A test set; none: the frozen one of data/shards")] = None,
    layout: Layout = "auto",
    backgrounds: Backgrounds = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="classical, guided, closed_form, base, refine, refine_coarse, a file, or rev:REV; repeat it"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures, with intervals")] = None,
    table: Annotated[Path | None, typer.Option(help="Write a row a sample and method (Parquet)")] = None,
) -> None:
    """Compare methods on a test set: the frozen one, or any folder in the layouts of the field.

    A file is an ONNX matting model or weights of a refine network, such as the published ones; `rev:REV` is the model
    that the Git revision REV recorded, from DVC's cache. Measures, layouts, methods: docs/evaluation.md.
    """
    from curation.storage import writing
    from curation.tables import write_table
    from pipelines.params import load
    from pipelines.testing import Asked, measure_set, open_set
    from training.devices.device import choose_device
    from training.evaluation import tables, tuning
    from training.evaluation.choosing import CLASSICALS, Project
    from training.testsets.opening import tell_layout
    from training.testsets.testset import FrozenTest

    params = load()
    wanted = method or [*tables.METHODS, *params.evaluate.methods]
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as scratch:
        parts = Path(scratch)
        names, files = _methods(wanted, parts)
        tuned = tuning.load_classical(EVALUATION) if set(names) & set(CLASSICALS) else None
        device, _ = choose_device(params.evaluate.accelerator)
        batch = params.evaluate.batch
        models = (MODELS / "base.safetensors", MODELS / "refine.safetensors")
        project = Project(*models, device, tuned, batch, files)
        if folder is None:
            samples, real = FrozenTest(SHARDS, SHARDS.with_suffix(".parquet")), params.data.preset != "sample"
            found = measure_set(samples, real, names, project, batch, parts)
        else:
            told = tell_layout(folder) if layout == "auto" else layout
            _check(told)
            asked = Asked(folder.resolve().name, told, folder.resolve(), backgrounds and backgrounds.resolve(), True)
            found = measure_set(open_set(asked, params, parts), True, names, project, max(batch, 8), parts)
    _print(found.rows[0]["set"], found.summary)
    if json_file is not None:
        with writing(json_file) as temporary:
            temporary.write_text(json.dumps(found.summary, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if table is not None:
        write_table(tables.EVALUATION, found.rows, table)


def _check(layout: str) -> None:
    from training.testsets.opening import LAYOUTS

    if layout not in LAYOUTS:
        raise ValueError(f"--layout: '{layout}'; expected auto, {', '.join(LAYOUTS)}")


def _methods(wanted: Sequence[str], scratch: Path) -> tuple[list[str], dict[str, Path]]:
    """Names in their order and the files behind them, revisions fetched."""
    from pipelines.methods import REVISION, name_methods

    plain, files = name_methods([each for each in wanted if not each.startswith(REVISION)])
    rest = iter(plain)
    names = [each if each.startswith(REVISION) else next(rest) for each in wanted]
    return names, files | {each: _at_revision(each, scratch) for each in wanted if each.startswith(REVISION)}


def _at_revision(method: str, scratch: Path) -> Path:
    """The refine network that a Git revision recorded. Raises ValueError naming what is missing."""
    import dvc.api
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    revision = method.partition(":")[2]
    model = MODELS / "refine.safetensors"
    target = scratch / f"revision-{len(list(scratch.glob('revision-*')))}.safetensors"
    try:
        dvc.api.DVCFileSystem(rev=revision).get_file(str(model), str(target))
    except (DvcException, SCMError, OSError) as error:
        raise ValueError(
            f"method '{method}': {model} of '{revision}' is not at hand ({error}); name a commit whose dvc.lock "
            "records it, and get it with 'dvc fetch --all-commits'"
        ) from error
    return target


def _print(name: str, found: dict[str, Any]) -> None:
    parts = found.get("strengths") or {}
    for title, columns in (
        ("the whole image (x 1000; gradient and connectivity / 1000; dtSSD x 100)", WHOLE),
        ("the trimap's unknown region (SAD / 1000, MAD and MSE x 1000, sums), and colour (x 1000)", UNKNOWN),
    ):
        first = columns[0][1]
        heads = [words for _, words, _ in columns[1:]]
        shown = Table("strength", "method", first, "95 %", *heads, title=f"{name}: {title}")
        for strength, part in [*parts.items(), ("all" if parts else "", found)]:
            for method, means in part["methods"].items():
                cells = [_cell(means.get(key), digits) for key, _, digits in columns]
                cells.insert(1, _range(part["intervals"][method][columns[0][0]], columns[0][2]))
                shown.add_row(strength, method, *cells)
        console.print(shown)
    _say(found)


def _say(found: dict[str, Any]) -> None:
    from training.evaluation.intervals import LEAST_CLIPS
    from training.evaluation.summary import SAMPLE_WORDS

    clips = found["clips"]
    words = f"{found['samples']} samples of {clips} clips"
    if clips < LEAST_CLIPS:
        console.print(f"{words}: no intervals, for that takes {LEAST_CLIPS} clips.")
    else:
        console.print(f"{words}; 95 % bootstrap intervals over clips; --json has those of all measures.")
    if not found["real"]:
        console.print(f"No headline: {SAMPLE_WORDS}.")
    if found["unusable"]:
        console.print(f"{len(found['unusable'])} left out:")
        for each in found["unusable"][:TOLD]:
            console.print(f"  {each['name']}: {each['reason']}", highlight=False, soft_wrap=True, markup=False)
        if len(found["unusable"]) > TOLD:
            console.print(f"  and {len(found['unusable']) - TOLD} more: --json names them all")


def _cell(value: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}"


def _range(interval: list[float] | None, digits: int) -> str:
    return "-" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def use_testset(
    name: Annotated[str, typer.Argument(help="How tables are to call it, such as photomatte")],
    folder: Annotated[Path, typer.Argument(help="The test set")],
    layout: Layout = "auto",
    backgrounds: Backgrounds = None,
    made: Annotated[bool, typer.Option("--made", help="Its mattes are drawn or machine-made: no headline")] = False,
) -> None:
    """Register a test set of your own for the stage evaluate.

    The folder goes into the git-ignored paths.yaml, its digest into `evaluate.sets` of params.yaml.
    Next: `dvc repro evaluate`. To try it out first: `cleanplate evaluate FOLDER`.
    """
    from pipelines.presets import set_value, write_testset
    from pipelines.testing import Asked, digest_of
    from training.testsets.opening import COMPOSED, tell_layout

    told = tell_layout(folder) if layout == "auto" else layout
    _check(told)
    if (told in COMPOSED) != (backgrounds is not None):
        need = "needs --backgrounds, photographs to composite over" if told in COMPOSED else "has its own backgrounds"
        raise ValueError(f"test set '{name}': layout {told} {need}")
    asked = Asked(name, told, folder.resolve(), backgrounds and backgrounds.resolve(), not made)
    digest = digest_of(asked)
    write_testset(name, asked.root, asked.backgrounds)
    set_value(f"evaluate.sets.{name}", {"layout": told, "real": not made, "digest": digest})
    console.print(f"test set '{name}': layout {told}; 'dvc repro evaluate' measures it", highlight=False)


def scan_testsets() -> None:
    """Write the digests of ``evaluate.sets`` anew, for those whose folders are known here."""
    from pipelines.params import load
    from pipelines.paths import testset_folders
    from pipelines.presets import set_value
    from pipelines.testing import Asked, digest_of

    folders = testset_folders()
    for name, known in load().evaluate.sets.items():
        if name not in folders:
            console.print(f"test set '{name}': no folder is known on this machine")
            continue
        digest = digest_of(Asked(name, known.layout, *folders[name], known.real))
        news = "unchanged" if digest == known.digest else f"digest {digest}"
        if digest != known.digest:
            set_value(f"evaluate.sets.{name}.digest", digest)
        console.print(f"test set '{name}': {news}")
