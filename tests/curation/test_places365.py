import io
import tarfile
from pathlib import Path

import pytest

from curation.places365 import Record, find_images
from curation.sources import Source

CATEGORIES = "/a/airfield 0\n/c/church/indoor 1\n/c/church/outdoor 2\n/k/kitchen 3\n"
INDOOR = "/a/airfield 2\n/c/church/indoor 1\n/c/church/outdoor 2\n/k/kitchen 1\n"
VALID = "Places365_val_00000001.jpg 1\nPlaces365_val_00000002.jpg 3\n"


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


def lists(root: Path) -> None:
    root.mkdir(exist_ok=True)
    (root / "categories_places365.txt").write_text(CATEGORIES)
    (root / "IO_places365.txt").write_text(INDOOR)
    (root / "places365_val.txt").write_text(VALID)


def by_name(root: Path) -> dict[str, Record]:
    return {record.name: record for record in find_images(root).records}


def test_every_official_layout(tmp_path: Path) -> None:
    lists(tmp_path)
    want = {
        "data_large/a/airfield/1.jpg": ("airfield", False),
        "data_large/c/church/indoor/1.jpg": ("church/indoor", True),
        "data_256_standard/k/kitchen/7.jpg": ("kitchen", True),
        "places365_standard/train/church-outdoor/1.jpg": ("church/outdoor", False),
        "places365_standard/val/kitchen/1.jpg": ("kitchen", True),
        "val_large/Places365_val_00000001.jpg": ("church/indoor", True),
        "val_256/Places365_val_00000002.jpg": ("kitchen", True),
        "test_large/Places365_test_00000001.jpg": (None, None),
        "holiday/church/indoor/IMG_1.JPG": ("church/indoor", True),
        "holiday/IMG_2.jpeg": (None, None),
        "loose.png": (None, None),
        "data_large/n/newscene/1.jpg": ("newscene", None),
    }
    write(tmp_path, *want)
    found = find_images(tmp_path)
    assert {r.name: (r.scene, r.indoor) for r in found.records} == want
    assert all(r.locator == r.name and r.reason is None for r in found.records)
    assert [r.locator for r in found.records] == sorted(want)
    assert found.lists == ("IO_places365.txt", "categories_places365.txt", "places365_val.txt")


# Archive -> its members and what they show, as the official download page offers them and as torchvision unpacks them.
OFFICIAL = {
    "train_large_places365standard.tar": {
        "data_large/a/airfield/00000001.jpg": ("airfield", False),
        "data_large/c/church/indoor/00000002.jpg": ("church/indoor", True),
    },
    "train_large_places365challenge.tar": {"data_large/k/kitchen/00000003.jpg": ("kitchen", True)},
    "train_256_places365standard.tar": {"data_256/c/church/outdoor/00000004.jpg": ("church/outdoor", False)},
    "renamed_by_torchvision.tar": {"data_256_standard/k/kitchen/00000005.jpg": ("kitchen", True)},
    "val_large.tar": {"val_large/Places365_val_00000001.jpg": ("church/indoor", True)},
    "val_256.tar": {"val_256/Places365_val_00000002.jpg": ("kitchen", True)},
    "test_large.tar": {"test_large/Places365_test_00000001.jpg": (None, None)},
    "test_256.tar": {"test_256/Places365_test_00000001.jpg": (None, None)},
    "places365standard_easyformat.tar": {
        "places365_standard/train/church-outdoor/00000006.jpg": ("church/outdoor", False),
        "places365_standard/val/kitchen/Places365_val_00000002.jpg": ("kitchen", True),
    },
}


def pack(archive: Path, *names: str) -> None:
    archive.parent.mkdir(exist_ok=True)
    with tarfile.open(archive, "w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))


@pytest.mark.parametrize("labels", ["beside", "in a folder", "packed", "packed below a folder"])
@pytest.mark.parametrize("packed", [True, False])
def test_every_official_archive_packed_or_unpacked_wherever_its_lists_are(
    tmp_path: Path, packed: bool, labels: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    lists(tmp_path if "packed" in labels else root if labels == "beside" else root / "filelist")
    if "packed" in labels:
        below = "filelist_places365/" if "below" in labels else ""
        with tarfile.open(root / "filelist_places365-standard.tar", "w") as tar:
            for path in tmp_path.glob("*.txt"):
                tar.add(path, below + path.name)
    for archive, members in OFFICIAL.items():
        pack(root / archive, *members) if packed else write(root / archive.removesuffix(".tar"), *members)
    found = find_images(root)
    want = {name: told for members in OFFICIAL.values() for name, told in members.items()}
    got = {}
    for record in found.records:
        name = record.name if packed else record.name.partition("/")[2]
        assert Source(root).read(record.locator) == name.encode() and record.reason is None
        got[name] = (record.scene, record.indoor)
    assert got == want
    assert sorted(Path(name).name for name in found.lists) == sorted(
        ["IO_places365.txt", "categories_places365.txt", "places365_val.txt"]
    )


def test_without_lists_the_folders_still_tell(tmp_path: Path) -> None:
    write(tmp_path, "data_large/c/church/indoor/1.jpg", "places365_standard/val/kitchen/Places365_val_00000001.jpg")
    (tmp_path / "places365_val.txt").write_text(VALID)  # numbers, but no names for them
    assert [record.scene for record in find_images(tmp_path).records] == ["church/indoor", "kitchen"]


def test_lists_that_label_nothing_and_other_companions_are_rows(tmp_path: Path) -> None:
    write(
        tmp_path, "1.jpg", "places365_train_standard.txt", "places365_test.txt", "train.txt", "md5sum.txt", ".DS_Store"
    )
    reasons = {name: record.reason for name, record in by_name(tmp_path).items()}
    assert reasons.pop("1.jpg") is None and len(reasons) == 5
    assert all((reason or "").startswith("not an image: ") for reason in reasons.values())


def test_a_list_too_long_to_be_one_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg")
    with (tmp_path / "places365_val.txt").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ValueError, match=r"places365_val.txt: 1000000000000 bytes, over .* is no official list"):
        find_images(tmp_path)


def test_the_root_may_be_data_large_itself(tmp_path: Path) -> None:
    write(tmp_path, "a/airport_terminal/1.jpg", "c/church/indoor/1.jpg")
    assert [r.scene for r in find_images(tmp_path).records] == ["airport_terminal", "church/indoor"]


def test_what_is_no_image_has_a_reason(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "notes.txt", "Thumbs", "more.tar.gz", "b.heic")
    reasons = {name: record.reason for name, record in by_name(tmp_path).items()}
    assert reasons.pop("a.jpg") is None
    assert set(reasons) == {"notes.txt", "Thumbs", "more.tar.gz", "b.heic"}
    assert (reasons.pop("b.heic") or "").startswith("unsupported: .heic")
    assert all(reason and reason.startswith("not an image: ") for reason in reasons.values())


def test_a_tar_is_read_packed(tmp_path: Path) -> None:
    lists(tmp_path)
    inside = tmp_path / "inside"
    write(inside, "data_large/c/church/indoor/1.jpg", "data_large/k/kitchen/notes.txt")
    (inside / "data_large/k/kitchen/link.jpg").symlink_to("../../../../outside.jpg")
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(root / "train_large_places365standard.tar", "w") as tar:
        tar.add(inside / "data_large", "data_large")
        for name in ("categories_places365.txt", "IO_places365.txt"):
            tar.add(tmp_path / name, name)
    found = find_images(root)
    records = {record.name: record for record in found.records}
    image = records["data_large/c/church/indoor/1.jpg"]
    assert (image.scene, image.indoor, image.reason) == ("church/indoor", True, None)
    assert image.locator.startswith("train_large_places365standard.tar#")
    assert Source(root).read(image.locator) == b"data_large/c/church/indoor/1.jpg"
    assert "link" in (records["data_large/k/kitchen/link.jpg"].reason or "")
    assert "txt" in (records["data_large/k/kitchen/notes.txt"].reason or "")
    assert len(records) == 3 and len(found.lists) == 2 and found.archives == ("train_large_places365standard.tar",)


@pytest.mark.parametrize("keep", [0.4, 0.75, 0.97])
def test_a_tar_cut_short_says_so(tmp_path: Path, keep: float) -> None:
    write(tmp_path / "inside", *(f"{number}.jpg" for number in range(4)))
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as tar:
        for number in range(4):
            tar.add(tmp_path / "inside" / f"{number}.jpg", f"{number}.jpg")
    data = whole.read_bytes()[: 4 * 1024]
    root = tmp_path / "root"
    root.mkdir()
    (root / "cut.tar").write_bytes(data[: int(len(data) * keep)])
    records = find_images(root).records
    assert any((record.reason or "").startswith("archive: ") for record in records)


def test_a_file_that_is_no_tar_says_so(tmp_path: Path) -> None:
    (tmp_path / "page.tar").write_bytes(b"<html>404</html>" * 100)
    (record,) = find_images(tmp_path).records
    assert (record.reason or "").startswith("archive: ")


def test_a_broken_list_names_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg")
    (tmp_path / "categories_places365.txt").write_text("/a/airfield 0\n<html>\n")
    with pytest.raises(ValueError, match=r"categories_places365.txt, line 2: '<html>'"):
        find_images(tmp_path)
    (tmp_path / "categories_places365.txt").unlink()
    (tmp_path / "IO_places365.txt").write_text("/a/airfield 3\n")
    with pytest.raises(ValueError, match="expected 1"):
        find_images(tmp_path)


def test_undecodable_names_do_not_stop_the_walk(corpus_folder: Path) -> None:
    records = find_images(corpus_folder).records
    for record in records:
        record.locator.encode("utf-8")
        record.name.encode("utf-8")
    (odd,) = [record for record in records if record.locator == "bytes:caf%E9.jpg"]
    assert Source(corpus_folder).read(odd.locator)[:2] == b"\xff\xd8"
    assert len(records) == len(list(corpus_folder.iterdir()))
