"""torchvision's COCO detectors by name, such as ``fasterrcnn_mobilenet_v3_large_320_fpn``; weights from a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from curation.archives import refuse_bomb
from curation.detectors import Detections, Device, arrange
from curation.identity import file_id
from curation.images import Rgb

PERSON = 1
"""The person's number where class 0 is the background."""


class TorchvisionDetector:
    """A detection model of torchvision with the weights that torchvision publishes for it."""

    def __init__(self, name: str, weights: Path, floor: float, device: Device = "cpu") -> None:
        """Build the model and load ``weights``. Raises ValueError where name or weights do not fit."""
        import torch
        from torchvision.models import get_model

        require(name)
        self.floor, self._device, self._torch = floor, device, torch
        self.name = f"{name}@{file_id(weights)[:8]}"
        # Two-stage models call it so; left alone, FCOS would report from 0.2 up.
        threshold = "box_score_thresh" if "rcnn" in name else "score_thresh"
        model = get_model(name, weights=None, weights_backbone=None, **{threshold: floor})
        try:
            refuse_bomb(weights)
            model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except Exception as error:  # an unpickler raises anything at all on bytes that are no pickle
            raise ValueError(f"{weights} does not fit {name}: {str(error)[:300]}") from error
        self._model = model.eval().to(device)

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8."""
        torch = self._torch
        found = []
        # One at a time: the model pads a batch to its largest image, so that neighbours would change the result.
        with torch.inference_mode():
            for image in images:
                tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).to(self._device)
                answer = {key: value.cpu().numpy() for key, value in self._model([tensor.float() / 255])[0].items()}
                person = (answer["labels"] == PERSON) & (answer["scores"] >= self.floor)
                height, width = image.shape[:2]
                corners = answer["boxes"][person] / [width, height, width, height]
                boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
                found.append(arrange(boxes, answer["scores"][person]))
        return found


def require(name: str) -> None:
    """Raise ValueError listing the names there are, unless ``name`` is a COCO detector of torchvision."""
    from torchvision.models import detection, list_models

    names = list_models(module=detection)
    if name not in names:
        raise ValueError(f"torchvision has no detector '{name}'; it has {', '.join(names)}")


def published(name: str) -> str:
    """URL of the weights torchvision publishes for a detector. Raises ValueError as :func:`require`."""
    from torchvision.models import get_model_weights

    require(name)
    return str(get_model_weights(name).DEFAULT.url)
