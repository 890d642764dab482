"""Any detector of FiftyOne's model zoo by name, such as ``yolo11n-coco-torch``.

FiftyOne downloads the weights into its own zoo folder. The one module below ``curation`` that imports fiftyone, and
only where such a detector was asked for.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from curation.detectors import NOBODY, Detections, arrange
from curation.images import Rgb

LABELS = ("person", "pedestrian", "people", "man", "woman", "child", "face")


class ZooDetector:
    """A zoo model whose answers are FiftyOne detections; what is labelled as a kind of person counts."""

    def __init__(self, name: str, floor: float) -> None:
        """Load the model. Raises ValueError with the names there are, ImportError where FiftyOne is missing."""
        os.environ.setdefault("FIFTYONE_DO_NOT_TRACK", "true")
        try:
            import fiftyone.zoo as zoo
        except ModuleNotFoundError as error:
            raise ImportError(
                "FiftyOne is not installed; detector 'fiftyone' needs it: pip install 'cleanplate[browse]'"
            ) from error
        known = zoo.list_zoo_models()
        if name not in known:
            near = [each for each in known if "coco" in each]
            raise ValueError(f"FiftyOne's zoo has no model '{name}'; detectors there: {', '.join(near)}")
        self.floor, self.name = floor, f"fiftyone:{name}"
        self._model: Any = zoo.load_zoo_model(name)

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8. Raises ValueError where the model does not answer with boxes."""
        return [self._read(self._model.predict(image)) for image in images]

    def _read(self, answer: Any) -> Detections:
        if not hasattr(answer, "detections"):
            raise ValueError(f"{self.name} answers with {type(answer).__name__}; expected detections: boxes")
        persons = [d for d in answer.detections if str(d.label).lower() in LABELS]
        persons = [d for d in persons if (1.0 if d.confidence is None else d.confidence) >= self.floor]
        if not persons:
            return NOBODY
        scores = [1.0 if d.confidence is None else d.confidence for d in persons]
        return arrange(np.array([d.bounding_box for d in persons], np.float64), np.array(scores, np.float64))
