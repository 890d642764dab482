"""The ``report`` stage: the page a person reads, and the model card."""

from pathlib import Path

from curation.storage import StorageError, writing
from pipelines.page.build import pages
from pipelines.params import PARAMS
from pipelines.paths import roots
from pipelines.stage import METRICS, Stage, log, run


def body(stage: Stage) -> None:
    """Write report/report.html and report/model_card.md from everything that was made."""
    try:
        photographs = roots(stage.params).backgrounds
    except FileNotFoundError as error:  # a teammate who pulled the outputs has no raw data
        log.warning("%s; the report shows no photographs", error)
        photographs = None
    words = PARAMS.read_text(encoding="utf-8")
    try:
        html, card = pages(stage.params, Path("data"), METRICS, photographs, words)
    except StorageError as error:
        log.warning("%s; the report shows no photographs", error)
        html, card = pages(stage.params, Path("data"), METRICS, None, words)
    for name, text in (("report.html", html), ("model_card.md", card)):
        whole, out = stage.work.folder / name, Path("report") / name
        with writing(whole) as temporary:
            temporary.write_text(text, encoding="utf-8")
        stage.work.link_file(whole, out)
        log.info("%s (%.1f MB)", out, out.stat().st_size / 1e6)


if __name__ == "__main__":
    run("report", body)
