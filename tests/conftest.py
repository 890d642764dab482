"""Shared fixtures: no outside sockets, the checkout's root, the real material where it is at hand."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pipelines  # noqa: F401  (switches telemetry off before anything else is imported)

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0")

# Child processes are not under the patched socket below: give them proxies that refuse.
for _name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ[_name] = "http://127.0.0.1:9"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"


@pytest.fixture(autouse=True, scope="session")
def _no_outside_sockets() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise PermissionError(f"a test tried to reach {address}: the suite runs without a network")
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def realset() -> Path:
    """The folder of real photographs, mattes and clips: skipped where missing, a failure in CI."""
    folder = Path(os.environ.get("CLEANPLATE_REALSET") or ROOT.parent / "shared" / "realset")
    if folder.is_dir():
        return folder
    message = f"the real material is not at {folder}; set CLEANPLATE_REALSET to its folder"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
