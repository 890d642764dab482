"""Serves the demo's page, the runtime and one model to the browser of this machine, and to nobody else."""

import http.server
import json
import shutil
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.demo.model import Model
from pipelines.demo.runtime import FILES, VERSION

HOST = "127.0.0.1"
PAGE = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".json": "application/json",
}
"""Said here, as the machine's own table may be wrong: a wrong type stops modules and WebAssembly."""
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""``wasm-unsafe-eval`` lets WebAssembly be compiled, no text; ``blob:`` is how a page plays a clip of the user's."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    # The next three make the page cross-origin isolated: without, browsers give WebAssembly no threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class DemoServer(http.server.ThreadingHTTPServer):
    """The files of one demo. ``url`` says where; ``serve_forever`` and ``shutdown`` as of the standard library."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, model: Model, runtime: Path, port: int = 0) -> None:
        """Listen on 127.0.0.1. ``port`` 0: any that is free. Raises OSError naming the port where it is taken."""
        self.files = routes(model, runtime)
        about = {"model": model.path.name, "space": model.space, "runtime": VERSION}
        self.about = json.dumps(about).encode()
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise OSError(f"port {port} of {HOST} cannot be had ({error.strerror}); give another --port") from error
        self.url = f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: browsers hang up in the middle whenever a page is left."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD for the known names; no path of a request ever reaches the file system."""

    server: DemoServer
    server_version = "cleanplate"
    sys_version = ""

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send what would come before a file."""
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        # A page elsewhere can let its own name point here; the name it was asked by gives it away.
        if self.headers.get("Host") not in (
            f"{HOST}:{self.server.server_port}",
            f"localhost:{self.server.server_port}",
        ):
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        name = urlsplit(self.path).path
        if name == "/about.json":
            self._head(TYPES[".json"], len(self.server.about))
            if body:
                self.wfile.write(self.server.about)
            return None
        path = self.server.files.get(name)
        if path is None or not path.is_file():
            return self.send_error(HTTPStatus.NOT_FOUND)
        with path.open("rb") as file:
            self._head(TYPES[path.suffix], path.stat().st_size)
            if body:
                shutil.copyfileobj(file, self.wfile, 1 << 20)
        return None

    def _head(self, kind: str, length: int) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def end_headers(self) -> None:
        """Put the policy on errors too."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Keep the terminal for what a person reads."""


def routes(model: Model, runtime: Path) -> dict[str, Path]:
    """Every path that is answered, and its file."""
    page = {f"/{path.name}": path for path in sorted(PAGE.iterdir()) if path.suffix in TYPES}
    return {
        **page,
        "/": PAGE / "index.html",
        "/model.onnx": model.path,
        **{f"/runtime/{name}": runtime / name for name in FILES},
    }
