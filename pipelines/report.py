"""The ``report`` stage: the page a person reads."""

from pathlib import Path

from curation.storage import writing
from pipelines.page.build import page
from pipelines.params import PARAMS
from pipelines.paths import roots
from pipelines.stage import METRICS, Stage, log, run


def body(stage: Stage) -> None:
    """Write report/report.html from everything that was made."""
    try:
        places365 = roots(stage.params).places365
    except FileNotFoundError as error:  # a teammate who pulled the outputs has no raw data
        log.warning("%s; the report shows no photographs", error)
        places365 = None
    html = page(stage.params, Path("data"), METRICS, places365, PARAMS.read_text(encoding="utf-8"))
    whole = stage.work.folder / "report.html"
    with writing(whole) as temporary:
        temporary.write_text(html, encoding="utf-8")
    out = Path("report/report.html")
    stage.work.link_file(whole, out)
    log.info("the report: %s (%.1f MB)", out, out.stat().st_size / 1e6)


if __name__ == "__main__":
    run("report", body)
