"""The server of pictures, asked over a real socket."""

import http.client
import socket
from urllib.parse import quote

import cv2
import numpy as np
import psutil
import pytest

pytest.importorskip("hypercorn", reason="it comes with the extra 'browse'")

from pipelines.browse.media import Address, MediaServer, application
from pipelines.browse.members import UNSEEN, Pictures, shrink
from tests.pipelines.composites_world import key, matte, members, predicted, write_composites
from training.watch.errormap import error_map


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    write_composites(folder)
    return folder / "data"


@pytest.fixture(scope="module")
def server(data):
    with MediaServer(application(Pictures(data), "secret"), 0) as running:
        yield running


def ask(server, path, method="GET", **headers):
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    line.request(method, path, headers=headers)
    answer = line.getresponse()
    return answer.status, answer.read(), dict(answer.getheaders())


def place(set_name="test", ordinal=1, member="src.jpg", side=0, composite=None):
    return f"/secret/{side}/composites/{set_name}/{ordinal}/{composite or key(set_name, ordinal)}.{member}"


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_members_come_as_the_shards_hold_them(server):
    for set_name, ordinal in (("base", 0), ("base", 6), ("test", 5)):
        for member, data in members(set_name, ordinal).items():
            if member != "json":
                status, found, headers = ask(server, place(set_name, ordinal, member))
                assert (status, found) == (200, data)
                assert headers["content-type"] == {"j": "image/jpeg", "p": "image/png"}[member[4]]


def test_only_what_is_there_is_answered(server, data):
    other = key("test", 2)
    assert ask(server, place())[0] == 200
    for path in (
        place(ordinal=6),  # past the set
        place(composite=other),  # another composite has the ordinal now
        place(set_name="valid"),
        place(member="json"),
        place(member="exe.jpg"),
        place().replace("secret", "guess"),
        f"/secret/0/composites/test/1/{quote('../../../plan.parquet', safe='')}",
        "/secret/0/predictions/1/x/alpha/" + quote("../../../../etc/passwd", safe="") + ".png",
        f"/secret/0/predictions/1/{key('test', 1)}/alpha/nobody.png",
        f"/secret/0/predictions/1/{key('test', 1)}/rm/refine.png",
        "/",
    ):
        assert ask(server, path)[0] == 404, path
    assert ask(server, place(), method="POST")[0] == 405


def test_no_page_elsewhere_reads_the_answers(server):
    assert ask(server, place(), Host="evil.example")[0] == 400
    assert "access-control-allow-origin" not in ask(server, place(), Origin="http://evil.example")[2]
    ours = ask(server, place(), Origin="http://localhost:5151")[2]
    assert ours["access-control-allow-origin"] == "http://localhost:5151"
    listening = [line.laddr for line in psutil.Process().net_connections("inet") if line.status == "LISTEN"]
    assert [at.ip for at in listening if at.port == server.port] == ["127.0.0.1"]


def test_thumbnails_and_overlays_are_small(server):
    wide = decode(ask(server, place(side=64))[1])
    assert wide.shape == (48, 64, 3)
    grey = decode(ask(server, place(side=64, member="pha.png"))[1])
    assert grey.shape == (48, 64)
    same = members("test", 1)["src.jpg"]
    assert ask(server, place(side=128))[1] == same and shrink(same, 4000, ".jpg") == same


def test_errors_are_made_of_prediction_and_truth(server):
    def asked(what):
        return decode(ask(server, f"/secret/0/predictions/1/{key('test', 1)}/{what}/refine.png")[1])

    assert (asked("alpha") == predicted(1)).all()
    off = asked("off")
    assert off[:10, :10].min() == 255 and off[10:, 10:].max() == 0, f"below {UNSEEN} of 255 nobody sees it"
    assert (asked("error")[..., ::-1] == error_map(predicted(1), matte(1))).all()


def test_it_stops_with_the_session_and_yields_a_taken_port(data):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with MediaServer(application(Pictures(data), "t"), taken) as running:
            assert running.port != taken
            assert ask(running, place().replace("secret", "t"))[0] == 200
        with pytest.raises(OSError, match="refused"):
            ask(running, "/")


def test_the_address_holds_from_session_to_session(tmp_path):
    first = Address(tmp_path)
    first.remember(6001)
    again = Address(tmp_path)
    assert again.base == first.base and ":6001/" in again.base
    assert (tmp_path / "media.json").stat().st_mode & 0o077 == 0
    assert Address(tmp_path / "other").token != first.token
