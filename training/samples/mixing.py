"""Other sources mixed into the rendered samples: at which share, with which weight, in which order."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from compositing.shards.reader import Sample
from compositing.shards.remote import Traffic
from training.samples.data import Fetching, Order, Reader
from training.samples.extra import ExtraReader


class Extra(NamedTuple):
    """A source, and how much of it training sees."""

    reader: ExtraReader
    share: float
    """Share of all samples, above 0."""
    weight: float
    """Of its samples' loss, where that of rendered ones has 1."""


class Mixture:
    """A reader of the rendered samples and, behind them, those of every extra source. Picklable."""

    def __init__(self, rendered: Reader, extras: Sequence[Extra]) -> None:
        self.rendered = rendered
        self.extras = list(extras)

    def __len__(self) -> int:
        return len(self.rendered) + sum(len(extra.reader) for extra in self.extras)

    def read(self, position: int, recipe: bool = True) -> Sample:
        """The sample at a position, 0 to len - 1."""
        extra, own = self._find(position)
        return (self.rendered if extra is None else extra.reader).read(own, recipe)

    def prefetch(self, positions: Iterable[int]) -> None:
        """Begin to fetch the rendered samples among those at some positions."""
        if isinstance(self.rendered, Fetching):
            self.rendered.prefetch(p for p in positions if p < len(self.rendered))

    def traffic(self) -> Traffic | None:
        """What fetching the rendered samples took so far; None where nothing is fetched."""
        return self.rendered.traffic() if isinstance(self.rendered, Fetching) else None

    def weights(self, position: int) -> tuple[float, float]:
        """Weight of a sample's loss, and of the foreground's term: 0 where the true foreground is not known."""
        extra, own = self._find(position)
        if extra is None:
            return 1.0, 1.0
        return extra.weight, extra.weight if extra.reader.has_fgr(own) else 0.0

    def order(self, seed: int) -> "MixedOrder":
        """The order that training sees the samples in."""
        return MixedOrder(seed, len(self.rendered), self.extras)

    def _find(self, position: int) -> tuple[Extra | None, int]:
        position -= len(self.rendered)
        if position < 0:
            return None, position + len(self.rendered)
        for extra in self.extras:
            if position < len(extra.reader):
                return extra, position
            position -= len(extra.reader)
        raise IndexError(f"position {position + len(self)} of {len(self)} samples")


class MixedOrder(Order):
    """An endless order in which sources take turns by their shares, spread as evenly as whole samples can be.

    Each source has epochs of its own, and the rendered samples come in the order they have without any other.
    """

    def __init__(self, seed: int, rendered: int, extras: Sequence[Extra]) -> None:
        super().__init__(seed, rendered)
        self._turns: list[tuple[Fraction, int, Order]] = []
        left, start = Fraction(1), rendered
        for extra in extras:
            share = Fraction(extra.share).limit_denominator(1000)
            order = Order(seed, len(extra.reader), f"order of {extra.reader.name}")
            self._turns.append((share / left, start, order))
            left, start = left - share, start + len(extra.reader)

    def position(self, number: int) -> int:
        """The position in the mixture of the ``number``-th sample since the start of training."""
        for share, start, order in self._turns:
            before = number * share.numerator // share.denominator
            if (number + 1) * share.numerator // share.denominator > before:
                return start + order.position(before)
            number -= before
        return super().position(number)


def order_of(reader: Reader, seed: int) -> Order:
    """The order that training sees a reader's samples in."""
    return reader.order(seed) if isinstance(reader, Mixture) else Order(seed, len(reader))


def check_shares(shares: Sequence[float], section: str) -> None:
    """Raise ValueError where extra sources leave no room for the rendered samples."""
    if sum(shares) > 0.9:
        raise ValueError(
            f"{section}.extra: the shares add up to {sum(shares):g}; leave a tenth or more to the rendered samples"
        )
