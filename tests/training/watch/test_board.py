import importlib.util
import sys
import types
from typing import ClassVar

import pytest

from training.loop import Readers, train
from training.watch.board import open_board


class Writer:
    """Stands for TensorBoard's writer, which is not part of the environment."""

    made: ClassVar[list["Writer"]] = []

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step, self.scalars, self.images, self.closed = folder, purge_step, [], [], False
        self.made.append(self)

    def add_scalar(self, name, value, step):
        self.scalars.append((name, step))

    def add_image(self, name, image, step, dataformats):
        assert image.ndim == len(dataformats) == 3
        self.images.append((name, step))

    def close(self):
        self.closed = True


@pytest.fixture
def tensorboard(monkeypatch, tmp_path):
    """TensorBoard is installed and asked for."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name == "tensorboard" else find(name))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    monkeypatch.setenv("CLEANPLATE_TENSORBOARD", str(tmp_path / "board"))
    monkeypatch.setattr(Writer, "made", [])
    return Writer.made


def test_curves_pictures_and_pace_go_to_the_board(tensorboard, disc_reader, make_params, tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")
    readers = Readers(disc_reader("base"), disc_reader("valid"))
    params = make_params(steps=2, images_every=2)
    train("base", params, readers, tmp_path / "run", tmp_path / "curves", "discs", pictures=tmp_path / "seen")
    (board,) = tensorboard
    assert board.folder == str(tmp_path / "board" / "run")
    assert board.purge_step == 1
    assert {("train/total", 2), ("valid/mad", 2), ("pace/samples_per_second", 2)} <= set(board.scalars)
    assert ("valid/hard-1", 2) in board.images
    assert board.closed


def test_nobody_asked(monkeypatch):
    monkeypatch.delenv("CLEANPLATE_TENSORBOARD", raising=False)
    assert open_board("run", 0) is None


def test_a_missing_tensorboard_says_how_to_install_it(monkeypatch):
    monkeypatch.setenv("CLEANPLATE_TENSORBOARD", "runs")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        open_board("run", 0)
