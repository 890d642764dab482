import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositing.mattes.videomatte import Clip, Layer, MattesParams, find_clips, find_objects, split_clips
from curation.storage import open_store

DEFAULTS = {
    "max_side": 640,
    "every": 1,
    "black": 0.02,
    "white": 0.98,
    "foreground": "auto",
    "min_coverage": 0.005,
    "valid_share": 0.2,
    "test_share": 0.2,
    "min_clips": 2,
    "objects": (),
}


def params(**changes):
    return MattesParams(**{**DEFAULTS, **changes})


def clip(name, paired=True):
    folder = name.rpartition("/")[0]
    return Clip(name, folder, Layer(f"fgr/{name}.mp4"), Layer(f"pha/{name}.mp4") if paired else None)


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return open_store(root)


def test_videos_and_frames_in_train_test_and_root(tmp_path):
    store = touch(
        tmp_path,
        "train/fgr/0000.mp4",
        "train/pha/0000.mp4",
        "test/fgr/0000/00000.jpg",
        "test/fgr/0000/00001.jpg",
        "test/pha/0000/00000.jpg",
        "test/pha/0000/00001.jpg",
        "fgr/lone.MOV",
        "pha/lone.mov",
    )
    listing = find_clips(store)
    assert [(c.name, c.key, c.folder) for c in listing.clips] == [
        ("lone", "lone", ""),
        ("test/0000", "test_0000", "test"),
        ("train/0000", "train_0000", "train"),
    ]
    assert all(c.paired for c in listing.clips)
    assert listing.clips[1].fgr == Layer("test/fgr/0000", ("test/fgr/0000/00000.jpg", "test/fgr/0000/00001.jpg"))
    assert listing.clips[2].pha == Layer("train/pha/0000.mp4")
    assert listing.ignored == ()


def test_one_sided_clips_are_listed_and_odd_files_are_named(tmp_path):
    store = touch(
        tmp_path,
        "train/fgr/0000.mp4",
        "train/pha/0001.mp4",
        "train/fgr/readme.txt",
        "train/fgr/.mp4",
        "train/fgr/0000/deep/0.jpg",
    )
    listing = find_clips(store)
    assert [(c.name, c.fgr is None, c.pha is None, c.paired) for c in listing.clips] == [
        ("train/0000", False, True, False),
        ("train/0001", True, False, False),
    ]
    assert listing.ignored == ("train/fgr/.mp4", "train/fgr/0000/deep/0.jpg", "train/fgr/readme.txt")


def test_a_layer_that_is_there_twice_has_a_problem(tmp_path):
    store = touch(tmp_path, "train/fgr/0000.mp4", "train/fgr/0000/00000.jpg", "train/pha/0000.mp4")
    (found,) = find_clips(store).clips
    assert not found.paired
    assert "train/fgr/0000.mp4 and train/fgr/0000/" in found.fgr.problem


@pytest.mark.parametrize("made", [(), ("notes.txt",), ("videos/fgr/0000.mp4",), ("fgr/readme.txt",)])
def test_a_root_without_clips_says_what_is_expected(tmp_path, made):
    store = touch(tmp_path, *made)
    with pytest.raises(FileNotFoundError, match=r"has no clips; expected train/fgr/0000\.mp4") as caught:
        find_clips(store)
    assert str(tmp_path) in str(caught.value)


def test_names_that_would_share_a_file_are_refused(tmp_path):
    store = touch(tmp_path, "train/fgr/0000.mp4", "fgr/train_0000.mp4")
    with pytest.raises(ValueError, match=r"share the file train_0000\.tar"):
        find_clips(store)


TRAIN = [clip(f"train/{number:04d}") for number in range(40)]


def test_the_official_test_folder_is_test_and_nothing_else_is():
    clips = [*TRAIN, clip("test/0000"), clip("test/0001", paired=False)]
    splits = split_clips(clips, params())
    assert {name for name, split in splits.items() if split == "test"} == {"test/0000", "test/0001"}
    assert set(splits.values()) == {"train", "valid", "test"}


def test_without_a_test_folder_a_share_is_test():
    counts = [list(split_clips(TRAIN, params()).values()).count(split) for split in ("train", "valid", "test")]
    assert sum(counts) == 40
    assert counts[1] in range(3, 16)
    assert counts[2] in range(3, 16)


@given(st.sets(st.integers(0, 39), min_size=1), st.floats(0, 0.5), st.floats(0, 0.4))
def test_a_subset_splits_as_the_whole_does(chosen, valid, test):
    values = params(min_clips=0, valid_share=valid, test_share=test)
    try:
        some = split_clips([TRAIN[number] for number in sorted(chosen)], values)
        whole = split_clips(TRAIN, values)
    except ValueError as error:
        assert "leave none to train on" in str(error)
        return
    assert some == {name: whole[name] for name in some}


@given(st.integers(0, 6), st.integers(13, 40), st.booleans())
def test_enough_clips_in_each_split_and_in_one_only(least, count, official):
    clips = TRAIN[:count] + ([clip("test/0000")] if official else [])
    splits = split_clips(clips, params(min_clips=least, valid_share=0.01, test_share=0.01))
    by_split = {split: [name for name in splits if splits[name] == split] for split in ("train", "valid", "test")}
    assert len(by_split["valid"]) >= least
    assert len(by_split["test"]) >= (1 if official else least)
    assert by_split["train"]
    assert splits.keys() == {c.name for c in clips}


def test_the_guarantee_moves_only_the_clips_nearest_to_the_border():
    few = split_clips(TRAIN, params(min_clips=0, valid_share=0.02, test_share=0.02))
    more = split_clips(TRAIN, params(min_clips=3, valid_share=0.02, test_share=0.02))
    assert sum(few[name] != more[name] for name in few) <= 6
    assert list(more.values()).count("test") == list(more.values()).count("valid") == 3


def test_clips_with_one_side_do_not_fill_a_split():
    broken = [clip(c.name, paired=number % 2 == 0) for number, c in enumerate(TRAIN)]
    splits = split_clips(broken, params(min_clips=4, valid_share=0.0, test_share=0.0))
    usable = [splits[c.name] for c in broken if c.paired]
    assert usable.count("test") >= 4
    assert usable.count("valid") >= 4


def test_too_few_clips_say_what_to_change():
    with pytest.raises(ValueError, match=r"4 complete clips of people.*mattes\.min_clips 2.*lower them or add clips"):
        split_clips(TRAIN[:4], params())


def test_objects_are_named_by_patterns_of_whole_names():
    clips = [clip(name) for name in ("chair1", "test/chair2", "train/0001", "train/Chair", "train/chair10")]
    assert find_objects(clips, ()) == frozenset()
    assert find_objects(clips, ("*/chair*", "train/000?")) == {"test/chair2", "train/chair10", "train/0001"}
    assert find_objects(clips, ("train/[C]hair",)) == {"train/Chair"}


def test_a_pattern_that_names_no_clip_is_named():
    with pytest.raises(ValueError, match=r"mattes\.objects: 'chair\*' matches none of 40 clips \(the first is 'train/"):
        find_objects(TRAIN, ("train/*", "chair*"))
    with pytest.raises(ValueError, match=r"mattes\.objects: '0001'"):
        split_clips(TRAIN, params(objects=("0001",)))


def test_objects_do_not_fill_a_split_and_are_split_by_name_all_the_same():
    objects = tuple(c.name for number, c in enumerate(TRAIN) if number % 2)
    given = params(min_clips=4, valid_share=0.0, test_share=0.0, objects=objects)
    splits = split_clips(TRAIN, given)
    people = [split for name, split in splits.items() if name not in objects]
    assert splits.keys() == {c.name for c in TRAIN}
    assert people.count("test") == people.count("valid") == 4
    with pytest.raises(ValueError, match=r"0 complete clips of people outside test/ leave none to train on"):
        split_clips(TRAIN, params(objects=("*",)))
