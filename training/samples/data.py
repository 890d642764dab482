"""Shards or plan -> batches, in an order fixed by seed, epoch and step alone.

Which samples a step sees, and how they are flipped and cropped, hangs on (seed, step) and nothing else: not on the
number of loader processes, not on what ran before. A run that was killed goes on at any step with the same batches.
"""

import logging
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from compositing.shards.reader import Sample
from compositing.shards.remote import Traffic
from curation.identity import rng
from training.devices.interrupt import outlive_signals

log = logging.getLogger("cleanplate.train")


class Reader(Protocol):
    """Random access to the samples of one set: a ``ShardReader``, or a ``PlanReader`` that renders live."""

    def __len__(self) -> int: ...

    def read(self, position: int, recipe: bool = True) -> Sample:
        """The sample at a position, 0 to len - 1, with or without its recipe."""


@runtime_checkable
class Weighted(Protocol):
    """A reader whose samples do not all count the same: a :class:`training.samples.mixing.Mixture`."""

    def weights(self, position: int) -> tuple[float, float]:
        """Weight of a sample's loss, and of the foreground's term in it."""


@runtime_checkable
class Fetching(Protocol):
    """A reader whose samples may come from far away, which begins to fetch before it is asked for each."""

    def prefetch(self, positions: Iterable[int]) -> None:
        """Begin to fetch samples that will be read soon."""

    def traffic(self) -> Traffic | None:
        """What fetching took so far, in all processes; None where nothing is fetched."""


class Draw(NamedTuple):
    """One sample of one step, before it is read."""

    step: int
    slot: int
    """Place in the step's batch, over all devices."""
    position: int
    """Of the sample in its reader."""
    height: int
    """Of the crop, pixels."""
    width: int


class Batch(NamedTuple):
    """One step's samples as bytes: a quarter of the floats' size while they cross processes."""

    src: Tensor
    """(B, H, W, 3) uint8 RGB: the source."""
    bgr: Tensor
    """(B, H, W, 3) uint8 RGB: the captured background."""
    fgr: Tensor
    """(B, H, W, 3) uint8 RGB: true foreground, valid wherever alpha > 0."""
    pha: Tensor
    """(B, H, W, 1) uint8: true alpha."""
    positions: Tensor
    """(B,) int64: the samples' positions in their reader, to name them in an error."""
    weights: Tensor
    """(B, 2) float32: weight of each sample's loss, and of the foreground's term in it."""


class Images(NamedTuple):
    """A batch as the networks take it: float32 in [0, 1], channels last in memory."""

    src: Tensor
    """(B, 3, H, W)."""
    bgr: Tensor
    """(B, 3, H, W)."""
    fgr: Tensor
    """(B, 3, H, W)."""
    pha: Tensor
    """(B, 1, H, W)."""
    weights: Tensor
    """(B, 2), as in :class:`Batch`, in the CPU's memory."""


EQUAL = (1.0, 1.0)
"""Weights of a sample that counts as any other."""


class Order:
    """An endless order of samples: each epoch is a permutation of its own, fixed by (seed, epoch)."""

    def __init__(self, seed: int, size: int, stream: str = "order") -> None:
        self.seed = seed
        self.size = size
        self.stream = stream
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def position(self, number: int) -> int:
        """The position in the reader of the ``number``-th sample since the start of training."""
        epoch, at = divmod(number, self.size)
        if epoch not in self._epochs:
            # A batch may straddle two epochs: the last two stay.
            self._epochs = {e: p for e, p in self._epochs.items() if e == epoch - 1}
            self._epochs[epoch] = rng(self.seed, self.stream, epoch).permutation(self.size)
        return int(self._epochs[epoch][at])


class Steps(Sampler[list[Draw]]):
    """What each step from ``first`` to ``last`` - 1 reads.

    Every batch is full: the last of an epoch runs on into the next. ``rank`` of ``world`` devices takes every
    ``world``-th slot, so that all of them together see the same samples as one. Crops grow over the first ``grow``
    steps.
    """

    def __init__(
        self,
        order: Order,
        batch: int,
        crop: tuple[int, int],
        first: int,
        last: int,
        rank: int = 0,
        world: int = 1,
        grow: int = 0,
    ) -> None:
        self.order = order
        self.batch = batch
        self.crop = crop
        self.first = first
        self.last = last
        self.rank = rank
        self.world = world
        self.grow = grow

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in range(self.first, self.last):
            yield self.draws(step)

    def draws(self, step: int) -> list[Draw]:
        """The samples of one step, with one crop size for all of them."""
        height, width = crop_size(self.crop, self.order.seed, step, self.grow)
        return [
            Draw(step, slot, self.order.position(step * self.batch + slot), height, width)
            for slot in range(self.rank, self.batch, self.world)
        ]


CROP_STRIDE = 64
"""Pixels between the sizes of crops, at most. Each new shape makes oneDNN and cuDNN prepare every convolution anew:
with one of any multiple of 4 each step, a step of the sample's base network took 1.4 times as long."""


def crop_size(crop: tuple[int, int], seed: int, step: int, grow: int = 0) -> tuple[int, int]:
    """Height and width of a step's crops: multiples of 4, of few spread evenly from ``crop[0]`` to ``crop[1]``.

    Before step ``grow`` only the smaller of them: the smallest at step 0, more and more until then.
    """
    low, high = crop
    stops = math.ceil((high - low) / CROP_STRIDE)
    largest = stops * step // grow if step < grow else stops
    drawn = rng(seed, "crop", step).integers(largest, size=2, endpoint=True)
    height, width = (low + 4 * round((high - low) * int(stop) / max(1, stops) / 4) for stop in drawn)
    return height, width


def check_crop(crop: tuple[int, int], reader: Reader, section: str) -> None:
    """Raise ValueError where the crop sizes are no multiples of 4 in order, or the samples are smaller."""
    low, high = crop
    if low % 4 or high % 4 or not 4 <= low <= high:
        raise ValueError(f"{section}.crop is [{low}, {high}]; expected two multiples of 4, the smaller one first")
    height, width = reader.read(0, recipe=False).pha.shape
    if high > min(height, width):
        raise ValueError(
            f"{section}.crop goes up to {high} pixels, but the samples are {width}x{height}; "
            f"lower it to {min(height, width) // 4 * 4}, or enlarge the set in 'plan' and render again"
        )


def augment(sample: Sample, generator: np.random.Generator, height: int, width: int) -> tuple[NDArray[np.uint8], ...]:
    """Flip with probability one half and crop at a place of its own, all layers alike.

    The captured background's own perturbation is part of the rendered sample; this is what is cheap to draw anew
    each epoch.

    Returns:
        src, bgr, fgr (height, width, 3) and pha (height, width, 1), uint8.

    Raises:
        ValueError: the sample is smaller than the crop.
    """
    rows, columns = sample.pha.shape
    if rows < height or columns < width:
        raise ValueError(f"a sample of {columns}x{rows} pixels is smaller than the crop of {width}x{height}")
    flip = generator.random() < 0.5
    top = int(generator.integers(rows - height, endpoint=True))
    left = int(generator.integers(columns - width, endpoint=True))
    place = (slice(top, top + height), slice(left, left + width))
    mirror = slice(None, None, -1 if flip else 1)
    return tuple(
        np.ascontiguousarray(layer[place][:, mirror])
        for layer in (sample.src, sample.bgr, sample.fgr, sample.pha[..., None])
    )


class Crops(Dataset[tuple[Any, ...]]):
    """Reads, flips and crops the samples that :class:`Steps` draws. Goes to the loader processes as it is."""

    def __init__(self, reader: Reader, seed: int) -> None:
        self.reader = reader
        self.seed = seed

    def __getitems__(self, draws: Sequence[Draw]) -> list[tuple[Any, ...]]:
        """A step's samples, on their way together. The loader asks for this where it is there."""
        if isinstance(self.reader, Fetching):
            self.reader.prefetch([draw.position for draw in draws])
        return [self[draw] for draw in draws]

    def __getitem__(self, draw: Draw) -> tuple[Any, ...]:
        sample = self.reader.read(draw.position, recipe=False)
        layers = augment(sample, rng(self.seed, "augment", draw.step, draw.slot), draw.height, draw.width)
        weights = self.reader.weights(draw.position) if isinstance(self.reader, Weighted) else EQUAL
        return (*layers, draw.position, weights)


def _collate(samples: Sequence[tuple[Any, ...]]) -> Batch:
    *layers, positions, weights = zip(*samples, strict=True)
    src, bgr, fgr, pha = (torch.from_numpy(np.stack(layer)) for layer in layers)
    return Batch(src, bgr, fgr, pha, torch.tensor(positions), torch.tensor(weights, dtype=torch.float32))


def to_batch(samples: Sequence[Sample], positions: Sequence[int]) -> Batch:
    """Whole samples of one size as a batch."""
    return _collate(
        [(s.src, s.bgr, s.fgr, s.pha[..., None], p, EQUAL) for s, p in zip(samples, positions, strict=True)]
    )


def loader_count() -> int:
    """Loader processes: $CLEANPLATE_LOADERS, or 1. Never a parameter: it changes no byte."""
    asked = os.environ.get("CLEANPLATE_LOADERS", "1")
    if not asked.isdigit():
        raise ValueError(f"CLEANPLATE_LOADERS is '{asked}'; expected a whole number from 0 (read in the main process)")
    return int(asked)


def _start_loader(number: int) -> None:
    outlive_signals()
    cv2.setNumThreads(0)  # the cores belong to the training process


def batches(
    reader: Reader, seed: int, steps: Iterable[list[Draw]], pin: bool = False, loaders: int | None = None
) -> Iterator[Batch]:
    """Give the batch of each step.

    Args:
        reader: the set's samples.
        seed: of flips and crops.
        steps: what each step reads.
        pin: put batches into page-locked memory, for a GPU.
        loaders: processes that read ahead; None: as :func:`loader_count` says. Batches are the same for any number.
    """
    count = loader_count() if loaders is None else loaders
    loader = DataLoader(
        Crops(reader, seed),
        batch_sampler=steps,
        num_workers=count,
        collate_fn=_collate,
        pin_memory=pin,
        worker_init_fn=_start_loader,
        # Spawned, not forked: no inherited locks, threads or open shards.
        multiprocessing_context="spawn" if count else None,
        # Its own generator, since the loader's start draws from the global one otherwise.
        generator=torch.Generator(),
    )
    return _watched(iter(loader), reader)


STALL = 10.0
"""Seconds without a batch after which the log says so."""
TOLD_EVERY = 60.0
"""Seconds between two lines about what was fetched."""


def _watched(found: Iterator[Batch], reader: Reader) -> Iterator[Batch]:
    """Give the batches, and let no stall and no fetching go by without a line in the log."""
    fetching = reader if isinstance(reader, Fetching) else None
    before, told = (fetching.traffic() if fetching else None), time.monotonic()
    why = "the loaders were starting"
    while True:
        asked = time.monotonic()
        batch = next(found, None)
        now = time.monotonic()
        stalled = now - asked > STALL
        traffic = fetching.traffic() if fetching and (stalled or batch is None or now - told > TOLD_EVERY) else None
        words = ""
        if traffic is not None and before is not None:
            words = traffic.plus(before, -1).words()
            before, told = traffic, now
        if stalled:
            log.warning("no batch for %.0f s; %s", now - asked, words or why)
        elif words:
            log.info("%s", words)
        if batch is None:
            return
        why = "the loaders are too few, or what they read from is slow"
        yield batch


def to_images(batch: Batch, device: torch.device | str = "cpu") -> Images:
    """Move a batch to the device and make it float32 NCHW in [0, 1]."""
    layers = (layer.to(device, non_blocking=True).permute(0, 3, 1, 2) for layer in batch[:4])
    # The permuted view is channels last in memory already, as the convolutions want it.
    src, bgr, fgr, pha = (layer.float().div_(255) for layer in layers)
    return Images(src, bgr, fgr, pha, batch.weights)


def dropout_seed(seed: int, step: int) -> int:
    """What dropout's generator is seeded with before a step, counted from 0."""
    return int(rng(seed, "dropout", step).integers(2**63))


def micro_batches(images: Images, count: int) -> list[Images]:
    """A batch in ``count`` equal parts, one after the other."""
    return [Images(*layers) for layers in zip(*(layer.chunk(count) for layer in images), strict=True)]
