"""Byte ranges as a file that seeks."""

import io
import os
from collections.abc import Callable
from typing import Any


class RangeFile(io.RawIOBase):
    """A seeking file over what reads byte ranges: each read is one range."""

    def __init__(self, name: str, size: int, ask: Callable[[int, int], bytes]) -> None:
        """``ask``: offset and size -> bytes."""
        self._name, self._size, self._ask = name, size, ask
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; asks nobody. Raises ValueError for a place before the begin."""
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError(f"{self._name}: seek to {at}")
        self._at = at
        return at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with one range."""
        count = max(0, min(len(buffer), self._size - self._at))
        if count:
            buffer[:count] = self._ask(self._at, count)
            self._at += count
        return count

    def readall(self) -> bytes:
        """Read what is left as one range."""
        count = max(0, self._size - self._at)
        data = self._ask(self._at, count) if count else b""
        self._at += count
        return data
