"""The ``report`` stage: the page a person reads."""

from pathlib import Path
from typing import TYPE_CHECKING

from curation.config import Section

if TYPE_CHECKING:
    from pipelines.stage import Stage


class ReportParams(Section):
    """Parameters of the ``report`` stage."""

    backgrounds: int
    """Kept backgrounds shown, and half as many for each reason of rejection."""
    composites: int
    """Composites of each training set shown with their layers."""
    blur_people: bool
    """Blur the people in rejected photographs."""


def body(stage: "Stage") -> None:
    """Write report/report.html from everything that was made."""
    from curation.storage import writing
    from pipelines.page.build import page
    from pipelines.params import PARAMS
    from pipelines.paths import roots
    from pipelines.stage import METRICS, log

    try:
        photographs = roots(stage.params).backgrounds
    except FileNotFoundError as error:  # a teammate who pulled the outputs has no raw data
        log.warning("%s; the report shows no photographs", error)
        photographs = None
    html = page(stage.params, Path("data"), METRICS, photographs, PARAMS.read_text(encoding="utf-8"))
    whole = stage.work.folder / "report.html"
    with writing(whole) as temporary:
        temporary.write_text(html, encoding="utf-8")
    out = Path("report/report.html")
    stage.work.link_file(whole, out)
    log.info("the report: %s (%.1f MB)", out, out.stat().st_size / 1e6)


if __name__ == "__main__":
    from pipelines.stage import run

    run("report", body)
