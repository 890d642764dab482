"""Parameters, or what is at hand, -> the detectors to run, their files found."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from curation.detectors.build import (
    FUSION_LOOKS,
    Combine,
    DetectParams,
    Kind,
    MemberParams,
    MemberSpec,
    ObserverSpec,
    build_observer,
)
from curation.detectors.calibration import Calibration, read_calibration, shipped
from curation.detectors.observers import Observer
from pipelines.paths import WEIGHTS, find_weights

PATTERNS = ("yolox*.onnx", "nanodet*.onnx")
"""Names of the two files that fusion was calibrated with."""
FLOOR: dict[str, float] = {"builtin": 0.2, "fusion": 0.05}
THRESHOLD: dict[str, float] = {"builtin": 0.5}
OTHER_FLOOR, OTHER_THRESHOLD = 0.1, 0.3
CHOICES: tuple[str, ...] = (*get_args(Kind), "any", "confirm", "fusion")


class Choice(NamedTuple):
    """Detectors that can run here."""

    spec: ObserverSpec
    threshold: float
    """From which score a detection counts, unless the user says otherwise."""
    words: str


def find_observer(params: DetectParams) -> ObserverSpec:
    """The detectors that params.yaml names. Raises FileNotFoundError naming each place where a file was looked for."""
    calibration = None if params.calibration is None else find_weights(params.calibration)
    members = tuple(_find(member) for member in params.members)
    return ObserverSpec(params.combine, members, params.floor, calibration, params.device)


def _find(member: MemberParams) -> MemberSpec:
    match member.detector:
        case "torchvision":
            return MemberSpec("torchvision", member.named[0], (_torchvision_file(member.named[0]),), member.looks)
        case "fiftyone":
            return MemberSpec("fiftyone", member.named[0], (), member.looks)
        case _:
            return MemberSpec(member.detector, None, tuple(find_weights(name) for name in member.named), member.looks)


def _torchvision_file(name: str) -> Path:
    from curation.detectors.torchvision import published

    url = published(name)
    for file in (f"{name}.pth", url.rsplit("/", 1)[-1]):
        try:
            return find_weights(file)
        except FileNotFoundError:
            continue
    raise FileNotFoundError(
        f"weights of torchvision's '{name}' are not here; run 'cleanplate fetch-weights torchvision:{name}', "
        f"or put {url} into $CLEANPLATE_WEIGHTS"
    )


def choose(detector: str | None, weights: Sequence[str], calibration: Path | None = None) -> Choice:
    """The detector asked for, or the best whose files are at hand.

    Args:
        detector: one of ``CHOICES``; None: fusion with two files, onnx with one, builtin with none.
        weights: its files or model names; none: looked for in $CLEANPLATE_WEIGHTS and ``.weights`` by name.
        calibration: file for fusion; None: the shipped one.

    Raises:
        ValueError: no such detector, or not as many files as it takes.
        FileNotFoundError: a file is missing.
    """
    if detector is not None and detector not in CHOICES:
        raise ValueError(f"detector '{detector}': expected {', '.join(CHOICES)}")
    named = tuple(weights)
    if not named and detector in (None, "onnx", "fusion"):
        at_hand = _at_hand()
        detector = detector or ("builtin", "onnx", "fusion")[len(at_hand)]
        named = at_hand[: {"onnx": 1, "fusion": 2}.get(detector, 0)]
    detector = detector or ("onnx" if len(named) == 1 else "fusion")
    wanted = {"builtin": 0, "darknet": 2, "confirm": 2, "fusion": 2, "any": max(2, len(named))}.get(detector, 1)
    if len(named) != wanted:
        raise FileNotFoundError(
            f"detector '{detector}' takes {wanted} files or names in --weights, {len(named)} found or named; "
            f"fusion takes {' and '.join(PATTERNS)}: set CLEANPLATE_WEIGHTS, or run 'cleanplate fetch-weights'"
        )
    combine: Combine = detector if detector in ("any", "confirm", "fusion") else "one"  # type: ignore[assignment]
    single = detector in get_args(Kind)
    groups = [named] if single else [(name,) for name in named]
    looks = FUSION_LOOKS if combine == "fusion" else [("whole",)] * len(groups)
    params = DetectParams.model_validate(
        {
            "combine": combine,
            "members": tuple(
                {"detector": detector if single else kind_of(group[0]), "weights": group or None, "looks": look}
                for group, look in zip(groups, looks, strict=True)
            ),
            "calibration": str(calibration) if calibration else None,
            "floor": FLOOR.get(detector, OTHER_FLOOR),
            "device": "cpu",
        }
    )
    spec = find_observer(params)
    threshold = THRESHOLD.get(detector, OTHER_THRESHOLD)
    words = f"detector {detector}" + (f": {', '.join(_names(spec))}" if named else "")
    if combine == "fusion":
        known = read_calibration(calibration) if calibration else shipped()
        threshold = known.threshold
        words += _stranger(spec, known)
    if detector == "builtin":
        words += " (misses two of three photographs with people: fetch a better one with 'cleanplate fetch-weights')"
    return Choice(spec, threshold, words)


def kind_of(weights: str) -> Kind:
    """The kind of one member of an ensemble, from its file's name; what is no file is a model of torchvision."""
    return "onnx" if weights.endswith(".onnx") else "torchvision"


def _names(spec: ObserverSpec) -> list[str]:
    return [member.model or str(member.files[-1]) for member in spec.members]


def _stranger(spec: ObserverSpec, known: Calibration) -> str:
    """Words where fusion was calibrated for other files than these."""
    name = build_observer(spec).name
    if all(detector in name for detector in known.detectors):
        return ""
    both = " and ".join(known.detectors)
    return f" (its scores were calibrated for {both}: run 'cleanplate calibrate-people' for these)"


def _at_hand() -> tuple[str, ...]:
    """The first file of each pattern, as far as there is one, in order."""
    folders = [Path(os.environ["CLEANPLATE_WEIGHTS"])] if os.environ.get("CLEANPLATE_WEIGHTS") else []
    folders.append(WEIGHTS)
    found: list[str] = []
    for pattern in PATTERNS:
        matches = [path for folder in folders for path in sorted(folder.glob(pattern))]
        if not matches:
            break
        found.append(str(matches[0]))
    return tuple(found)


def people_finder(
    observer: Observer, threshold: float
) -> Callable[[NDArray[np.uint8]], tuple[tuple[float, float, float, float], ...]]:
    """A function of a picture, (H, W, 3) RGB uint8, that gives every person who scores at least ``threshold``.

    As boxes (x, y, w, h), shares of the picture.
    """

    def find(image: NDArray[np.uint8]) -> tuple[tuple[float, float, float, float], ...]:
        found = observer.observe([image])[0].found
        likely = found.boxes[found.scores >= threshold]
        return tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in likely)

    return find
