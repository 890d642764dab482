"""Raw datasets in an object store: the stages make of them what they make of the same files in a folder."""

import hashlib
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from ruamel.yaml import YAML

from compositing.mattes.clipreader import read_clip
from compositing.mattes.videomatte import find_clips
from curation import index as index_module
from curation.storage import StorageError, objects, open_store
from pipelines import detect, index, mattes
from pipelines.engine import PartError
from pipelines.params import load
from pipelines.presets import _set, write_roots
from pipelines.scan import Listing, record, scan
from pipelines.stage import Stage
from pipelines.work import work_folder
from tests.compositing.conftest import disc, write_clip, write_fgr, write_pha
from tests.curation.conftest import Scene, scene
from tests.objects_world import S3, point_at, serving
from tests.pipelines.test_repro import ROOT

__all__ = ["disc", "scene", "write_clip", "write_fgr", "write_pha"]
STAGES = (index, detect, mattes)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory, root: Path, scene: Scene, write_clip: Callable[..., None]) -> Path:
    """Both datasets at a tiny size: loose pictures and packed ones, clips as videos and as folders of frames."""
    text = (root / "params.yaml").read_text()
    for key, value in {"data.preset": "full", "mattes.min_clips": 1}.items():
        text = _set(text, key, value)
    folder = tmp_path_factory.mktemp("raw")
    (folder / "params.yaml").write_text(text)
    places = folder / "places365"
    for seed in range(8):
        name = ("kitchen", "attic")[seed % 2]
        path = places / "data_large" / name[0] / name / f"{seed:08d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(seed, 120, 160)).save(path, quality=90)
    with tarfile.open(places / "more.tar", "w") as tar:
        tar.add(places / "data_large" / "a", "data_large/a")
    shutil.rmtree(places / "data_large" / "a")
    (places / "data_large" / "k" / "kitchen" / "empty.jpg").write_bytes(b"")
    (places / "categories_places365.txt").write_text("/k/kitchen 3\n/a/attic 4\n")
    for number in range(6):
        write_clip(folder / "videomatte", f"{number:04d}", 2, ("train", "test")[number // 4], video=number % 2 == 0)
    return folder


def project(folder: Path, raw: Path, places: str, clips: str, patch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    patch.chdir(folder)
    patch.setenv("CLEANPLATE_WORKERS", "1")
    for name in ("CLEANPLATE_WORK", "CLEANPLATE_PATHS"):
        patch.delenv(name, raising=False)
    shutil.copy(raw / "params.yaml", folder)
    (folder / "curation").mkdir()
    for name in ("dvc.yaml", "curation/decisions.csv"):
        shutil.copy(ROOT / name, folder / name)
    YAML().dump({"places365": places, "videomatte": clips}, folder / "paths.yaml")


def make(stage: object) -> None:
    name = stage.__name__.rpartition(".")[2]
    with work_folder(name) as folder:
        stage.body(Stage(name, load(), folder))
        folder.seal()
    shutil.rmtree(folder.folder)  # as the sweep does once dvc.lock records the output


def digests() -> dict[str, str]:
    files = [path for path in sorted(Path("data").rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_bytes_from_a_store(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: S3) -> None:
    project(tmp_path / "local", raw, str(raw / "places365"), (raw / "videomatte").as_uri(), monkeypatch)
    for stage in STAGES:
        make(stage)
    local = digests()
    assert {
        "data/images.parquet",
        "data/people.parquet",
        "data/frames.parquet",
        "data/frames/train_0000.tar",
    } < local.keys()
    url = s3.bucket()
    s3.fill(f"{url}/raw", raw)
    project(tmp_path / "remote", raw, f"{url}/raw/places365", f"{url}/raw/videomatte/", monkeypatch)
    for stage in STAGES:
        make(stage)
    assert digests() == local
    assert url not in str([(Path("data") / name).read_bytes() for name in ("images.parquet", "frames.parquet")])


def test_an_object_that_did_not_change_is_not_read_again(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: S3
) -> None:
    url = s3.fill(s3.bucket(), raw / "places365")
    project(tmp_path / "remote", raw, url, url, monkeypatch)
    monkeypatch.setattr(index, "SETTLED_NS", -(10**12))  # all of it was put just now
    make(index)
    s3.asked.clear()
    open_store(url).put(
        "data_large/k/kitchen/new.jpg", (raw / "places365/data_large/k/kitchen/00000000.jpg").read_bytes()
    )
    make(index)
    assert [path.rpartition("/")[2] for method, path, _ in s3.asked if method == "GET" and path.endswith(".jpg")] == [
        "new.jpg"
    ]


def test_a_scan_gives_the_digest_of_the_same_folder(raw: Path, tmp_path: Path, s3: S3) -> None:
    url = s3.fill(f"{s3.bucket()}/a", raw)
    write_roots(f"{url}/places365", f"{url}/videomatte", tmp_path / "paths.yaml")
    for name in ("places365", "videomatte"):
        assert YAML().load(tmp_path / "paths.yaml")[name] == f"{url}/{name}"
        *_, found = scan(f"{url}/{name}", tmp_path / f"{name}.parquet")
        *_, local = scan(raw / name, tmp_path / f"local-{name}.parquet")
        assert found[:4] == local[:4]


def test_a_rehash_reads_what_changed_behind_the_same_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: S3
) -> None:
    url, cache = s3.bucket(), tmp_path / "cache.parquet"

    def put(content: bytes, time: int) -> None:
        open_store(url).put("x", content)
        monkeypatch.setattr(objects, "_nanoseconds", lambda moment: time)  # S3 tells whole seconds only

    def scanned(rehash: bool = False) -> Listing:
        *_, last = scan(url, cache, rehash)
        assert isinstance(last, Listing)
        record(last, cache)
        return last

    put(b"one", 1)
    scanned()
    put(b"two", 2)
    assert scanned().suspicious == ["x"]
    second = scanned(rehash=True)
    put(b"333", 3)
    third = scanned(rehash=True)
    assert (third.suspicious, third.changed) == ([], 1)
    assert third.digest != second.digest


def test_a_store_that_stops_ends_the_stage_and_is_no_row(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as world:
        point_at(world, monkeypatch)
        monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0.2")
        url = world.fill(world.bucket(), raw)
        project(tmp_path / "remote", raw, f"{url}/places365", f"{url}/videomatte", monkeypatch)
        read = index_module.index_image
        count = iter(range(100))

        def stops(*given):
            if next(count) == 3:
                world.stop()
            return read(*given)

        monkeypatch.setattr(index_module, "index_image", stops)
        with pytest.raises(PartError, match=rf"StorageError: {url}/places365/.*: no answer from http://127"):
            make(index)
        with pytest.raises(StorageError, match="no answer"):
            make(mattes)


def test_a_video_ends_with_its_store(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as world:
        point_at(world, monkeypatch)
        monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0.2")
        monkeypatch.setattr(objects, "BLOCK", 512)
        store = open_store(world.fill(world.bucket(), raw / "videomatte"))
        clip = find_clips(store).clips[0]
        pairs = read_clip(store, clip)
        world.asked.clear()
        world.after(2, world.stop)
        with pytest.raises(StorageError, match="no answer"):
            list(pairs)


def test_errors_name_the_url_and_what_to_do(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: S3) -> None:
    project(tmp_path / "remote", raw, "s3://no-such-bucket/x", "ftp://x/y", monkeypatch)
    with pytest.raises(ValueError, match=r"paths.yaml: videomatte: 'ftp://x/y': expected s3://"):
        make(mattes)
    YAML().dump({"places365": "s3://no-such-bucket/x", "videomatte": s3.bucket()}, Path("paths.yaml"))
    with pytest.raises(FileNotFoundError, match="s3://no-such-bucket/x: the bucket does not exist; check the URL"):
        make(index)
    with pytest.raises(FileNotFoundError, match=r"videomatte: 's3://made-\d+' has no clips; expected train/fgr"):
        make(mattes)
    with pytest.raises(ValueError, match="hold each other"):
        write_roots("s3://b/x", "s3://b/m", photos="s3://anonymous@b/x/y")
