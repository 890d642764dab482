import io
import pickle
import re
import tarfile

import cv2
import numpy as np
import pytest
from PIL import Image

from compositing.codec import decode_rgb_layer
from tests.training.conftest import draw
from training.samples.extra import ExtraReader, find_samples

SIDE = 64


def members(number, fgr=True):
    made = {name: data for name, data in draw("extra", number).items() if name != "json"}
    return made if fgr else {name: data for name, data in made.items() if name != "fgr.jpg"}


def write_folders(root, names, fgr=True):
    for number, name in enumerate(names):
        for member, data in members(number, fgr).items():
            layer, suffix = member.split(".")
            (root / layer).mkdir(parents=True, exist_ok=True)
            (root / layer / f"{name}.{suffix}").write_bytes(data)


def write_shard(path, names, skip=()):
    with tarfile.open(path, "w") as tar:
        for number, name in enumerate(names):
            for member, data in {**members(number), "json": b"{}", "cls": b"0"}.items():
                if (name, member) not in skip:
                    info = tarfile.TarInfo(f"{name}.{member}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))


def open_source(root, side=SIDE):
    return ExtraReader("office", root, side)


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def test_folders_and_shards_and_loose_files_give_the_same_samples(tmp_path):
    names = ["b", "a", "c.2024"]
    write_folders(tmp_path / "folders", names)
    (tmp_path / "shards").mkdir()
    write_shard(tmp_path / "shards/one.tar", names[:2])
    write_shard(tmp_path / "shards/two.tar", [])
    loose = tmp_path / "loose"
    loose.mkdir()
    for number, name in enumerate(names):
        for member, data in members(number).items():
            (loose / f"{name}.{member}").write_bytes(data)
    folders, shards, files = (open_source(tmp_path / name) for name in ("folders", "shards", "loose"))
    assert [s.name for s in folders.samples] == ["a", "b", "c.2024"]
    assert [s.name for s in shards.samples] == ["one.tar/a", "one.tar/b"]
    for one, other in ((shards, 2), (files, 3)):
        assert len(one) == other
        for position in range(other):
            pairs = zip(folders.read(position)[:4], pickle.loads(pickle.dumps(one)).read(position)[:4], strict=True)
            assert all((a == b).all() for a, b in pairs)
    assert folders.read(2).recipe == {"composite_id": "office/c.2024"}
    assert folders.read(0).src.tobytes() == decode_rgb_layer(members(1)["src.jpg"]).tobytes()


def test_a_missing_foreground_is_known_and_stands_in_as_the_source(tmp_path):
    write_folders(tmp_path, ["a"])
    write_folders(tmp_path, ["b"], fgr=False)
    reader = open_source(tmp_path)
    assert [reader.has_fgr(position) for position in (0, 1)] == [True, False]
    sample = reader.read(1)
    assert (sample.fgr == sample.src).all()
    assert (reader.read(0).fgr != reader.read(0).src).any()


def test_one_plate_serves_all_sources(tmp_path):
    write_folders(tmp_path, ["a", "b"], fgr=False)
    for plate in (tmp_path / "bgr").iterdir():
        plate.rename(plate.with_stem("empty")) if plate.stem == "a" else plate.unlink()
    reader = open_source(tmp_path)
    assert (reader.read(0).bgr == reader.read(1).bgr).all()


def test_large_samples_are_shrunk_to_the_rendered_ones_side(tmp_path):
    write_folders(tmp_path, ["a"])
    assert open_source(tmp_path, 32).read(0).pha.shape == (32, 32)
    assert open_source(tmp_path, 200).read(0).pha.shape == (SIDE, SIDE)


@pytest.mark.parametrize(
    ("skip", "words"),
    [
        ([("b", "bgr.jpg")], "1 of 3 samples: 'one.tar/b' lacks bgr;"),
        (
            [("a", "src.jpg"), ("c", "pha.png"), ("c", "bgr.jpg")],
            "2 of 3 samples: 'one.tar/a' lacks src; 'one.tar/c' lacks bgr and pha;",
        ),
    ],
)
def test_samples_that_lack_members_are_named(tmp_path, skip, words):
    write_shard(tmp_path / "one.tar", ["a", "b", "c"], skip)
    with pytest.raises(ValueError, match=re.escape(f"extra 'office': {words}")):
        find_samples("office", tmp_path)


def test_a_source_without_alpha_is_named(tmp_path):
    write_folders(tmp_path, ["a", "b"])
    (tmp_path / "pha/b.png").unlink()
    with pytest.raises(ValueError, match="1 of 2 samples: 'b' lacks pha"):
        open_source(tmp_path)
    (tmp_path / "pha/a.png").unlink()
    with pytest.raises(ValueError, match="pha holds no pictures"):
        open_source(tmp_path)


def test_no_folder_and_no_samples(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"extra 'office': .*nowhere is not a folder"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no samples; expected folders src/"):
        open_source(tmp_path)


def test_two_pictures_of_one_layer_are_named(tmp_path):
    for member in ("a.src.jpg", "a.src.png"):
        (tmp_path / member).write_bytes(b"x")
    with pytest.raises(ValueError, match="sample 'a' has two pictures src"):
        open_source(tmp_path)


def test_a_damaged_shard_is_named(tmp_path):
    write_shard(tmp_path / "one.tar", ["a", "b"])
    data = (tmp_path / "one.tar").read_bytes()
    (tmp_path / "one.tar").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"extra 'office': .*one\.tar"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("file", "data", "words"),
    [
        ("pha/b.png", png(np.zeros((64, 60), np.uint8)), "b: sizes differ: src 64x64, bgr 64x64, .*pha 60x64"),
        ("pha/b.png", png(np.zeros((64, 64, 4), np.uint8)), "b: pha has an alpha channel"),
        ("src/b.jpg", b"no picture", "b: src: cannot identify"),
    ],
)
def test_pictures_that_cannot_be_used_are_named_before_training(tmp_path, file, data, words):
    write_folders(tmp_path, ["a", "b"])
    (tmp_path / file).write_bytes(data)
    reader = open_source(tmp_path)
    with pytest.raises(ValueError, match=f"extra 'office': 1 of 2 samples cannot be used: {words}.*cleanplate scan"):
        reader.check(32)
    assert reader.read(0).pha.shape == (SIDE, SIDE)
    if "alpha channel" not in words:
        with pytest.raises(ValueError, match="extra 'office', sample 'b'"):
            reader.read(1)


def test_samples_smaller_than_the_crop_are_named(tmp_path):
    write_folders(tmp_path, ["a"])
    open_source(tmp_path).check(64)
    with pytest.raises(ValueError, match="a: 64x64, of which the crop takes 68 pixels"):
        open_source(tmp_path).check(68)


def test_a_photograph_that_lies_on_its_side_is_read_upright(tmp_path):
    upright = np.zeros((40, 64, 3), np.uint8)
    for layer, suffix in (("bgr", "png"), ("src", "jpg"), ("pha", "png")):
        (tmp_path / layer).mkdir()
        image = Image.fromarray(upright if layer != "pha" else upright[..., 0])
        exif = Image.Exif()
        if layer == "src":
            exif[0x0112] = 6
            image = image.transpose(Image.Transpose.ROTATE_90)
        image.save(tmp_path / layer / f"a.{suffix}", exif=exif)
    reader = open_source(tmp_path)
    reader.check(32)
    assert reader.read(0).src.shape == (40, 64, 3)
