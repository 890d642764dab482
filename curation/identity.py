"""Content hashes, item ids and the random generators that hang on them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

CHUNK = 1 << 20


def content_id(data: bytes) -> str:
    """Hash the bytes of a file: BLAKE2b-128, 32 hex digits. The ``image_id`` of an image."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def file_id(path: Path) -> str:
    """Hash a file without loading it whole; equals :func:`content_id` of its bytes."""
    with path.open("rb") as file:
        return stream_id(file)


def stream_id(file: BinaryIO) -> str:
    """Hash what is left of an open file without loading it whole; equals :func:`content_id` of its bytes."""
    digest = hashlib.blake2b(digest_size=16)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def item_id(*parts: str | int) -> str:
    """Hash the parts that name an item, such as a clip and a frame number: BLAKE2b-128, 32 hex digits.

    Each part is written with its type and length, so that ``("a", "bc")`` and ``("ab", "c")`` differ.
    """
    return hashlib.blake2b(b"".join(map(_marked, parts)), digest_size=16).hexdigest()


def item_ids(head: Sequence[str | int], numbers: npt.NDArray[np.int64]) -> list[str]:
    """Hash many numbered items at once, ``item_id(*head, number)`` for each number (N,); several times as fast."""
    start = hashlib.blake2b(b"".join(map(_marked, head)), digest_size=16)
    found = []
    for number in numbers.tolist():
        digest, text = start.copy(), b"%d" % number
        digest.update(b"i%d:%b" % (len(text), text))
        found.append(digest.hexdigest())
    return found


def _marked(part: str | int) -> bytes:
    text = str(part).encode("utf-8", "surrogateescape")
    return b"%b%d:%b" % (b"i" if isinstance(part, int) else b"s", len(text), text)


def rng(seed: int, *parts: str | int) -> np.random.Generator:
    """Return the generator that belongs to one item, whatever ran before and on whichever worker.

    ``Philox(key=(seed, hash of the item))``: a counter-based generator, so streams of different
    items are independent and each can be made again from its row alone.
    """
    item = int(item_id(*parts)[:16], 16)
    return np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, item], dtype=np.uint64)))


def share(*parts: str | int) -> float:
    """Map an item to a number in [0, 1) that depends on nothing but its name. Used for splits."""
    return int(item_id(*parts)[:13], 16) / 2**52


def shares(kind: str, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Map many items at once, ``share(kind, name)`` for each name (N,); several times as fast."""
    head = f"s{len(kind.encode())}:{kind}".encode()
    texts = (name.encode("utf-8", "surrogateescape") for name in names)
    digests = b"".join(hashlib.blake2b(b"%bs%d:%b" % (head, len(t), t), digest_size=16).digest()[:8] for t in texts)
    return (np.frombuffer(digests, ">u8") >> np.uint64(12)).astype(np.float64) / 2**52
