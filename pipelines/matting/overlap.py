"""Reading ahead and writing behind: decoding, matting and encoding at the same time, in the same order."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

AHEAD = 4
"""Items that wait between two threads at most: they are whole frames."""


class _End:
    """The last thing in a queue."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Goes through an iterable in a thread of its own, a few items before whoever asks. Use it in a ``with``.

    What the iterable raises is raised to whoever asks, after the items before it. Leaving the ``with`` early ends the
    thread after the item at hand; only then the iterable may be closed.
    """

    def __init__(self, items: Iterable[T], ahead: int = AHEAD) -> None:
        self._items = items
        self._queue: queue.Queue[T | _End] = queue.Queue(ahead)
        self._left = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="read ahead", daemon=True)

    def _run(self) -> None:
        end = _End()
        try:
            for item in self._items:
                if self._left.is_set():
                    break
                self._queue.put(item)
        except BaseException as error:
            end = _End(error)
        self._queue.put(end)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __iter__(self) -> Iterator[T]:
        """The items in their order, each once."""
        while not self._ended:
            item = self._queue.get()
            if isinstance(item, _End):
                self._ended = True
                if item.error is not None:
                    raise item.error
                return
            yield item

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        while not self._ended:  # make room: the thread may wait for it
            self._ended = isinstance(self._queue.get(), _End)
        self._thread.join()


class Behind:
    """Does what it is given in a thread of its own, in order, a few steps after. Use it in a ``with``.

    What a step raises is raised by the next :meth:`do`, or on leaving the ``with``, which waits for all steps; after
    an error the steps that wait are dropped, so that nobody waits for room for ever.
    """

    def __init__(self, behind: int = AHEAD) -> None:
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(behind)
        self.error: BaseException | None = None
        """What the first step that failed raised."""
        self._thread = threading.Thread(target=self._run, name="write behind", daemon=True)

    def _run(self) -> None:
        while (step := self._queue.get()) is not None:
            if self.error is not None:
                continue
            try:
                step()
            except BaseException as error:
                self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def do(self, step: Callable[[], None]) -> None:
        """Hand over a step; waits where too many are before it. Raises what an earlier one raised."""
        if self.error is None:
            self._queue.put(step)
        if self.error is not None:
            raise self.error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if self.error is not None and error is None:
            raise self.error
