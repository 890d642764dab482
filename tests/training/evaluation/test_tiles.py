import cv2
import numpy as np
import pytest

from training.evaluation.strips import GAP, TITLE
from training.evaluation.tiles import SIDE, tiles_name, write_tiles


def test_a_name_says_what_is_shown_and_not_which_sample():
    assert tiles_name("hard", "worst") == "pictures/hard-worst.jpg"
    assert tiles_name("hard", "worst, place 2") == "pictures/hard-worst-place-2.jpg"


def test_panels_lie_in_rows_of_three(tmp_path):
    red, grey = np.zeros((96, 48, 3), np.uint8), np.full((96, 48), 128, np.uint8)
    red[..., 0] = 255
    path = write_tiles({"a": red, "b": grey, "c": grey, "d": red}, tmp_path / "new/a.jpg")
    found = cv2.imread(str(path)).astype(int)
    width = SIDE // 2 + GAP
    assert found.shape == (2 * (TITLE + SIDE + GAP), 3 * width, 3)
    tall = TITLE + SIDE + GAP
    middles = [found[row * tall + tall // 2, column * width + 40] for row in range(2) for column in range(3)]
    assert found[:TITLE, :width].min() < 100 < found[tall : tall + TITLE, 2 * width :].min(), "words over panels alone"
    expected = [[0, 0, 255], [128] * 3, [128] * 3, [0, 0, 255], [255] * 3, [255] * 3]
    assert np.abs(np.array(middles) - expected).max() < 10


def test_a_picture_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "imwrite", lambda *_: False)
    with pytest.raises(OSError, match=r"a\.jpg could not be written"):
        write_tiles({"a": np.zeros((8, 8), np.uint8)}, tmp_path / "a.jpg")
