import numpy as np
import pytest
import torch

from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_display
from curation.identity import rng
from training.network import build_refine
from training.network.weights import save
from training.predictor import Matte, MattingPredictor

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


def test_mixes_alpha_as_it_was_trained(network, tmp_path):
    path = tmp_path / "refine.safetensors"
    matte = Matte(PICTURES[0][..., 0], PICTURES[0])
    mixed = {}
    for space in ("linear", "display"):
        save(network, path, {"space": space})
        predictor = MattingPredictor.from_pretrained(path)
        assert predictor.space == space
        mixed[space] = predictor.composite(matte, PICTURES[1])
        alpha = matte.alpha.astype(np.float32) / 255
        light = composite_in(space, bytes_to_linear(PICTURES[0]), alpha, bytes_to_linear(PICTURES[1]))
        assert np.abs(mixed[space] - 255 * to_display(light)).max() <= 0.51
    plain = alpha[..., None] * PICTURES[0] + (1 - alpha[..., None]) * PICTURES[1]
    assert np.abs(mixed["display"] - plain).max() <= 0.52
    assert np.abs(mixed["linear"] - plain).max() > 20
    for opaque, picture in ((255, PICTURES[0]), (0, PICTURES[1])):
        whole = matte._replace(alpha=np.full((50, 70), opaque, np.uint8))
        assert np.array_equal(predictor.composite(whole, PICTURES[1]), picture)
    with pytest.raises(ValueError, match=r"70x50.*backdrop 60x50"):
        predictor.composite(matte, PICTURES[1][:, :60])


def test_weights_that_do_not_say_mix_display_values(network, tmp_path):
    path = tmp_path / "refine.safetensors"
    save(network, path)
    assert MattingPredictor.from_pretrained(path).space == "display"
    save(network, path, {"space": "log"})
    with pytest.raises(ValueError, match=r"space 'log'.*linear or display"):
        MattingPredictor.from_pretrained(path)
