import json

import pytest
import torch
from safetensors import safe_open

from curation.identity import rng
from training.loop import DivergedError, Readers, train
from training.samples.data import Batch
from training.watch import divergence
from training.watch.divergence import Incident, Watch


def ordinary(count, seed=1):
    """Losses that fall and scatter by half their size, as those of small batches do, some three times too high."""
    generator = rng(seed, "losses")
    falling = 0.1 + 0.5 * 0.98 ** (torch.arange(count).numpy())
    return list(falling * generator.lognormal(0, 0.4, count))


def test_ordinary_noise_stops_nothing():
    for seed in range(20):
        watch = Watch(10.0)
        assert [watch.see(loss) for loss in ordinary(600, seed)] == [None] * 600


def test_one_hard_batch_stops_nothing_and_an_explosion_does():
    watch = Watch(10.0, ordinary(200))
    for _ in range(2):
        assert watch.see(5.0) is None
    bounds = [watch.see(1.2) for _ in range(3)]
    assert bounds[0] is not None
    assert 0.2 < bounds[0] < 1.2
    # As quiet as it may be: a tenth of the median counts as its spread.
    quiet = Watch(10.0, [0.1] * 105)
    assert [quiet.see(0.19) for _ in range(6)] == [None] * 6


def test_without_a_limit_or_a_hundred_losses_there_is_no_bound():
    off = Watch(None, ordinary(200))
    assert [off.see(100.0) for _ in range(10)] == [None] * 10
    young = Watch(10.0, ordinary(94))
    assert [young.see(100.0) for _ in range(10)] == [None] * 10
    with pytest.raises(ValueError, match=r"diverge is 0\.0"):
        Watch(0.0)


def test_a_resumed_watch_sees_the_same():
    losses = [*ordinary(300), *[1.0, 0.9, 1.2] * 2]
    watch = Watch(10.0)
    whole = [watch.see(loss) for loss in losses]
    first = Watch(10.0)
    for loss in losses[:302]:
        first.see(loss)
    second = Watch(10.0, json.loads(json.dumps(first.losses)))
    assert [second.see(loss) for loss in losses[302:]] == whole[302:]
    assert any(whole)


@pytest.fixture
def incident(make_params):
    layers = [torch.randint(0, 256, (2, 8, 8, c), dtype=torch.uint8) for c in (3, 3, 3, 1)]
    weights = {"decoder.conv4.bias": torch.tensor([float("nan"), 1.0])}
    return Incident(
        "base",
        7,
        "the loss is nan",
        make_params(),
        ["aa", "bb"],
        Batch(*layers, torch.tensor([4, 2]), torch.ones(2, 2)),
        weights,
    )


def test_an_incident_comes_back_as_it_was(incident, tmp_path):
    found = divergence.load(divergence.save(tmp_path / "a.safetensors", incident))
    assert found[:5] == incident[:5]
    assert all(torch.equal(one, two) for one, two in zip(found.batch, incident.batch, strict=True))
    assert torch.equal(found.weights["decoder.conv4.bias"], incident.weights["decoder.conv4.bias"]) is False  # NaN
    assert found.weights["decoder.conv4.bias"].isnan().tolist() == [True, False]


def test_other_files_are_no_incidents(incident, tmp_path):
    with pytest.raises(FileNotFoundError, match="names the file"):
        divergence.load(tmp_path / "none")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="cannot be read"):
        divergence.load(tmp_path / "text")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "weights")
    with pytest.raises(ValueError, match="holds no step saved for replay"):
        divergence.load(tmp_path / "weights")


def test_a_full_disk_does_not_hide_the_reason(incident, tmp_path, monkeypatch):
    def full(path, kept):
        raise OSError("no space left")

    monkeypatch.setattr(divergence, "save", full)
    assert divergence.keep(tmp_path, incident) == "The batch could not be saved: no space left. "
    assert divergence.keep(None, incident) == ""


def test_processes_do_not_overwrite_each_other(incident, tmp_path):
    for rank in (0, 1):
        assert f"-rank{rank}.safetensors'" in divergence.keep(tmp_path, incident, rank)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_exploding_run_stops_with_its_batch_saved(disc_reader, make_params, tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")
    monkeypatch.setattr(divergence, "REMEMBERED", 3)
    monkeypatch.setattr(divergence, "RECENT", 1)
    params = make_params(steps=9, clip=None, schedule="constant", crop=[32, 32], validate_every=9, checkpoint_every=2)
    from training import loop

    honest = loop._Run.losses
    seen = []

    def losses(self, images):
        seen.append(self.step)
        return {name: term * (100 if self.step == 5 else 1) for name, term in honest(self, images).items()}

    monkeypatch.setattr(loop._Run, "losses", losses)
    readers = Readers(disc_reader("base"), disc_reader("valid"))
    run = tmp_path / "run"
    for start in (0, 4):  # from nothing, and from the checkpoint, which remembers the losses
        seen.clear()
        with pytest.raises(
            DivergedError, match=r"the loss explodes: .* at step 5 .*cleanplate replay .*/diverged-00000005"
        ):
            train("base", params, readers, run, run / "curves", "discs")
        assert seen == list(range(start, 6))
        path = run / "diverged-00000005.safetensors"
        found = divergence.load(path)
        path.unlink()
        with safe_open(run / "checkpoints/step-00000004.safetensors", framework="pt") as file:
            before = file.get_tensor("network.decoder.conv4.weight")
        assert not torch.equal(found.weights["decoder.conv4.weight"], before)  # step 4 was taken since
        names = [readers.train.read(p).recipe["composite_id"] for p in found.batch.positions.tolist()]
        assert list(found.composites) == names
    monkeypatch.setattr(loop._Run, "losses", honest)
    train(
        "base", params.model_copy(update={"diverge": None, "steps": 6}), readers, tmp_path / "b", tmp_path / "b/c", "d"
    )
