"""A matting method, as everything that compares methods sees it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from compositing.shards.reader import Sample

Floats = NDArray[np.float32]
Answer = TypeVar("Answer")


class Prediction(NamedTuple):
    """What a method says of one sample."""

    pha: Floats
    """(H, W) alpha in [0, 1]."""
    fgr: Floats
    """(3, H, W) RGB foreground in [0, 1]."""


class Method(Protocol):
    """Makes a matte from source and captured background alone.

    It may read ``src`` and ``bgr`` of a sample and, of its recipe, ``strength`` (a baseline has settings for each);
    never the truth. ``training.evaluation.choosing`` builds methods by name.
    """

    name: str
    """As tables and metrics call it."""

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Matte samples, in their order, of any sizes. The same samples give the same bits on one thread of a CPU."""
        ...


class Remembered(Generic[Answer]):
    """A function of samples that is not asked twice about the same ones in a row: methods go on from each other's."""

    def __init__(self, ask: Callable[[Sequence[Sample]], Answer]) -> None:
        self._ask = ask
        self._last: tuple[list[Sample], Answer] | None = None

    def __call__(self, samples: Sequence[Sample]) -> Answer:
        """What it says of these very samples."""
        if self._last is None or list(map(id, samples)) != list(map(id, self._last[0])):
            self._last = (list(samples), self._ask(samples))
        return self._last[1]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums over one thread: their order, and so the last bit, would hang on the number otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def colour(image: NDArray[np.uint8]) -> Floats:
    """(H, W, 3) bytes -> (3, H, W) in [0, 1]."""
    return np.asarray(image.transpose(2, 0, 1) / np.float32(255), dtype=np.float32)
