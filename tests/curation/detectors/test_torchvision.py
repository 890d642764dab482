from pathlib import Path

import numpy as np
import pytest

from curation.detectors.torchvision import PERSON, TorchvisionDetector, published, require

NAME = "ssdlite320_mobilenet_v3_large"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained detector whose head is sure of one class everywhere: what it says is known, its boxes are not."""
    torch = pytest.importorskip("torch")
    from torchvision.models import get_model

    torch.manual_seed(0)
    model = get_model(NAME, weights=None, weights_backbone=None)
    for layer in model.head.classification_head.module_list:
        last = layer[-1]
        torch.nn.init.zeros_(last.weight)
        bias = last.bias.view(-1, 91)
        with torch.no_grad():
            bias.fill_(-10)
            bias[:, PERSON] = 5
    path = tmp_path_factory.mktemp("weights") / f"{NAME}.pth"
    torch.save(model.state_dict(), path)
    return path


def test_a_model_by_name_finds_what_its_weights_say(weights: Path) -> None:
    detector = TorchvisionDetector(NAME, weights, 0.3)
    (found,) = detector.detect([np.random.default_rng(0).integers(0, 255, (120, 200, 3), np.uint8)])
    assert detector.name.startswith(f"{NAME}@")
    assert len(found.scores) > 1 and found.scores.min() > 0.9
    assert found.boxes.min() >= 0 and (found.boxes[:, :2] + found.boxes[:, 2:]).max() <= 1 + 1e-6


def test_a_name_that_is_none_lists_the_others() -> None:
    pytest.importorskip("torchvision")
    with pytest.raises(ValueError, match=f"no detector 'yolo'; it has .*{NAME}"):
        require("yolo")
    assert published(NAME).endswith(".pth")


def test_weights_of_another_model_are_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match="does not fit fasterrcnn_mobilenet_v3_large_320_fpn"):
        TorchvisionDetector("fasterrcnn_mobilenet_v3_large_320_fpn", weights, 0.3)
