"""What is served, to whom, and under which policy; and what the command says before it serves."""

import http.client
import json
import threading

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.demo.model import Model, find_model
from pipelines.demo.runtime import FILES
from pipelines.demo.server import PAGE, DemoServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    for name in (*FILES, "net.onnx", "secret.txt"):
        (folder / name).write_bytes(name.encode())
    with DemoServer(Model(folder / "net.onnx", "linear"), folder) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def ask(server, path, method="GET", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_every_file_comes_with_a_type_that_browsers_run(server):
    kinds = {
        "/": "text/html; charset=utf-8",
        "/style.css": "text/css; charset=utf-8",
        "/worker.js": "text/javascript; charset=utf-8",
        "/runtime/ort.wasm.min.mjs": "text/javascript; charset=utf-8",
        "/runtime/ort-wasm-simd-threaded.wasm": "application/wasm",
        "/model.onnx": "application/octet-stream",
    }
    for path, kind in kinds.items():
        status, headers, body = ask(server, path)
        assert (status, headers["Content-Type"], int(headers["Content-Length"])) == (200, kind, len(body)), path
    assert ask(server, "/")[2] == (PAGE / "index.html").read_bytes()
    assert ask(server, "/model.onnx?again")[2] == b"net.onnx"
    assert json.loads(ask(server, "/about.json")[2]) == {"model": "net.onnx", "space": "linear", "runtime": "1.30.0"}
    status, headers, body = ask(server, "/model.onnx", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "8", b"")


def test_the_policy_is_on_every_answer_errors_too(server):
    for path in ("/", "/worker.js", "/model.onnx", "/about.json", "/nothing"):
        headers = ask(server, path)[1]
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp", path
        rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
        assert rules["default-src"] == "'self'"
        others = {word for rule in rules.values() for word in rule.split()} - {"'self'", "'none'"}
        assert others == {"'wasm-unsafe-eval'", "blob:"}, "no other origin, no inline script, no eval of text"


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/runtime/secret.txt",
        "/../server.py",
        "/%2e%2e/server.py",
        "/runtime/../net.onnx",
        "/page/",
        "//secret.txt",
    ],
)
def test_only_known_names_are_answered(server, path):
    assert ask(server, path)[0] == 404


def test_other_names_other_methods_and_other_machines_get_nothing(server):
    assert server.server_address[0] == "127.0.0.1"
    assert ask(server, "/", host="evil.example")[0] == 421
    assert ask(server, "/", host=f"localhost:{server.server_port}")[0] == 200
    assert ask(server, "/", "POST")[0] == 501


def test_a_port_that_is_taken_is_named(server):
    with pytest.raises(OSError, match=f"port {server.server_port} .*another --port"):
        DemoServer(Model(PAGE / "index.html", "display"), PAGE, server.server_port)


def test_the_model_is_found_or_the_command_that_makes_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["demo", "--no-open"])
    assert isinstance(result.exception, FileNotFoundError)
    assert "dvc repro export" in str(result.exception)
    folder = tmp_path / "data" / "export"
    folder.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"holds no \.onnx; run 'dvc repro export'"):
        find_model()
    for name in ("a.onnx", "refine.onnx", "z.txt"):
        (folder / name).touch()
    assert find_model().path.name == "refine.onnx"
    (folder / "refine.onnx").unlink()
    assert find_model().path.name == "a.onnx"
    assert find_model(folder / "a.onnx", "linear") == Model(folder / "a.onnx", "linear")
    with pytest.raises(ValueError, match=r"z\.txt: browsers run \.onnx"):
        find_model(folder / "z.txt")
    with pytest.raises(ValueError, match="--space rgb: neither display nor linear"):
        find_model(folder, "rgb")


def test_the_space_is_that_of_the_file(tmp_path):
    files = pytest.importorskip("training.export.files")
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, [1]) for name in ("src", "pha")]
    graph = helper.make_graph([helper.make_node("Identity", ["src"], ["pha"])], "same", ends[:1], ends[1:])
    for said in ("linear", "display", None):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        if said:
            helper.set_model_props(model, {files.ABOUT: json.dumps({"space": said})})
        onnx.save(model, tmp_path / f"{said}.onnx")
        assert find_model(tmp_path / f"{said}.onnx").space == (said or "display")
