"""An S3 API on this machine, for tests: moto's server, without any network."""

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


NUMBERS = itertools.count(1)
"""Of buckets: moto's servers of one process share what they hold."""


class S3:
    """One server, what it was asked, and what it is to do wrong."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.asked: list[tuple[str, str, str]] = []
        """Method, path and range of each request so far."""
        self.failures = 0
        """How many requests to answer with 503 from now on."""
        self.fail_on = ""
        """The method of those that fail; any where empty."""
        self.signed: list[bool] = []
        """Whether each request so far bore a signature."""
        self._left: tuple[int, Callable[[], None]] | None = None
        self.delay = 0.0
        """Seconds before each answer."""
        self._app = server._server.app
        server._server.app = self._answer
        host, port = server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE", "")))
        time.sleep(self.delay)
        if self._left is not None:
            count, what = self._left
            self._left = (count - 1, what) if count else None
            if not count:
                what()
                return []  # no answer at all: the connection breaks
        self.signed.append("HTTP_AUTHORIZATION" in environ)
        if self.failures and environ["REQUEST_METHOD"].startswith(self.fail_on):
            self.failures -= 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("503 Slow Down", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        return self._app(environ, start)  # type: ignore[no-any-return]

    def client(self) -> Any:
        """boto3's own client, to look at what a store did."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=KEYS["AWS_DEFAULT_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def bucket(self) -> str:
        """Make an empty bucket and return its URL."""
        name = f"made-{next(NUMBERS):04d}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def fill(self, url: str, folder: Path) -> str:
        """Put every file below a folder at a URL, which is returned."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        client = self.client()
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = "/".join(filter(None, (prefix, file.relative_to(folder).as_posix())))
            client.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
        return url

    def after(self, count: int, what: Callable[[], None]) -> None:
        """Do something on the request after the next ``count``, which is not answered."""
        self._left = (count, what)

    def stop(self) -> None:
        """End the server: requests are refused from now on."""
        self._server.stop()
        self._server._server.server_close()  # else the kernel goes on taking connections that nobody answers


@contextmanager
def serving() -> Iterator[S3]:
    """Run a server of its own, for a test that stops it."""
    pytest.importorskip("s3fs", reason="pip install 'cleanplate[s3]'")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    world = S3(server)
    try:
        yield world
    finally:
        if server._thread is not None and server._thread.is_alive():
            server.stop()


def point_at(world: S3, patch: pytest.MonkeyPatch) -> None:
    """Make this process and the ones it starts ask that server, with its keys and with no other's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": world.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        patch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        patch.setenv(name, os.devnull)
