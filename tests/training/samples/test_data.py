import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compositing.shards.reader import Sample
from training.samples.data import Order, Steps, augment, batches, check_crop, crop_size, loader_count, to_images


@given(st.integers(0, 2**63), st.integers(1, 300), st.integers(0, 4))
def test_each_epoch_is_a_permutation(seed, size, epoch):
    order = Order(seed, size)
    found = [order.position(epoch * size + i) for i in range(size)]
    assert sorted(found) == list(range(size))


def test_epochs_and_seeds_differ():
    def epoch(seed, number):
        order = Order(seed, 100)
        return [order.position(number * 100 + i) for i in range(100)]

    assert epoch(1, 0) != epoch(1, 1)
    assert epoch(1, 0) != epoch(2, 0)


def test_order_hangs_on_the_number_alone():
    order, straight = Order(3, 7), Order(3, 7)
    expected = [straight.position(n) for n in range(50)]
    assert [order.position(n) for n in (49, 0, 13, 14, 12, 48)] == [expected[n] for n in (49, 0, 13, 14, 12, 48)]


def test_batches_straddle_epochs_and_are_full():
    steps = Steps(Order(1, 5), batch=3, crop=(32, 32), first=0, last=5)
    draws = [draw for batch in steps for draw in batch]
    assert len(draws) == 15
    for epoch in range(3):
        assert sorted(d.position for d in draws[epoch * 5 : epoch * 5 + 5]) == list(range(5))


def test_ranks_together_see_what_one_device_sees():
    def make(rank, world):
        return Steps(Order(1, 9), batch=6, crop=(32, 64), first=2, last=6, rank=rank, world=world)

    one = [sorted(batch) for batch in make(0, 1)]
    two = [sorted(a + b) for a, b in zip(make(0, 2), make(1, 2), strict=True)]
    assert one == two


@given(st.integers(0, 2**40), st.integers(0, 10_000), st.integers(1, 64), st.integers(0, 64))
def test_crop_sizes_are_multiples_of_four_in_range(seed, step, low, more):
    height, width = crop_size((4 * low, 4 * (low + more)), seed, step)
    for side in (height, width):
        assert side % 4 == 0
        assert 4 * low <= side <= 4 * (low + more)


def test_crops_grow_and_are_then_drawn_as_ever():
    drawn = [crop_size((32, 256), 3, step, grow=200) for step in range(400)]
    assert max(drawn[0]) == 32
    assert max(max(size) for size in drawn[:100]) < max(max(size) for size in drawn[100:200])
    assert drawn[200:] == [crop_size((32, 256), 3, step) for step in range(200, 400)]
    assert {side for size in drawn for side in size} == {side for size in drawn[200:] for side in size}


def test_one_crop_size_a_batch():
    steps = Steps(Order(1, 50), batch=4, crop=(32, 64), first=0, last=30)
    sizes = [{(d.height, d.width) for d in batch} for batch in steps]
    assert all(len(s) == 1 for s in sizes)
    # Few in all: each new one costs the convolutions' preparation.
    assert set.union(*sizes) == {(32, 32), (32, 64), (64, 32), (64, 64)}


@given(st.integers(0, 2**32))
def test_augment_moves_all_layers_alike(seed):
    grid = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48)
    rgb = np.stack([grid % 251, grid // 251, grid % 7], axis=-1).astype(np.uint8)
    sample = Sample(rgb, rgb, rgb, rgb[..., 0], {})
    src, bgr, fgr, pha = augment(sample, np.random.default_rng(seed), 32, 20)
    assert src.shape == (32, 20, 3)
    assert pha.shape == (32, 20, 1)
    assert (src == bgr).all()
    assert (src == fgr).all()
    assert (pha[..., 0] == src[..., 0]).all()
    windows = [rgb[t : t + 32, x : x + 20] for t in range(9) for x in range(29)]
    assert any((src == w).all() or (src == w[:, ::-1]).all() for w in windows)


def test_augment_names_a_small_sample(disc_reader):
    sample = disc_reader("base").read(0)
    with pytest.raises(ValueError, match="64x64 pixels is smaller than the crop of 128x32"):
        augment(sample, np.random.default_rng(0), 32, 128)


def gather(reader, loaders, first=0, last=6):
    steps = Steps(Order(5, len(reader)), batch=4, crop=(32, 64), first=first, last=last)
    return list(batches(reader, 5, steps, loaders=loaders))


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_batches_are_the_same_for_any_number_of_loaders(disc_reader):
    plain = gather(disc_reader("base"), 0)
    assert len(plain) == 6
    assert len({b.src.shape for b in plain}) > 1
    found = gather(disc_reader("base"), 2)
    assert all(same(a, b) for a, b in zip(plain, found, strict=True))


def test_batches_go_on_at_any_step(disc_reader):
    reader = disc_reader("base")
    assert all(same(a, b) for a, b in zip(gather(reader, 0)[3:], gather(reader, 0, first=3), strict=True))


def test_loading_leaves_the_global_generator_alone(disc_reader):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    gather(disc_reader("base"), 0)
    assert torch.equal(before, torch.get_rng_state())


def test_a_sample_seen_again_is_cropped_elsewhere(disc_reader):
    reader = disc_reader("base")
    steps = Steps(Order(5, 2), batch=2, crop=(32, 32), first=0, last=12)
    seen = [b.src[b.positions == 0] for b in batches(reader, 5, steps, loaders=0)]
    assert len({s.numpy().tobytes() for s in seen}) > 6


def test_to_images(disc_reader):
    batch = gather(disc_reader("base"), 0)[0]
    images = to_images(batch)
    assert images.src.dtype == torch.float32
    assert images.src.shape == (4, 3, *batch.src.shape[1:3])
    assert images.pha.shape == (4, 1, *batch.src.shape[1:3])
    assert images.src.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images.src[1, 2], batch.src[1, :, :, 2] / 255)
    assert images.pha.max() == 1


@pytest.mark.parametrize("crop", [(30, 64), (64, 32), (0, 32)])
def test_check_crop_refuses_sizes(disc_reader, crop):
    with pytest.raises(ValueError, match=r"train_base\.crop is"):
        check_crop(crop, disc_reader("base"), "train_base")


def test_check_crop_names_what_fits(disc_reader):
    with pytest.raises(ValueError, match="lower it to 64"):
        check_crop((32, 68), disc_reader("base"), "train_base")


def test_loader_count(monkeypatch):
    monkeypatch.setenv("CLEANPLATE_LOADERS", "2")
    assert loader_count() == 2
    monkeypatch.setenv("CLEANPLATE_LOADERS", "many")
    with pytest.raises(ValueError, match="'many'"):
        loader_count()
