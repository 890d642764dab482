"""What the page computes with real and false networks, on WebAssembly and on GPUs, true and lying ones."""

import threading

import numpy as np
import pytest

from pipelines.demo.model import Model
from pipelines.demo.server import PAGE, DemoServer
from tests.chromium import open_chromium
from tests.pipelines.demo.conftest import write_convolution, write_difference
from tests.pipelines.demo.page_driver import BLUE, RED, Page, planes, png, room, someone

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
