"""The whole page: complete, alone, deaf to code in its data, on a phone and on paper."""

import json
import re
from html import unescape
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.page import build
from pipelines.page.template import html
from pipelines.params import load
from tests.chromium import open_chromium
from tests.pipelines.page.conftest import make_metrics, write_project
from tests.pipelines.page.test_modelcard import check

HOSTILE = "</script><script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\">"


def spoiled(value):
    """Put code into every text of the metrics, keys of what is data included."""
    if isinstance(value, dict):
        return {
            ("other" + HOSTILE if key in ("other.onnx", "kitchen") else key): spoiled(v) for key, v in value.items()
        }
    return (
        [spoiled(each) for each in value]
        if isinstance(value, list)
        else value + HOSTILE
        if isinstance(value, str)
        else value
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report and a card, of a project whose every text is code."""
    folder = tmp_path_factory.mktemp("report")
    write_project(folder, HOSTILE)
    (folder / "metrics").mkdir()
    found = make_metrics()
    found["robustness"]["probes"] = {name + HOSTILE: v for name, v in found["robustness"]["probes"].items()}
    for name, values in spoiled(found).items():
        (folder / f"metrics/{name}.json").write_text(json.dumps(values))
    patch = pytest.MonkeyPatch()
    sample = {"title": HOSTILE, "layers": [(HOSTILE, None)], "recipe": HOSTILE}
    patch.setattr(build.composites, "rows", lambda *_: [sample])
    patch.chdir(folder)
    try:
        page, card = build.pages(
            load(Path(__file__).parents[3] / "params.yaml"), Path("data"), Path("metrics"), None, HOSTILE
        )
    finally:
        patch.undo()
    (folder / "report.html").write_text(page)
    return folder, page, card


def test_no_text_of_the_data_is_markup(made):
    _, page, card = made
    assert page.count("<script>") == 2, "plotly and the page's own"
    assert "<img src=x" not in page and "<script" not in card and "<img" not in card
    assert page.count("&lt;img src=x") > 10
    assert re.search(r"script-src 'sha256-[^']+' 'sha256-[^']+'\"", unescape(page))


def test_the_page_needs_nothing_else_and_has_every_chapter(made):
    _, page, _ = made
    body = page.split("<body>")[1]
    assert not re.search(r"(src|href)=[\"']?(https?:|//)", body) and "url(http" not in page
    targets = re.findall(r'href="#(\w+)"', body)
    assert len(targets) > 9 and all(f'id="{target}"' in body for target in targets)
    assert body.index('id="worth"') < body.index('id="fails"') < body.index('id="data"') < body.index('id="training"')
    assert "Not measured yet" not in body


def test_the_card_of_the_same_project_has_the_documented_form(made):
    _, _, card = made
    _, front, text = card.split("---\n", 2)
    check(YAML(typ="safe", pure=True).load(front))
    assert "Not for commercial use" in text and "MattingPredictor.from_pretrained" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) > 10
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables[:6]} == {10}, "no bar of the data splits a cell"
    exported = [line for line in tables if "convolutions in bytes" in line]
    assert len(exported) == 1 and len(re.findall(r"(?<!\\)\|", exported[0])) == 8 and "| 5.5 |" in exported[0]


def test_an_undefined_value_is_an_error():
    with pytest.raises(Exception, match="is undefined"):
        html("curation.html.j2", preset="sample")


@pytest.fixture
def browser(tmp_path):
    with open_chromium(tmp_path / "chromium") as window:
        yield window


@pytest.mark.browser
def test_it_fits_a_phone_and_paper_and_runs_nothing(made, browser):
    folder, _, _ = made
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((folder / "report.html").as_uri())
    assert browser.title == "Cleanplate report: sample", "code in the data ran"
    ask = browser.execute_script
    charts = ask("return document.querySelectorAll('figure.chart').length")
    assert charts > 8 and ask("return document.querySelectorAll('.plot > .plot-container').length") == charts
    assert ask("return document.scrollingElement.scrollWidth") <= 390

    widths = "return [...document.querySelectorAll('.plot .main-svg')].map((svg) => svg.getBoundingClientRect().width)"
    ask("dispatchEvent(new Event('beforeprint'))")
    assert set(ask(widths)) == {680, 332}, "as wide as a sheet, or half of it"
    assert ask("return [...document.querySelectorAll('details')].every((each) => each.open)")
    ask("dispatchEvent(new Event('afterprint'))")
    assert max(ask(widths)) <= 390 and not ask("return document.querySelector('details').open")
