"""``cleanplate browse``: what a stage made, in the FiftyOne App.

All of it needs the extra ``browse`` and a mongod: ``cleanplate doctor`` says what is missing.
"""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Open what a stage made in the FiftyOne App.")
Port = Annotated[int, typer.Option(help="Port on localhost; pictures that lie in shards come from the next one")]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open a browser window")]


@app.command()
def backgrounds(
    port: Port = 5151,
    open_browser: Open = True,
    limit: Annotated[int | None, typer.Option(min=1, help="Show an even sample of so many images")] = None,
) -> None:
    """Show every background with its verdict, reason, detections, scene and quality; keep and reject some.

    What was decided there comes into the pipeline with `cleanplate decisions pull`.
    """
    from pipelines.browse.backgrounds import serve

    serve(port=port, open_browser=open_browser, limit=limit)


@app.command()
def composites(
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="base, refine, valid or test; may be repeated; none: all")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show an even sample of so many composites")] = 10_000,
    port: Port = 5151,
    open_browser: Open = True,
) -> None:
    """Show rendered composites: source, plate, foreground and alpha of each, with its recipe.

    Pictures are read out of the shards as you look at them; nothing is copied.
    """
    from pipelines.browse.composites import serve

    serve(sets or (), limit, port, open_browser)


@app.command()
def evaluation(port: Port = 5151, open_browser: Open = True) -> None:
    """Show the test composites, worst first: predictions, errors, truth, figures of every method, views by slice."""
    from pipelines.browse.evaluation import serve

    serve(port, open_browser)
