"""Configuration -> an observer: which detectors look, how, and how their answers become one."""

from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from curation.config import Section
from curation.detectors import Detector, Device
from curation.detectors.looks import Look
from curation.detectors.observers import AnyOf, Confirmed, Member, Observer

Kind = Literal["builtin", "onnx", "darknet", "torchvision", "fiftyone"]
Combine = Literal["one", "any", "confirm", "fusion"]


class MemberParams(Section):
    """One detector."""

    detector: Kind
    """``builtin``: what OpenCV carries; ``onnx``: a file; ``darknet``: cfg and weights; ``torchvision``, ``fiftyone``:
    a model by its name there."""
    weights: str | tuple[str, ...] | None
    """The file (of ``darknet`` two), or the model's name; files are also looked up in $CLEANPLATE_WEIGHTS."""
    looks: tuple[Look, ...] = Field(min_length=1)
    """What is looked at: the whole image, overlapping tiles."""

    @model_validator(mode="after")
    def _fits(self) -> "MemberParams":
        if len(set(self.looks)) != len(self.looks):
            raise ValueError("looks: each may be named once")
        count = len(self.named)
        match self.detector:
            case "builtin" if count:
                raise ValueError("detector 'builtin' takes no weights; set weights to null, or detector to 'onnx'")
            case "onnx" if count != 1:
                raise ValueError("detector 'onnx' needs weights: the path of one file, a YOLOX for example")
            case "darknet" if count != 2:
                raise ValueError("detector 'darknet' needs weights: a list of two files, the cfg and the weights")
            case "torchvision" | "fiftyone" if count != 1:
                raise ValueError(f"detector '{self.detector}' needs weights: the name of a model there")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """What ``weights`` names."""
        if self.weights is None:
            return ()
        return (self.weights,) if isinstance(self.weights, str) else self.weights


class DetectParams(Section):
    """Parameters of the ``detect`` stage."""

    combine: Combine
    """``one`` detector; ``any``: a person is whom one of several sees; ``confirm``: the first proposes and the second
    must see it too; ``fusion``: two with one calibrated probability, and tiles where the whole image does not do."""
    members: tuple[MemberParams, ...] = Field(min_length=1)
    """The detectors; with ``confirm`` and ``fusion`` two, in that order."""
    calibration: str | None
    """File of ``cleanplate calibrate-people`` for ``fusion``; null: the shipped one, for YOLOX-nano and NanoDet-m."""
    floor: float = Field(gt=0, lt=1)
    """Lowest score that is stored, 0 to 1; ``curate`` can ask for any threshold from here up."""
    device: Device
    """``cpu``, or ``cuda``, which may give other last digits."""

    @model_validator(mode="after")
    def _fits(self) -> "DetectParams":
        count = len(self.members)
        if self.combine == "one" and count != 1:
            raise ValueError(f"combine 'one' takes one member, {count} are listed; set combine to 'any'")
        if self.combine in ("confirm", "fusion") and count != 2:
            raise ValueError(f"combine '{self.combine}' takes two members, {count} are listed")
        if self.combine == "fusion" and [member.looks for member in self.members] != [*FUSION_LOOKS]:
            raise ValueError("combine 'fusion' looks at the whole image with both and at tiles with the second; set "
                             "looks to [whole] and [whole, tiles2x2]")  # fmt: skip
        if self.calibration is not None and self.combine != "fusion":
            raise ValueError(f"combine '{self.combine}' takes no calibration; set calibration to null")
        return self


FUSION_LOOKS: tuple[tuple[Look, ...], ...] = (("whole",), ("whole", "tiles2x2"))


class MemberSpec(NamedTuple):
    """A detector whose files have been found."""

    kind: Kind
    model: str | None
    """Its name, where it has one."""
    files: tuple[Path, ...]
    looks: tuple[Look, ...]


class ObserverSpec(NamedTuple):
    """How a worker builds its observer."""

    combine: Combine
    members: tuple[MemberSpec, ...]
    floor: float
    calibration: Path | None = None
    device: Device = "cpu"


@lru_cache(maxsize=2)
def build_observer(spec: ObserverSpec) -> Observer:
    """Build an observer, once a process. Raises ValueError, FileNotFoundError or ImportError where it cannot be."""
    from curation.detectors.calibration import LEAST, read_calibration, shipped

    # What two must agree on may score lower than the floor with one of them.
    lowest = {"confirm": spec.floor**2, "fusion": LEAST}.get(spec.combine, spec.floor)
    members = [Member(build_detector(member, lowest, spec.device), member.looks) for member in spec.members]
    match spec.combine:
        case "confirm":
            return Confirmed(members[0], members[1], spec.floor)
        case "fusion":
            from curation.detectors.fusion import Fused

            known = read_calibration(spec.calibration) if spec.calibration else shipped()
            return Fused(members[0].detector, members[1].detector, known, spec.floor)
        case _:
            return AnyOf(members, spec.floor)


def build_detector(spec: MemberSpec, floor: float, device: Device) -> Detector:
    """Build one detector. Raises as :func:`build_observer`."""
    match spec.kind:
        case "builtin":
            from curation.detectors.builtin import BuiltinDetector

            return BuiltinDetector(floor)
        case "onnx":
            from curation.detectors.onnx import OnnxDetector

            return OnnxDetector(spec.files[0], floor, device)
        case "darknet":
            from curation.detectors.darknet import DarknetDetector

            return DarknetDetector(spec.files[0], spec.files[1], floor)
        case "torchvision":
            from curation.detectors.torchvision import TorchvisionDetector

            return TorchvisionDetector(str(spec.model), spec.files[0], floor, device)
        case "fiftyone":
            from curation.detectors.zoo import ZooDetector

            return ZooDetector(str(spec.model), floor)
