"""The page in a headless Chromium whose camera is a file: what it shows is what the network makes of it."""

import json

import av
import numpy as np
import pytest

from tests.chromium import open_chromium
from tests.pipelines.demo.page_driver import (
    BLUE,
    HEIGHT,
    RED,
    VIEW,
    WIDTH,
    Page,
    expected,
    png,
    room,
    someone,
    wait_for,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RATE, EMPTY, FULL = 5, 30, 20
"""Frames a second of the camera; how many nobody stands in, and then somebody does."""


@pytest.fixture(scope="module")
def camera_file(tmp_path_factory):
    """A clip that a fake camera plays again and again: first the empty room, then somebody in it."""
    path = tmp_path_factory.mktemp("camera") / "room.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for image, times in ((room(), EMPTY), (someone(), FULL)):
            planes = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p").to_ndarray()
            file.write((b"FRAME\n" + planes.tobytes()) * times)
    return path


def someone_is_there(page):
    return np.abs(page.picture()[100, 160].astype(int) - RED).max() < 40


def test_the_camera_is_matted_live_and_nothing_leaves_the_machine(serve, difference, camera_file, tmp_path):
    log = tmp_path / "net.json"
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", f"--log-net-log={log}")
    with (
        serve(difference) as url,
        open_chromium(tmp_path / "chromium", f"--use-file-for-fake-video-capture={camera_file}", *flags) as window,
    ):
        page = Page(window)
        refused = "window.refused = []; addEventListener('securitypolicyviolation', (e) => refused.push(e.blockedURI))"
        window.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refused})
        page.open(url)
        assert page.ask("crossOriginIsolated"), "without it WebAssembly gets one thread"
        assert page.ask("document.getElementById('capture').disabled")
        page.click("#camera")
        page.shows("source")
        page.until("!document.getElementById('capture').disabled")
        page.choose("colour", "#0a3cc8")
        page.choose("delay", "3")
        wait_for(lambda: someone_is_there(page), "the camera shows nobody")
        wait_for(lambda: not someone_is_there(page), "the person never leaves")
        page.click("#capture")
        page.until("document.getElementById('count').textContent === '2'")
        assert page.ask("!document.getElementById('count').hidden")
        assert "Step out" in page.text("status")
        assert page.text("capture") == "Cancel"
        page.shows("composite")
        assert page.ask("document.getElementById('count').hidden")
        assert "lock" in page.text("background-name")
        wait_for(lambda: someone_is_there(page), "the person is not in the composite")
        taken = page.picture()
        outside = np.ones((HEIGHT, WIDTH), bool)
        outside[50:160, 110:210] = False
        assert taken.shape == (HEIGHT, WIDTH, 3)
        assert (taken[outside] == BLUE).all(), "where alpha is 0 the backdrop shows, to the byte"
        assert np.abs(taken[70:140, 130:190].astype(int) - RED).max() < 30
        page.until("Number(document.getElementById('rate').textContent) > 0")
        assert "WebAssembly" in page.text("backend")
        assert "no WebGPU" in page.text("note")
        assert page.text("size") == f"{WIDTH}×{HEIGHT}"
        page.click("[name=backdrop][value=blur]")
        wait_for(lambda: np.abs(page.picture()[outside].astype(int) - room()[outside]).mean() < 12, "no blurred scene")
        page.choose("show", "alpha")
        wait_for(lambda: (page.picture()[outside] == 0).all(), "no alpha")
        page.click("#camera")  # which is the button to stop it now
        page.until("document.getElementById('capture').disabled")
        assert not page.ask(f"{VIEW}.getContext('2d').getImageData(0, 0, 320, 192).data.some((v) => v)")
        entries = page.ask("performance.getEntriesByType('resource').map((e) => e.name)")
        assert page.ask("refused") == []
    asked = requests(log, url)
    assert {f"{url}model.onnx", f"{url}runtime/ort.wasm.min.mjs", f"{url}worker.js"} <= asked, (
        "the log sees threads too"
    )
    assert {each for each in (*asked, *entries) if not each.startswith((url, f"blob:{url}"))} == set()


def requests(log, url):
    """Addresses that the page or a thread of it asked the network for, as Chromium itself logged them."""
    content = json.loads(log.read_text())
    begun = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    found = [
        event["params"] for event in content["events"] if event["type"] == begun and "url" in event.get("params", {})
    ]
    return {
        each["url"] for each in found if each.get("initiator", "").startswith(url.rstrip("/")) or url in each["url"]
    }


@pytest.mark.parametrize("space", ["display", "linear"])
def test_two_dropped_pictures_give_the_composite_of_the_equation(serve, difference, page, space):
    src = someone()
    for step in range(40):  # a ramp of alphas
        src[10:40, 8 * step : 8 * step + 8] = np.clip(
            room()[10:40, 8 * step : 8 * step + 8].astype(int) - 3 * step, 0, 255
        )
    with serve(difference, space) as url:
        page.open(url).choose("colour", "#0a3cc8")
        # In the wrong order, told apart by their names.
        page.drop([("empty room.png", "image/png", png(room())), ("me.png", "image/png", png(src))])
        taken = page.shows("composite").astype(int)
        wanted, alpha = expected(src, room(), BLUE, space)
        assert ((alpha > 0.1) & (alpha < 0.9)).mean() > 0.02, "no soft edge to compare"
        assert np.abs(taken - wanted).max() <= 1
        if space == "linear":
            assert np.abs(taken - expected(src, room(), BLUE, "display")[0]).max() > 8, "no test of the space"
        page.drop([("wall.png", "image/png", png(room(7)))], "step-backdrop")
        page.until("document.querySelector('[name=backdrop][value=picture]').checked")
        wait_for(
            lambda: np.abs(page.picture() - expected(src, room(), room(7), space)[0].astype(int)).max() <= 1, "wall"
        )
        page.click("#swap")
        behind = expected(room(), src, room(7), space)[0].astype(int)
        wait_for(lambda: np.abs(page.picture() - behind).max() <= 1, "the two are not swapped")


def test_a_clip_plays_over_a_picture_of_the_empty_scene(serve, difference, page, tmp_path):
    clip = tmp_path / "walk.webm"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=10, options={"crf": "10", "b": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(20):
            image = room()
            image[60:150, 20 + 10 * number : 80 + 10 * number] = RED
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    with serve(difference) as url:
        page.open(url).choose("colour", "#0a3cc8")
        page.drop([("walk.webm", "video/webm", clip.read_bytes()), ("photo.png", "image/png", png(room()))])
        page.shows("composite")
        seen = set()

        def moved():
            taken = page.picture()
            assert (taken[170:, :] == BLUE).all()
            row = np.abs(taken[100].astype(int) - RED).max(axis=1) < 40
            seen.add(int(np.flatnonzero(row).mean())) if row.any() else None
            return len(seen) >= 3

        wait_for(moved, f"the person does not move: {seen}")


def test_a_user_is_told_what_to_do_instead(serve, difference, page):
    with serve(difference) as url:
        page.open(url)
        refuse = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{}'))"
        for name, words in {
            "NotFoundError": "no camera was found",
            "NotAllowedError": "allow it beside the address",
            "NotReadableError": "the camera is busy",
        }.items():
            page.window.execute_script(refuse.replace("{}", name))
            page.click("#camera")
            page.until(f"document.getElementById('error').textContent.includes({json.dumps(words)})")
            assert "open files instead" in page.error()
        page.drop([("notes.png", "image/png", b"no picture")])
        page.until("document.getElementById('error').textContent.includes('notes.png')")
        page.drop([("clip.webm", "video/webm", b"no clip")])
        page.until("document.getElementById('error').textContent.includes('clip.webm: this browser cannot play it')")
        page.drop([("me.png", "image/png", png(someone())), ("empty.png", "image/png", png(room()[:, :200]))])
        page.until(
            "document.getElementById('error').textContent.includes('the background is 200x192, the source 320x192')"
        )
        assert np.array_equal(page.shows("source"), someone()), "the page goes on without it"
        page.drop([("empty.png", "image/png", png(room()))])
        page.shows("composite")
        assert page.ask("document.getElementById('error').hidden"), "the error has gone with its cause"
        page.drop([("me.png", "image/png", png(room())), ("empty.png", "image/png", png(room() // 4))])
        page.until("document.getElementById('status').textContent.includes('taken for a person')")


def test_the_policy_refuses_another_origin(serve, difference, page):
    with serve(difference) as url:
        page.open(url)
        blocked = page.window.execute_async_script(
            "const done = arguments[0];"
            "addEventListener('securitypolicyviolation', (event) => done(event.blockedURI));"
            "fetch('http://127.0.0.1:9/elsewhere').catch(() => setTimeout(() => done('let through'), 2000))"
        )
        assert blocked == "http://127.0.0.1:9/elsewhere"


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_a_phone_and_a_screen(serve, difference, page, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    with serve(difference) as url:
        page.window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            page.open(url)
            page.drop([("me.png", "image/png", png(someone())), ("empty.png", "image/png", png(room()))])
            page.shows("composite")
            assert page.ask("document.documentElement.scrollWidth") <= width
            beyond = page.ask(
                "[...document.querySelectorAll('button, select, canvas, label, p')].filter((e) => e.offsetParent &&"
                " (e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1 &&"
                " getComputedStyle(e).display !== 'inline')).map((e) => e.outerHTML.slice(0, 80))"
            )
            assert beyond == []
        finally:
            page.window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
