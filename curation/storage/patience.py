"""Requests to an object store that are tried again, and words for those that fail for good."""

import errno
import logging
import os
import random
import time
from collections.abc import Callable
from typing import TypeVar

from curation.storage import StorageError

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that a failing request is tried again for; $CLEANPLATE_STORAGE_PATIENCE sets others."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
ANONYMOUS = "anonymous"
"""As the user of a URL (``s3://anonymous@bucket/``): ask without credentials, for public data."""

log = logging.getLogger("cleanplate.storage")


class RefusedError(OSError):
    """A request that the store understands and will not answer, such as a range behind the end."""


def patient(where: str, credentials: str, ask: Callable[[], T]) -> T:
    """Ask an object store, and ask again with growing pauses where what failed may pass.

    Args:
        where: what is asked for, as errors name it.
        credentials: what to do without them, for errors.
        ask: one request.

    Raises an OSError for what concerns one object, StorageError for the store.
    """
    began, pause = time.monotonic(), FIRST_PAUSE
    patience = _patience()
    while True:
        try:
            return ask()
        except Exception as error:
            told, passes = _told(where, credentials, error)
            left = patience - (time.monotonic() - began)
            if not passes or left <= 0:
                raise told from error
            log.warning("%s (trying again for %.0f s)", told, left)
        # Spread, so that many workers do not come back at once.
        time.sleep(min(left, pause * random.uniform(0.5, 1)))
        pause = min(2 * pause, LONGEST_PAUSE)


def _patience() -> float:
    text = os.environ.get("CLEANPLATE_STORAGE_PATIENCE") or str(PATIENCE)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"CLEANPLATE_STORAGE_PATIENCE is '{text}'; expected seconds, such as 60") from None


_PASSES = {"HTTPClientError", "ConnectionError", "ClientError", "HttpError", "ResponseParserError", "IncompleteRead"}
"""Names of what botocore and aiohttp raise where a connection failed: they are only there with an extra."""


def _told(where: str, credentials: str, error: Exception) -> tuple[Exception, bool]:
    """The error to raise, and whether it may pass: an OSError for this one object, a StorageError for the store."""
    name, text = type(error).__name__, str(error)
    names = {each.__name__ for each in type(error).__mro__}
    if isinstance(error, FileNotFoundError):
        lost = "the bucket does not exist" if "specified bucket" in text else "there is no such object"
        return _os_error(FileNotFoundError, f"{where}: {lost}; check the URL in paths.yaml"), False
    if isinstance(error, PermissionError):
        text = f"{where}: no rights ({text}); {credentials}, or write {ANONYMOUS}@ before the bucket of public data"
        return _os_error(PermissionError, text, os.strerror(errno.EACCES)), False
    if "Credential" in name or "Profile" in name:
        text = f"{where}: {text}; {credentials}, or write {ANONYMOUS}@ before the bucket of public data"
        return StorageError(text), False
    if isinstance(error, OSError) and error.errno == errno.EINVAL:
        return _os_error(RefusedError, f"{where}: refused: {text}; check the URL and AWS_REGION"), False
    if isinstance(error, OSError) or names & _PASSES:
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or "the provider's own endpoint"
        return StorageError(
            f"{where}: no answer from {endpoint} ({name}: {text}); check network and endpoint, then run it again"
        ), True
    return error, False


def _os_error(kind: type[OSError], text: str, words: str | None = None) -> OSError:
    error = kind(text)
    # A row's status holds these words alone, as for a local file: a table must not differ with the place.
    error.strerror = words
    return error
