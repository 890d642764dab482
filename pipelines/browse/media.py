"""Pictures for the App straight out of the shards: a server on 127.0.0.1 that reads members by offset, copying none.

FiftyOne's App shows an ``http://`` filepath as it is, so that no shard has to be unpacked. The server is read-only,
answers only for composites and predictions that are there, only under a secret path, and only while a session lasts.
"""

import asyncio
import json
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.browse.members import Pictures, shrink

HOST = "127.0.0.1"
KINDS = {".jpg": "image/jpeg", ".png": "image/png"}
STATE = "media.json"


def application(pictures: Pictures, token: str) -> Any:
    """The server as an ASGI application; everything lies below ``/TOKEN``."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    def answer(request: Request, find: Callable[[dict[str, Any]], bytes]) -> Response:
        at, suffix = request.path_params, Path(request.url.path).suffix
        try:
            data = find(at)
            if at["side"]:
                data = shrink(data, min(at["side"], 4096), suffix)
        except (KeyError, OSError, ValueError) as error:
            raise HTTPException(404, f"no such picture: {error}") from error
        # Immutable, since the composite's id, which all of it hangs on, is in the address.
        return Response(data, media_type=KINDS[suffix], headers={"Cache-Control": "private, max-age=86400"})

    def composite(request: Request) -> Response:
        key, _, member = request.path_params["name"].partition(".")
        return answer(request, lambda at: pictures.composite(at["set"], at["ordinal"], key, member))

    def prediction(request: Request) -> Response:
        name = request.path_params["name"].removesuffix(".png")
        return answer(request, lambda at: pictures.prediction(at["ordinal"], at["key"], name, at["what"]))

    routes = [
        Route("/{side:int}/composites/{set}/{ordinal:int}/{name}", composite),
        Route("/{side:int}/predictions/{ordinal:int}/{key}/{what}/{name}", prediction),
    ]
    # A page elsewhere can neither read the answers nor reach the server under a name of its own.
    return Starlette(
        routes=[Mount(f"/{token}", routes=routes)],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
            Middleware(CORSMiddleware, allow_origin_regex=r"http://(localhost|127\.0\.0\.1)(:\d+)?"),
        ],
    )


class Address:
    """Where pictures are: remembered in FiftyOne's folder, so that a dataset's addresses hold from session to session.

    ``.fiftyone/media.json`` holds the port of the last session and the secret.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / STATE
        known = json.loads(self._file.read_text(encoding="utf-8")) if self._file.is_file() else {}
        self.port = int(known.get("port", 5152))
        self.token = str(known.get("token") or secrets.token_urlsafe(12))
        self.remember(self.port)

    @property
    def base(self) -> str:
        """What every address begins with."""
        return f"http://{HOST}:{self.port}/{self.token}"

    def remember(self, port: int) -> None:
        """Put down the port of this session."""
        self.port = port
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps({"port": port, "token": self.token}) + "\n", encoding="utf-8")


class MediaServer:
    """Runs the application in a thread of this process, from ``with`` to its end."""

    def __init__(self, app: Any, port: int) -> None:
        """``port`` is taken where it is free, else any other: see :attr:`port`."""
        self._app = app
        self._socket = _bound(port)
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="media", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def __enter__(self) -> "MediaServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self) -> None:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"fd://{self._socket.detach()}"]
        config.accesslog, config.errorlog = None, None
        config.graceful_timeout = 0.5
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(serve(self._app, config, shutdown_trigger=self._stop.wait))
        self._loop.close()


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError:
        found.bind((HOST, 0))
    found.listen()  # who asks before the thread runs waits instead of being refused
    return found
