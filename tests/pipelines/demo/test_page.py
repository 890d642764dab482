"""The page in a headless Chromium whose camera is a file: what it shows is what the network makes of it."""

import base64
import io
import json
import threading
import time

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_bytes, to_display
from curation.identity import rng
from pipelines.demo.model import Model
from pipelines.demo.server import PAGE, DemoServer
from tests.chromium import open_chromium
from tests.pipelines.demo.conftest import FLOOR, GAIN, write_convolution, write_difference

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HEIGHT, WIDTH = 192, 320
PERSON = (slice(60, 150), slice(120, 200))
RED, BLUE = (210, 40, 30), (10, 60, 200)
RATE, EMPTY, FULL = 5, 30, 20
"""Frames a second of the camera; how many nobody stands in, and then somebody does."""
PATIENCE = 90


def room(number=0):
    """Colours far from the person's, smooth enough that a resized picture is still the same."""
    draws = rng(3, "demo room", number)
    image = np.full((HEIGHT, WIDTH, 3), (150, 160, 140), np.uint8)
    for _ in range(12):
        x, y = int(draws.integers(0, WIDTH)), int(draws.integers(0, HEIGHT))
        grey = tuple(int(v) for v in draws.integers(140, 200, 3))
        cv2.circle(image, (x, y), int(draws.integers(10, 40)), grey, -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8)


def someone():
    image = room()
    image[PERSON] = RED
    return image


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def planes(image):
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def expected(src, bgr, backdrop, space="display"):
    """What the difference network and the equation give, in bytes."""
    alpha = np.clip(GAIN * (np.abs(src / 255.0 - bgr / 255.0).max(axis=2)) - FLOOR, 0, 1).astype(np.float32)
    behind = np.broadcast_to(np.asarray(backdrop, np.uint8), src.shape)
    mixed = composite_in(space, bytes_to_linear(src), alpha, bytes_to_linear(np.ascontiguousarray(behind)))
    return to_bytes(to_display(mixed)), alpha


class Page:
    """The page as a person uses it."""

    def __init__(self, window):
        self.window = window

    def open(self, url):
        self.window.get(url)
        self.until("document.body.dataset.state !== 'loading'")
        return self

    def ask(self, expression):
        return self.window.execute_script(f"return {expression}")

    def text(self, name):
        return self.ask(f"document.getElementById('{name}').textContent")

    def until(self, expression):
        end = time.monotonic() + PATIENCE
        while not self.ask(expression):
            assert time.monotonic() < end, (
                f"never: {expression}; {self.text('status')} {self.text('error')} {self.ask(VIEW + '.dataset.shows')}"
            )
            time.sleep(0.1)

    def click(self, selector):
        self.window.execute_script(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, name, value):
        self.window.execute_script(
            "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
            "for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true}))",
            name,
            value,
        )

    def drop(self, files, target="frame"):
        """Drop files, (name, type, bytes) each, as a person does from a folder."""
        given = [(name, kind, base64.b64encode(content).decode()) for name, kind, content in files]
        self.window.execute_script(
            """
            const data = new DataTransfer();
            for (const [name, type, text] of arguments[0]) {
                const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
                data.items.add(new File([bytes], name, {type}));
            }
            const options = {dataTransfer: data, bubbles: true, cancelable: true};
            const place = document.getElementById(arguments[1]);
            for (const kind of ["dragenter", "dragover", "drop"]) place.dispatchEvent(new DragEvent(kind, options));
            """,
            given,
            target,
        )

    def shows(self, what):
        """Wait for a frame that was begun from now on, and return it: (H, W, 3) uint8."""
        self.until(f"{VIEW}.dataset.shows === '{what}'")
        return self.picture()

    def picture(self):
        data = self.ask(f"{VIEW}.toDataURL('image/png')")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))).convert("RGB"))

    def after(self, frames=2):
        """Let so many more frames come out."""
        count = int(self.ask(f"{VIEW}.dataset.frames ?? 0"))
        self.until(f"Number({VIEW}.dataset.frames ?? 0) >= {count + frames}")
        return self.picture()

    def error(self):
        self.until("!document.getElementById('error').hidden")
        return self.text("error")


VIEW = "document.getElementById('view')"


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


@pytest.fixture(scope="module")
def difference(tmp_path_factory):
    return write_difference(tmp_path_factory.mktemp("net") / "difference.onnx")


@pytest.fixture(scope="module")
def page(runtime, tmp_path_factory):
    with open_chromium(tmp_path_factory.mktemp("chromium"), "--window-size=1300,900") as window:
        yield Page(window)


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


def wait_for(check, words):
    end = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < end, words
        time.sleep(0.1)


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


def test_a_model_of_one_size_gets_frames_of_that_size(serve, page, tmp_path):
    with serve(write_difference(tmp_path / "fixed.onnx", (144, 240))) as url:
        page.open(url).choose("colour", "#0a3cc8")
        assert page.ask("document.getElementById('long').disabled")
        page.drop([("me.png", "image/png", png(someone())), ("empty.png", "image/png", png(room()))])
        taken = page.shows("composite")
        assert taken.shape == (144, 240, 3)
        assert (taken[:40] == BLUE).all()
        assert np.abs(taken[60:100, 100:140].astype(int) - RED).max() <= 1


def test_the_exported_network_gives_what_it_gives_elsewhere(serve, page, tmp_path):
    import onnxruntime

    from training.export import export_onnx
    from training.network import build_refine

    path = tmp_path / "refine.onnx"
    network = build_refine("mobilenetv2", 0.5, "sampling", 2048).eval()
    export_onnx(network, path, 128, 128)
    src, bgr = someone(), room()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pha = session.run(["pha"], {"src": planes(src), "bgr": planes(bgr)})[0][0, 0]
    assert pha.std() > 0.001, "alpha is flat: nothing to compare"
    with serve(path) as url:
        page.open(url).choose("show", "alpha")
        page.drop([("me.png", "image/png", png(src)), ("empty.png", "image/png", png(bgr))])
        off = np.abs(page.shows("alpha")[:, :, 0].astype(int) - np.round(255 * pha))
        assert (off <= 1).mean() > 0.995, "but for patches chosen between equals"
        assert off.mean() < 0.1


def test_webgpu_gives_what_webassembly_gives(serve, tmp_path):
    """On an emulated GPU: the runtime's usual layout computes a convolution of 6 channels wrongly."""
    import onnxruntime

    path = write_convolution(tmp_path / "convolution.onnx")
    src, bgr = someone(), room()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pha = session.run(["pha"], {"src": planes(src), "bgr": planes(bgr)})[0][0, 0]
    assert pha.std() > 0.02, "alpha is flat: nothing to compare"
    emulated = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
    with serve(path) as url, open_chromium(tmp_path / "chromium", *emulated) as window:
        page = Page(window).open(url)
        page.choose("show", "alpha")
        page.choose("choice", "webgpu")
        found, wrong = (f"document.getElementById('{name}')" for name in ("backend", "error"))
        page.until(f"{found}.textContent === 'WebGPU' || !{wrong}.hidden")
        if "offers no WebGPU" in page.text("error"):
            pytest.skip("this Chromium emulates no GPU")
        assert page.text("error") == ""
        page.drop([("me.png", "image/png", png(src)), ("empty.png", "image/png", png(bgr))])
        off = np.abs(page.shows("alpha")[:, :, 0].astype(int) - np.round(255 * pha))
        assert off.max() <= 1


def test_what_is_wrong_with_a_model_stands_on_the_page(serve, difference, page, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network at all")
    gone = tmp_path / "gone.onnx"
    cases = {
        write_difference(
            tmp_path / "names.onnx", names=("left", "right", "pha", "fgr")
        ): "goes from left, right to pha",
        write_difference(tmp_path / "channels.onnx", channels=4): "src is float32 (1, 4",
        broken: "the model cannot be run",
        gone: "cannot be had (404)",
    }
    for path, words in cases.items():
        with serve(path) as url:
            page.open(url)
            assert page.ask("document.body.dataset.state") == "failed"
            assert words in page.error()
            assert "does not run" in page.text("status")
    odd = write_difference(tmp_path / "odd.onnx", (132, 136))
    with serve(odd) as url:
        assert page.open(url).ask("document.body.dataset.state") == "ready", "any size of its own is the model's affair"


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


# Stands in for a GPU that computes something else: the build for it is the one for WebAssembly, with a wrong alpha.
LYING = """
import * as ort from "/runtime/ort.wasm.min.mjs";
export const {env, Tensor} = ort;
export const InferenceSession = {async create(bytes) {
    const session = await ort.InferenceSession.create(bytes, {executionProviders: ["wasm"]});
    const honest = session.run.bind(session);
    session.run = async (...given) => {
        const found = await honest(...given);
        const alpha = found.pha.data.map((value) => value * SHARE);
        return {...found, pha: new ort.Tensor("float32", alpha, found.pha.dims)};
    };
    return session;
}};
"""


@pytest.mark.parametrize(("share", "backend"), [("0.5", "WebAssembly"), ("1", "WebGPU")])
def test_a_gpu_is_believed_only_where_it_agrees_with_webassembly(difference, runtime, tmp_path, page, share, backend):
    stand_in = tmp_path / "runtime"
    stand_in.mkdir()
    for path in runtime.iterdir():
        if "asyncify" not in path.name and path.suffix != ".tgz":
            (stand_in / path.name).symlink_to(path)
    (stand_in / "ort.webgpu.min.mjs").unlink()
    (stand_in / "ort.webgpu.min.mjs").write_text(LYING.replace("SHARE", share))
    worker = (PAGE / "worker.js").read_text()
    question = "await navigator.gpu?.requestAdapter()"
    assert question in worker
    (tmp_path / "worker.js").write_text(worker.replace(question, "{}"))
    with DemoServer(Model(difference, "display"), stand_in) as server:
        server.files["/worker.js"] = tmp_path / "worker.js"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.open(server.url)
        assert page.ask("document.body.dataset.state") == "ready"
        assert backend in page.text("backend")
        words = "WebGPU gives another alpha here than WebAssembly, off by 0.08 in the mean"
        assert page.text("note") == ("" if backend == "WebGPU" else f"Not on WebGPU: {words}.")
        if backend == "WebAssembly":
            page.choose("choice", "webgpu")
            assert page.error() == f"{words}; choose something else to run on"
        server.shutdown()


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
