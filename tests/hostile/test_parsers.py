"""Properties of everything that reads text: any input ends in values or in a ValueError, and what is written is read.

Clips' splits, image decoders, locators of listed names and the round trip of the frame store have theirs beside their
own tests.
"""

import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compositing.mattes.videomatte import find_clips
from curation.decisions import COLUMNS, Decision, read_decisions, write_decisions
from curation.detectors.calibration import Calibration, read_calibration, shipped, write_calibration
from curation.detectors.darknet import MOST_SIDE, _input_size
from curation.places365 import LISTS, find_images
from curation.sources import Source, locator_of, parse
from curation.storage import Entry
from curation.tarlist import list_tar
from pipelines import params, paths
from pipelines.work import Share

fixed = settings(derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
few = settings(fixed, max_examples=15)
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
odd = st.sampled_from(["..", "/", "\\", "#", "+", ":", "%2e", "\0", "C:", "bytes:", "1", " ", "\n", "a.tar", "é", "-"])
words = st.lists(odd | st.text(letters, max_size=5), max_size=8).map("".join)
PARAMS = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")


@fixed
@given(words)
def test_no_locator_leads_out_of_the_root(text: str) -> None:
    try:
        place = parse(text)
    except ValueError as error:
        assert repr(text) in str(error)
        return
    assert os.path.normpath(f"/root/{place.path}").startswith("/root")
    assert not PurePosixPath(place.path).is_absolute() and "\0" not in place.path
    assert (place.offset is None) == (place.size is None) and (place.offset or 0) >= 0
    assert parse(locator_of(*place)) == place


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> str:
    """A text with a few lines dropped, doubled, cut or followed by something else."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        change = draw(st.sampled_from(["drop", "double", "cut", "value", "indent", "tag"]))
        lines[at : at + 1] = {
            "drop": [],
            "double": [line, line],
            "cut": [line[: draw(st.integers(0, len(line)))]],
            "value": [re.sub(r":.*", ": " + draw(st.text(letters, max_size=9)), line)],
            "indent": ["  " + line],
            "tag": [line.replace(": ", f": !!{draw(st.sampled_from(['python/name:os.system', 'int', 'set', 'x']))} ")],
        }[change]
        lines = lines or [""]
    return "\n".join(lines)


@few
@given(spoiled(PARAMS))
def test_spoiled_params_name_their_file_or_are_whole(text: str) -> None:
    try:
        found = params.parse(text, "the/file.yaml")
    except params.ParamsError as error:
        assert all(line.startswith("the/file.yaml") for line in str(error).splitlines()[:1])
    else:
        assert params.parse(json.dumps(found.model_dump(mode="json"))) == found


@few
@given(st.text(max_size=40) | st.lists(words, max_size=4).map("\n".join))
def test_any_text_is_yaml_or_names_its_file(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "paths.yaml"
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        for read in (paths.extra_roots, paths.testset_folders):
            try:
                assert isinstance(read(file), dict)
            except ValueError as error:
                assert str(file) in str(error)


notes = st.text(letters, max_size=20).map(lambda text: re.sub("\r\n?", "\n", text).strip())
decisions = st.builds(
    Decision, st.binary(min_size=16, max_size=16).map(bytes.hex), st.sampled_from(["keep", "reject"]), notes, notes
)


@fixed
@given(st.lists(decisions, max_size=5, unique_by=lambda decision: decision.image_id))
def test_decisions_are_read_as_they_were_written(written: list[Decision]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_decisions(written, Path(folder) / "d.csv")
        assert sorted(read_decisions(Path(folder) / "d.csv").values()) == sorted(written)


def test_a_carriage_return_in_a_note_becomes_a_line(tmp_path: Path) -> None:
    write_decisions([Decision("0" * 32, "keep", "me", "one\r\ntwo\rthree")], tmp_path / "d.csv")
    assert read_decisions(tmp_path / "d.csv")["0" * 32].note == "one\ntwo\nthree"


@fixed
@given(st.binary(max_size=60), st.booleans())
def test_any_decisions_are_read_or_named(data: bytes, headed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "d.csv"
        file.write_bytes(",".join(COLUMNS).encode() * headed + b"\n" * headed + data)
        try:
            assert all(len(key) == 32 for key in read_decisions(file))
        except ValueError as error:
            assert str(file) in str(error)


lines = st.lists(
    words | st.sampled_from(["/c/church/indoor 3", "Places365_val_00000001.jpg 7", "a ²", "a ٣"]), max_size=5
)


@fixed
@given(st.sampled_from(LISTS), lines.map("\n".join).map(lambda text: text.encode("utf-8")) | st.binary(max_size=40))
def test_an_official_list_is_read_or_named_with_its_line(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        try:
            assert find_images(folder).records == []
        except ValueError as error:
            assert name in str(error)


safe = st.text(letters, min_size=1, max_size=20).filter(lambda name: "/" not in name and len(name.encode()) < 200)


@few
@given(st.sets(safe, min_size=1, max_size=5))
def test_every_file_has_a_row_and_its_bytes_whatever_its_name(names: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            (Path(folder) / f"{name}.jpg").write_bytes(name.encode())
        records = find_images(folder).records
        assert {record.name for record in records} == {f"{name}.jpg" for name in names}
        for record in records:
            if "\\" in record.name:  # a path on another system: refused where it would lead out of the root there
                continue
            assert Source(folder).read(record.locator).decode() == record.name.removesuffix(".jpg")


class Names:
    """A store of names without bytes."""

    root = "root"

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def list(self, prefix: str = "") -> Iterator[Entry]:
        found = sorted(name for name in self.names if name.startswith(f"{prefix}/"))
        if not found:
            raise FileNotFoundError(prefix)
        return (Entry(name, 1, 0) for name in found)


clip_parts = st.tuples(
    st.sampled_from(["train/", "test/", "", "other/"]),
    st.sampled_from(["fgr/", "pha/"]),
    st.sampled_from(["0000", "0001", "0002/00000", "0002/00001", "a_b", "a/b/c", "é", "", "0003."]),
    st.sampled_from([".mp4", ".mov", ".jpg", ".png", ".txt", ".MP4", ""]),
)


@fixed
@given(st.sets(clip_parts.map("".join), max_size=12))
def test_every_file_of_a_layout_is_in_a_clip_or_told_as_ignored(names: set[str]) -> None:
    read = {name for name in names if re.match(r"((train|test)/)?(fgr|pha)/", name)}
    try:
        listing = find_clips(Names(names))  # type: ignore[arg-type]
    except FileNotFoundError:
        assert not [name for name in read if re.search(r"(fgr|pha)/[^/]+\.(mp4|mov|MP4)$", name)]
        return
    except ValueError as error:
        assert "would share the file" in str(error)
        return
    sides = [side for clip in listing.clips for side in (clip.fgr, clip.pha) if side is not None]
    told = {path for side in sides for path in (side.path, *side.frames)} | set(listing.ignored)
    told |= {name for side in sides for name in re.findall(r"[^ ;]+", side.problem or "")}
    assert {name for name in read if name not in told} == set()
    assert len({clip.key for clip in listing.clips}) == len(listing.clips)


@fixed
@given(st.lists(st.tuples(st.sampled_from(["width", " height ", "[net]", "x"]), words), max_size=6))
def test_a_cfg_says_its_size_or_is_refused(pairs: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.cfg"
        file.write_text("\n".join(f"{key}={value}" for key, value in pairs), encoding="utf-8")
        try:
            assert all(0 < side <= MOST_SIDE for side in _input_size(file))
        except ValueError as error:
            assert str(file) in str(error)


@fixed
@given(spoiled(shipped().model_dump_json(indent=1)))
def test_a_spoiled_calibration_is_named_or_whole(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "c.json"
        file.write_text(text, encoding="utf-8")
        try:
            found = read_calibration(file)
        except ValueError as error:
            assert str(file) in str(error)
            return
        assert isinstance(found, Calibration)
        write_calibration(found, file)
        assert read_calibration(file) == found


@fixed
@given(words | st.tuples(st.integers(-3, 99), st.integers(-3, 99)).map(lambda pair: f"{pair[0]}/{pair[1]}"))
def test_a_share_is_one_of_how_many_or_refused(text: str) -> None:
    try:
        share = Share.parse(text)
    except ValueError as error:
        assert text in str(error)
        return
    assert 1 <= share.number <= share.of and text == f"{share.number}/{share.of}"


def packed() -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("a.jpg", "b" * 150 + ".jpg", "é.jpg"):
            info = tarfile.TarInfo(name)
            info.size = 700
            tar.addfile(info, BytesIO(bytes(700)))
    return buffer.getvalue()


@fixed
@given(st.lists(st.tuples(st.integers(0, len(packed()) - 1), st.integers(0, 255)), max_size=6), st.integers(0, 12_000))
def test_a_spoiled_tar_is_listed_to_where_it_can_be(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(packed())
    for at, value in changes:
        data[at] = value
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.tar").write_bytes(bytes(data[:cut] if cut else data))
        members = list(list_tar(folder, "x.tar"))
        spans = [(member.offset, member.size) for member in members if member.reason is None]
        assert len(set(spans)) == len(spans) and all(size >= 0 for _, size in spans)
        assert all(member.reason is not None for member in members if member.name == "x.tar")
