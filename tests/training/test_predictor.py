from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_display
from curation.identity import rng
from tests.networks import uneven
from training.network import build_refine
from training.network.weights import save
from training.predictor import Matte, MattingPredictor

PICTURES = rng(2, "predictor").integers(0, 256, (2, 50, 70, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def network():
    return build_refine("mobilenetv2", 0.5, "sampling", 512)


def test_predicts_what_the_network_gives_at_any_size(network, tmp_path):
    save(network, tmp_path / "refine.safetensors")
    predictor = MattingPredictor.from_pretrained(tmp_path / "refine.safetensors", backend="pytorch")
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


def room(shift=0):
    nodes = rng(2, "predictor room").uniform(40, 220, (9, 12, 3)).astype(np.float32)
    return np.roll(np.clip(cv2.resize(nodes, (96, 72)), 0, 255).astype(np.uint8), shift, 1)


def test_takes_numpy_and_torch_bytes_and_floats(network):
    predictor = MattingPredictor(network, fitting="never", precision="float32").set_background(PICTURES[1])
    expected = predictor.predict(PICTURES[0])
    for kind in (np.float32, np.float64):
        found = MattingPredictor(network, fitting="never").set_background(PICTURES[1] / kind(255))
        found = found.predict(PICTURES[0] / kind(255))
        assert found.alpha.dtype == found.foreground.dtype == np.float32
        assert np.abs(found.alpha * 255 - expected.alpha).max() <= 0.52
    planes = torch.from_numpy(PICTURES[0]).permute(2, 0, 1)
    found = predictor.predict(planes)
    assert torch.equal(found.alpha[0], torch.from_numpy(expected.alpha))
    assert torch.equal(found.foreground, torch.from_numpy(expected.foreground).permute(2, 0, 1))
    assert predictor.predict(planes / 255).foreground.dtype == torch.float32
    assert np.array_equal(predictor.composite(found, PICTURES[1]), predictor.composite(expected, PICTURES[1]))
    with pytest.raises(ValueError, match="beyond 1"):
        predictor.set_background(PICTURES[1].astype(np.float32))


def test_a_batch_gives_what_single_frames_give(network):
    predictor = MattingPredictor(network).set_background(room())
    frames = [np.roll(room(), 5 * number, 0) for number in range(3)]
    single = [predictor.predict(frame) for frame in frames]
    for one, other in zip(single, predictor.predict_batch(frames), strict=True):
        assert np.abs(one.alpha.astype(int) - other.alpha).max() <= 1
        assert np.abs(one.foreground.astype(int) - other.foreground).max() <= 1
    assert predictor.predict_batch([]) == []
    with pytest.raises(ValueError, match=r"60x72.*96x72"):
        predictor.predict_batch([frames[0], frames[1][:, :60]])


@pytest.mark.parametrize("backend", ["pytorch", "runtime"])
def test_uses_memory_again_without_touching_results(network, backend):
    predictor = MattingPredictor(network, fitting="never", backend=backend).set_background(PICTURES[1])
    first = predictor.predict(PICTURES[0])
    kept = first.alpha.copy()
    second = predictor.predict(PICTURES[1])
    assert np.array_equal(first.alpha, kept)
    assert not np.array_equal(second.alpha, kept)
    assert predictor.predict(PICTURES[1], out=first) is first
    assert np.array_equal(first.alpha, second.alpha)
    assert np.array_equal(first.foreground, second.foreground)


def test_fits_the_background_where_it_helps_and_says_how_far_it_was_off(network):
    frame, plate = room(), np.clip(room(2) * 0.75, 0, 255).astype(np.uint8)
    fitted = MattingPredictor(network).set_background(plate)
    assert fitted.fit is None
    mended = fitted.predict(frame)
    assert fitted.fit.offset == pytest.approx(2, abs=0.5)
    assert fitted.fit.stops > 0.5
    by_hand = MattingPredictor(network, fitting="never").set_background(fitted.background)
    assert np.array_equal(by_hand.predict(frame).alpha, mended.alpha)
    left = MattingPredictor(network, fitting="never").set_background(plate)
    assert not np.array_equal(left.predict(frame).alpha, mended.alpha)
    assert left.fit is None
    assert np.array_equal(left.background, plate)
    # The fit to the first frame stays; "each" follows.
    once, each = fitted.fit, MattingPredictor(network, fitting="each").set_background(plate)
    fitted.predict(plate)
    assert fitted.fit is once
    each.predict(frame)
    each.predict(plate)
    assert (each.fit.offset, each.fit.stops) == (0, 0)
    assert np.array_equal(each.predict(plate).alpha, left.predict(plate).alpha)
    with pytest.raises(ValueError, match=r"'often'.*first, each, never"):
        MattingPredictor(network, fitting="often")


@pytest.mark.parametrize("backend", ["pytorch", "runtime"])
def test_threads_take_turns(network, backend):
    predictor = MattingPredictor(network, fitting="never", backend=backend).set_background(PICTURES[1])
    frames = [np.roll(PICTURES[0], number, 0) for number in range(6)]
    expected = [predictor.predict(frame).alpha for frame in frames]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(predictor.predict, frames))
    assert all(np.array_equal(one, other.alpha) for one, other in zip(expected, found, strict=True))


def test_reads_a_folder_with_its_card(network, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"refine\.safetensors"):
        MattingPredictor.from_pretrained(tmp_path)
    save(network, tmp_path / "refine.safetensors", {"space": "linear"})
    assert MattingPredictor(tmp_path).card is None
    (tmp_path / "README.md").write_text("of the hub")
    assert MattingPredictor.from_pretrained(tmp_path).card == "of the hub"
    (tmp_path / "model_card.md").write_text("the card")
    found = MattingPredictor(str(tmp_path), "cpu")
    assert (found.card, found.space) == ("the card", "linear")


def test_says_what_is_missing(network):
    predictor = MattingPredictor(network)
    with pytest.raises(ValueError, match="set_background"):
        predictor.predict(PICTURES[0])
    predictor.set_background(PICTURES[1])
    with pytest.raises(ValueError, match=r"60x50.*70x50"):
        predictor.predict(PICTURES[0][:, :60])
    with pytest.raises(ValueError, match="int64"):
        predictor.predict(PICTURES[0].astype(np.int64))


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


@pytest.mark.parametrize(("precision", "mean", "most"), [("float32", 0.3, 1), ("bfloat16", 4.0, 2)])
def test_the_runtime_keeps_near_the_network(precision, mean, most):
    network, found = uneven(pixels=640), {}
    for backend in ("pytorch", "runtime"):
        predictor = MattingPredictor(network, fitting="never", backend=backend, precision=precision)
        assert predictor.backend == backend
        found[backend] = predictor.set_background(PICTURES[1]).predict(PICTURES[0])
    assert found["pytorch"].alpha.std() > 2
    for one, other in zip(*found.values(), strict=True):
        apart = np.abs(one.astype(int) - other)
        assert apart.mean() < mean
        assert np.percentile(apart, 98) <= most  # in bfloat16 other patches may be chosen, whose pixels are far off


def test_takes_the_runtime_where_it_is_the_faster_one(network):
    assert MattingPredictor(network).backend == "runtime"
    assert MattingPredictor(network, precision="bfloat16").words == "runtime, bfloat16"
    assert MattingPredictor(network, backend="pytorch").words == "pytorch on cpu"
    assert MattingPredictor(uneven(mode="thresholding", pixels=640)).backend == "pytorch"
    assert MattingPredictor(uneven(mode="thresholding", pixels=640), backend="runtime").backend == "runtime"
    assert MattingPredictor(network, "meta").backend == "pytorch"
    with pytest.raises(ValueError, match=r"'onnx'.*auto, pytorch, runtime"):
        MattingPredictor(network, backend="onnx")
    with pytest.raises(ValueError, match=r"'int4'.*float32, bfloat16, int8"):
        MattingPredictor(network, precision="int4")
    with pytest.raises(ValueError, match=r"CPU, not meta"):
        MattingPredictor(network, "meta", backend="runtime")
    strict = MattingPredictor(network, fitting="never", backend="runtime").set_background(PICTURES[1])
    with pytest.raises(ValueError, match=r"uint8, not of float64"):
        strict.predict(PICTURES[0] / 255)


def test_the_runtime_follows_backgrounds_and_sizes():
    network = uneven(pixels=640)
    predictor = MattingPredictor(network, fitting="never").set_background(PICTURES[1])
    first = predictor.predict(PICTURES[0])
    predictor.set_background(PICTURES[0])
    assert not np.array_equal(predictor.predict(PICTURES[0]).alpha, first.alpha)
    small = np.ascontiguousarray(PICTURES[:, :40, :48])
    fresh = MattingPredictor(network, fitting="never").set_background(small[1]).predict(small[0])
    assert np.array_equal(predictor.set_background(small[1]).predict(small[0]).alpha, fresh.alpha)
    assert np.array_equal(predictor.set_background(PICTURES[1]).predict(PICTURES[0]).alpha, first.alpha)
    # A camera writes its next frame into the memory that the background came in.
    buffer = PICTURES[1].copy()
    predictor.set_background(buffer)
    buffer[:] = 0
    assert np.array_equal(predictor.predict(PICTURES[0]).alpha, first.alpha)
