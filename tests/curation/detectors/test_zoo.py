"""Against a stand-in for FiftyOne's zoo: its own models need a download."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from curation.detectors.zoo import ZooDetector

IMAGE = np.zeros((40, 60, 3), np.uint8)


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the model answers is ``zoo.answer``."""
    state = SimpleNamespace(answer=None)
    package, module = ModuleType("fiftyone"), ModuleType("fiftyone.zoo")
    module.list_zoo_models = lambda: ["small-coco-torch", "clip"]  # type: ignore[attr-defined]
    module.load_zoo_model = lambda name: SimpleNamespace(predict=lambda image: state.answer)  # type: ignore[attr-defined]
    package.zoo = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fiftyone", package)
    monkeypatch.setitem(sys.modules, "fiftyone.zoo", module)
    return state


def detection(label: str, confidence: float | None, *box: float) -> Any:
    return SimpleNamespace(label=label, confidence=confidence, bounding_box=list(box))


def test_kinds_of_people_count_and_nothing_else(zoo: SimpleNamespace) -> None:
    boxes = [
        detection("person", 0.9, 0.1, 0.2, 0.3, 0.4), detection("dog", 0.99, 0, 0, 1, 1),
        detection("Pedestrian", None, 0.5, 0.5, 0.2, 0.4), detection("person", 0.1, 0.7, 0.1, 0.1, 0.1),
    ]  # fmt: skip
    zoo.answer = SimpleNamespace(detections=boxes)
    detector = ZooDetector("small-coco-torch", 0.3)
    (found,) = detector.detect([IMAGE])
    assert found.scores.tolist() == pytest.approx([1.0, 0.9]) and detector.name == "fiftyone:small-coco-torch"
    assert found.boxes[1].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    zoo.answer = SimpleNamespace(detections=[])
    assert not len(detector.detect([IMAGE])[0].scores)


def test_a_model_that_is_no_detector_says_so(zoo: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="no model 'yolo'; detectors there: small-coco-torch"):
        ZooDetector("yolo", 0.3)
    zoo.answer = SimpleNamespace(label="person")
    with pytest.raises(ValueError, match=r"fiftyone:clip answers with SimpleNamespace; expected detections"):
        ZooDetector("clip", 0.3).detect([IMAGE])
