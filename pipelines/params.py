"""params.yaml -> typed, validated config, a section a stage."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from compositing.mattes.videomatte import MattesParams
from compositing.plan.config import PlanParams
from compositing.shards.reader import RenderParams
from curation.config import Section
from curation.detectors.build import DetectParams
from curation.filters import CurateParams
from curation.index import IndexParams
from pipelines.page.config import ReportParams
from training.config import EvaluateParams, ExportParams, RobustnessParams, TrainParams

PARAMS = Path("params.yaml")
MOST_VALUES = 100_000
"""Keys and values in a file of parameters, references counted as what they stand for."""


class SampleParams(Section):
    """Parameters of the ``sample`` stage; unused with real datasets."""

    seed: int
    """Seed of every drawn scene and figure."""
    backgrounds: int
    """Usable backgrounds; the ones that curation must catch come on top."""
    train_clips: int
    """Clips in train/, at least 10."""
    test_clips: int
    """Clips in test/, of families that training never sees."""
    frames: int
    """Frames a clip, at least 24."""
    height: int
    """Height of the clips, pixels."""


class Dataset(Section):
    """What is known of a raw dataset without walking it."""

    digest: str | None
    """Listing digest, written by ``cleanplate scan``; null with the sample."""
    licence: str
    """Travels along into the shards."""
    source: str
    """Travels along into the shards."""


class DataParams(Section):
    """Which data; the roots are in the git-ignored paths.yaml."""

    preset: Literal["sample", "full"]
    """``sample``: the embedded miniature; ``full``: the datasets that paths.yaml points at."""
    places365: Dataset
    """Backgrounds."""
    photos: Dataset | None
    """A second dataset of backgrounds: any folder of photographs, the larger the better; null: there is none."""
    videomatte: Dataset
    """Mattes."""


class ExtraData(Section):
    """What is known of an extra source without walking it."""

    digest: str | None
    """Listing digest, written by ``cleanplate scan``."""


class Params(Section):
    """The whole of params.yaml."""

    data: DataParams
    sample: SampleParams
    index: IndexParams
    detect: DetectParams
    curate: CurateParams
    mattes: MattesParams
    plan: PlanParams
    render: RenderParams
    extra: dict[str, ExtraData]
    """Sources of samples that were not rendered here, by name; paths.yaml says where they lie."""
    train_base: TrainParams
    train_refine: TrainParams
    evaluate: EvaluateParams
    robustness: RobustnessParams
    export: ExportParams
    report: ReportParams


class ParamsError(ValueError):
    """params.yaml does not fit; the message names each key."""


def read_yaml(text: str, origin: str) -> Any:
    """Read YAML as plain values: a tag that asks for more, or references that multiply, are errors.

    Raises ParamsError.
    """
    yaml = YAML(typ="safe", pure=True)
    try:
        if "&" in text:
            _refuse_laughs(yaml.compose(text), origin)
        return YAML(typ="safe", pure=True).load(text)
    except ParamsError:
        raise
    except RecursionError as error:
        raise ParamsError(f"{origin} is nested too deeply; write it flat") from error
    except (YAMLError, ValueError, TypeError, OverflowError) as error:  # such as a date that no calendar has
        raise ParamsError(f"{origin} is not YAML: {error}") from error


def _refuse_laughs(root: Any, origin: str) -> None:
    """Count what references stand for, before they are written out: ten lines can make a thousand million values."""
    sizes: dict[int, int] = {}
    above: set[int] = set()

    def size(node: Any) -> int:
        if id(node) in above:
            raise ParamsError(f"{origin}: a reference leads back to itself; write its value in its place")
        if id(node) not in sizes:
            above.add(id(node))
            below = node.value if isinstance(getattr(node, "value", None), list) else []
            sizes[id(node)] = 1 + sum(
                size(each) for item in below for each in (item if isinstance(item, tuple) else (item,))
            )
            above.remove(id(node))
        return sizes[id(node)]

    if size(root) > MOST_VALUES:
        raise ParamsError(f"{origin}: its references stand for over {MOST_VALUES:,} values; write them out")


def parse(text: str, origin: str = "params.yaml") -> Params:
    """Validate the text of a params file. Raises ParamsError naming every unknown, missing or mistyped key."""
    values = read_yaml(text, origin)
    try:
        # Through JSON, where strict validation still takes a list for a tuple.
        plain = json.dumps(values)
    except (TypeError, ValueError, RecursionError) as error:  # dates, sets and bytes, which YAML knows, or a circle
        raise ParamsError(f"{origin} holds what is neither text, number, list nor mapping: {error}") from error
    try:
        return Params.model_validate_json(plain)
    except ValidationError as error:
        lines = [_explain(origin, detail) for detail in error.errors()]
        raise ParamsError("\n".join(lines)) from error


def _explain(origin: str, detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"]) or "(top level)"
    match detail["type"]:
        case "extra_forbidden":
            return f"{origin}: unknown key '{key}'; remove it or check its spelling"
        case "missing":
            return f"{origin}: missing key '{key}'; add it, or write a complete file with 'cleanplate use sample'"
        case _:
            return f"{origin}: '{key}' is {detail['input']!r}: {detail['msg'].lower()}"


def load(path: Path = PARAMS) -> Params:
    """Read and validate params.yaml. Raises ParamsError, also where the file is missing."""
    if not path.is_file():
        raise ParamsError(f"{path.resolve()} is missing; run 'cleanplate use sample' in the project's folder")
    return parse(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a file that a person writes. Raises ParamsError where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path} is not UTF-8 ({error}); save it so") from error
