"""``cleanplate demo``: the exported network in front of a camera, in the browser."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console()
PORT = 8765


def demo(
    model: Annotated[
        Path | None, typer.Option(help="An ONNX file, or a folder of them; none: data/export, which 'dvc repro' makes")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = PORT,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only say the address, open no browser")] = False,
    runtime: Annotated[
        Path | None, typer.Option(help="onnxruntime-web's .tgz, or a folder with it, where there is no network")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="Mix colours in display values or in linear light; none: as the weights say")
    ] = None,
) -> None:
    """Matte the camera live in the browser: capture the empty scene, choose what stands behind you.

    The page runs the exported network itself, on WebGPU or WebAssembly. It is served on 127.0.0.1 only, and no picture
    leaves the browser. onnxruntime-web is downloaded once, 33 MB, with its checksum.
    """
    import webbrowser

    from pipelines.demo.model import find_model
    from pipelines.demo.runtime import find_runtime
    from pipelines.demo.server import DemoServer

    found = find_model(model, space)
    server = DemoServer(found, find_runtime(runtime), port)
    console.print(f"{found.path}, colours mixed in {found.space} space", highlight=False, soft_wrap=True)
    console.print(f"{server.url}   Ctrl-C ends it", highlight=False, soft_wrap=True)
    if not no_open:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        console.print("The demo has ended.")
    finally:
        server.server_close()
