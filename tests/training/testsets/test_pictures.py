from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.identity import rng
from training.testsets.opening import tell_layout
from training.testsets.pictures import open_folder, open_rvm, read_alpha


def put(path: Path, grey: bool = False, side: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side) if grey else (side, side, 3)
    assert cv2.imwrite(
        str(path), rng(1, str(path.name), str(path.parent.name)).integers(0, 256, shape).astype(np.uint8)
    )


def test_sources_before_one_plate_are_one_clip(tmp_path):
    for name in ("shot_0001", "shot_0002", "shot_0004"):
        put(tmp_path / "src" / f"{name}.png")
        put(tmp_path / "pha" / f"{name}.png", grey=True)
    put(tmp_path / "fgr" / "shot_0002.png")
    put(tmp_path / "bgr" / "plate.png")
    assert tell_layout(tmp_path) == "folder"
    found = open_folder("mine", tmp_path)
    assert [found.follows(i) for i in range(3)] == [False, True, False]
    samples = [found.read(i) for i in range(3)]
    assert {s.recipe["clip"] for s in samples} == {"plate"}
    assert [s.recipe["frame"] for s in samples] == [1, 2, 4]
    assert [s.recipe["fgr_known"] for s in samples] == [False, True, False]
    assert np.array_equal(samples[0].fgr, samples[0].src) and not np.array_equal(samples[1].fgr, samples[1].src)
    assert samples[0].recipe["composite_id"] == "mine/shot_0001" and samples[0].recipe["strength"] == "captured"
    assert found.unusable == ()


def test_plates_of_their_own_make_clips_of_their_own(tmp_path):
    for name in ("one", "two"):
        for layer in ("src", "bgr", "pha"):
            put(tmp_path / layer / f"{name}.png", grey=layer == "pha")
    found = open_folder("mine", tmp_path)
    assert [found.read(i).recipe["clip"] for i in range(2)] == ["one", "two"]
    assert not found.follows(1)


def test_what_has_no_partner_is_named(tmp_path):
    for layer, names in {"src": "abc", "bgr": "ab", "pha": "acz", "fgr": "y"}.items():
        for name in names:
            put(tmp_path / layer / f"{name}.png", grey=layer == "pha")
    found = open_folder("mine", tmp_path)
    assert len(found) == 1
    assert {each.name for each in found.unusable} == {"src/b.png", "src/c.png", "pha/z.png", "fgr/y.png"}
    reasons = {each.name: each.reason for each in found.unusable}
    assert "pha/ holds no picture 'b'" in reasons["src/b.png"]
    assert "no plate for c.png" in reasons["src/c.png"]


def test_a_folder_without_a_whole_sample_says_why(tmp_path):
    for layer, name in (("src", "a"), ("bgr", "a"), ("pha", "b")):
        put(tmp_path / layer / f"{name}.png", grey=layer == "pha")
    with pytest.raises(ValueError, match=r"test set 'mine': no sample in .*src/a\.png: no alpha"):
        open_folder("mine", tmp_path)
    with pytest.raises(ValueError, match=r"holds no pictures"):
        open_folder("mine", tmp_path / "nowhere")


def test_sizes_that_differ_are_told(tmp_path):
    put(tmp_path / "src" / "a.png")
    put(tmp_path / "bgr" / "a.png", side=44)
    put(tmp_path / "pha" / "a.png", grey=True)
    with pytest.raises(ValueError, match=r"a: sizes differ: src 40x40, bgr 44x44"):
        open_folder("mine", tmp_path).read(0)


def test_alpha_is_grey_levels_of_8_or_16_bits(tmp_path):
    deep = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert np.array_equal(read_alpha(tmp_path / "deep.png"), np.arange(256, dtype=np.uint8).reshape(16, 16))
    cv2.imwrite(str(tmp_path / "grey.png"), np.repeat(np.uint8([[0, 90, 255]]), 3, axis=0)[..., None].repeat(3, axis=2))
    assert read_alpha(tmp_path / "grey.png")[0].tolist() == [0, 90, 255]
    put(tmp_path / "colour.png")
    with pytest.raises(ValueError, match=r"colour\.png is a colour picture"):
        read_alpha(tmp_path / "colour.png")
    cv2.imwrite(str(tmp_path / "rgba.png"), np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="alpha channel of its own"):
        read_alpha(tmp_path / "rgba.png")
    with pytest.raises(ValueError, match=r"none\.png is not a readable picture"):
        read_alpha(tmp_path / "none.png")


def test_robust_video_mattings_layout(tmp_path):
    for frame in ("0000", "0001", "0002", "0003"):
        put(tmp_path / "com" / "walk" / f"{frame}.png")
        put(tmp_path / "fgr" / "walk" / f"{frame}.png")
        if frame != "0001":
            put(tmp_path / "pha" / "walk" / f"{frame}.png", grey=True)
    put(tmp_path / "com" / "sit" / "0000.png")
    put(tmp_path / "pha" / "sit" / "0000.png", grey=True)
    put(tmp_path / "bgr" / "walk.png")
    assert tell_layout(tmp_path) == "rvm"
    found = open_rvm("rvm", tmp_path)
    # Frame 1 has no alpha, so that frame 2 follows nothing.
    assert [found.read(i).recipe["frame"] for i in range(len(found))] == [0, 2, 3]
    assert [found.follows(i) for i in range(3)] == [False, False, True]
    assert [each.name for each in found.unusable] == ["com/sit", "walk/0001"]
    assert found.unusable[1].reason == "missing in pha"
    for frame in ("0000", "0003"):
        put(tmp_path / "bgr" / "sit" / f"{frame}.png")
    assert len(open_rvm("rvm", tmp_path)) == 4


def test_layouts_that_are_not_known_are_described(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(ValueError, match=r"no layout that is known here \(images\); expected src/"):
        tell_layout(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        tell_layout(tmp_path / "none")
