import numpy as np
import pytest
import torch

from curation.identity import rng
from training.network import build_refine
from training.network.weights import save
from training.predictor import MattingPredictor

PICTURES = rng(2, "predictor").integers(0, 256, (2, 50, 70, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def network():
    return build_refine("mobilenetv2", 0.5, "sampling", 512)


def test_predicts_what_the_network_gives_at_any_size(network, tmp_path):
    save(network, tmp_path / "refine.safetensors")
    predictor = MattingPredictor.from_pretrained(tmp_path / "refine.safetensors")
    predictor.set_background(PICTURES[1])
    found = predictor.predict(PICTURES[0])
    src, bgr = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in PICTURES)
    with torch.no_grad():
        expected = network.eval()(src, bgr)
    assert found.alpha.shape == (50, 70)
    assert found.foreground.shape == (50, 70, 3)
    assert found.alpha.dtype == found.foreground.dtype == np.uint8
    assert np.abs(found.alpha - 255 * expected.pha[0, 0].numpy()).max() <= 0.51
    assert np.abs(found.foreground - 255 * expected.fgr[0].permute(1, 2, 0).numpy()).max() <= 0.51


def test_says_what_is_missing(network):
    predictor = MattingPredictor(network)
    with pytest.raises(ValueError, match="set_background"):
        predictor.predict(PICTURES[0])
    predictor.set_background(PICTURES[1])
    with pytest.raises(ValueError, match=r"60x50.*70x50"):
        predictor.predict(PICTURES[0][:, :60])
    with pytest.raises(ValueError, match="float64"):
        predictor.predict(PICTURES[0] / 255)
