from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.samples.test_extra import write_folders
from training.loop import Readers, train
from training.samples.data import Order, Steps, batches, to_images
from training.samples.extra import ExtraReader
from training.samples.mixing import Extra, MixedOrder, Mixture, check_shares, order_of


class Sized:
    """As much of a reader as an order needs."""

    def __init__(self, name, size):
        self.name, self.size = name, size

    def __len__(self):
        return self.size


@pytest.fixture
def make_mixture(disc_reader, tmp_path):
    """The drawn samples and five of a source without a foreground."""
    write_folders(tmp_path / "office", ["a", "b", "c", "d", "e"], fgr=False)

    def make(share=0.25, weight=0.5):
        return Mixture(disc_reader("base"), [Extra(ExtraReader("office", tmp_path / "office", 64), share, weight)])

    return make


def positions(order, count):
    return [order.position(number) for number in range(count)]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 500))
def test_shares_are_kept_in_every_stretch(shares, count):
    extras = [Extra(Sized(str(i), 7), share / 130, 1.0) for i, share in enumerate(shares)]
    order = MixedOrder(1, 100, extras)
    found = Counter(max(-1, (p - 100) // 7) for p in positions(order, count))
    for i, share in enumerate(shares):
        assert abs(found[i] - count * share / 130) < len(shares) + 0.5 + count / 1000


def test_each_source_has_epochs_of_its_own_and_the_rendered_keep_theirs():
    order = MixedOrder(3, 40, [Extra(Sized("one", 10), 0.25, 1.0), Extra(Sized("two", 5), 0.125, 1.0)])
    found = positions(order, 640)
    rendered = [p for p in found if p < 40]
    assert rendered == positions(Order(3, 40), 400)
    one, two = [p for p in found if 40 <= p < 50], [p for p in found if p >= 50]
    for source, first, size in ((one, 40, 10), (two, 50, 5)):
        epochs = [tuple(source[i : i + size]) for i in range(0, len(source), size)]
        assert all(sorted(epoch) == list(range(first, first + size)) for epoch in epochs)
        assert len(set(epochs)) > 1


def test_the_order_hangs_on_the_number_alone():
    def make():
        return MixedOrder(3, 7, [Extra(Sized("one", 3), 0.3, 1.0)])

    straight, order = positions(make(), 60), make()
    assert [order.position(n) for n in (59, 0, 13, 14, 58)] == [straight[n] for n in (59, 0, 13, 14, 58)]


def test_batches_carry_weights_and_are_the_same_for_any_loaders(make_mixture):
    mixture = make_mixture()

    def gather(loaders, first=0):
        steps = Steps(order_of(mixture, 5), batch=8, crop=(32, 64), first=first, last=4)
        return list(batches(mixture, 5, steps, loaders=loaders))

    plain = gather(0)
    for batch in plain:
        mixed = batch.positions >= len(mixture.rendered)
        assert int(mixed.sum()) == 2
        assert batch.weights[mixed].tolist() == [[0.5, 0.0]] * 2
        assert batch.weights[~mixed].tolist() == [[1.0, 1.0]] * 6
    for other in (gather(2), gather(0, first=2)):
        pairs = zip(plain[-len(other) :], other, strict=True)
        assert all(torch.equal(x, y) for a, b in pairs for x, y in zip(a, b, strict=True))
    assert to_images(plain[0]).src.shape[0] == 8


def test_a_sample_says_where_it_is_from(make_mixture):
    mixture = make_mixture()
    assert mixture.read(len(mixture) - 1).recipe["composite_id"] == "office/e"
    assert mixture.read(0).recipe["set"] == "base"
    with pytest.raises(IndexError, match="position 15 of 15"):
        mixture.read(15)


class Killed(BaseException):
    """Stands for SIGKILL."""


def kill(step, note):
    if step == 1:
        raise Killed


@pytest.mark.parametrize("kind", ["base", "refine"])
def test_a_mixture_trains_and_goes_on_after_a_kill(make_mixture, disc_reader, make_params, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")
    params = make_params(steps=2, batch=4, validate_every=2)

    def run(name, share=0.25, progress=None):
        readers = Readers(make_mixture(share), disc_reader("valid"))
        folder = tmp_path / name
        return train(kind, params, readers, folder, folder / "curves", "discs", progress=progress).read_bytes()

    whole = run("whole")
    with pytest.raises(Killed):
        run("killed", progress=kill)
    assert run("killed") == whole
    assert run("other", share=0.5) != whole


def test_shares_leave_room_for_rendered_samples():
    check_shares([0.5, 0.4], "train_base")
    with pytest.raises(ValueError, match=r"train_base.extra: the shares add up to 1"):
        check_shares([0.5, 0.5], "train_base")
