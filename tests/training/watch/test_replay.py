import math

import cv2
import pytest
import torch
from typer.testing import CliRunner

from pipelines.cli import app
from training import loop
from training.build import build_network
from training.devices.device import build_fabric, reproducible
from training.loop import Readers, train
from training.samples.data import Order, Steps, batches, to_images
from training.watch import divergence
from training.watch.divergence import Incident
from training.watch.replay import broken_weights, picture, replay, take


@pytest.fixture
def make_incident(disc_reader, make_params):
    """The first step of a run of the drawn samples, with any weights."""

    def make(kind="base", spoil=None, **changes):
        params = make_params(batch=4, crop=[64, 64], **changes)
        reader = disc_reader("base")
        (batch,) = batches(reader, 1, Steps(Order(1, len(reader)), 4, (64, 64), 0, 1), loaders=0)
        network = build_network(kind, params)
        with torch.no_grad():
            if spoil is not None:
                spoil(network, batch)
        names = [reader.read(p).recipe["composite_id"] for p in batch.positions.tolist()]
        return Incident(kind, 0, "the loss is nan at step 0", params, names, batch, network.state_dict())

    return make


def overflow_on_bright(network, batch):
    """Weights so large that only the third sample, made the only one that is not black, leaves the range of floats."""
    batch.src[[0, 1, 3]] = 0
    batch.bgr.zero_()
    batch.src[2] = 255
    network.backbone.features[0][0].weight.fill_(3e38)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("base", {"clip": None}), ("refine", {"clip": None}), ("base", {"accumulate": 2, "clip": 0.1})],
)
def test_it_takes_the_very_step(make_incident, kind, changes):
    incident = make_incident(kind, **changes)
    run = loop.rebuild(kind, incident.params, build_fabric(incident.params, "cpu"))
    gradients = {}
    run.stepper.step = lambda: gradients.update(
        {name: p.grad.clone() for name, p in run.network.named_parameters() if p.grad is not None}
    )
    from training.watch.clock import Clock

    with reproducible("cpu", incident.params.threads):
        terms = run.learn(incident.batch, to_images(incident.batch), Clock(run.fabric.device))
    (taken,) = replay(incident, "cpu")
    assert taken.terms == pytest.approx(terms, rel=1e-6)
    # What was clipped in the run is seen unclipped.
    norm = math.sqrt(sum(part.norm**2 for part in taken.gradients))
    whole = math.sqrt(sum(float(g.double().square().sum()) for g in gradients.values()))
    assert norm == pytest.approx(whole, rel=1e-4) if changes["clip"] is None else norm > 2 * whole
    assert {part.part for part in taken.gradients} == {name.split(".")[0] for name in gradients}
    for name, value in taken.terms.items():
        assert sum(sample[name] for sample in taken.samples) / 4 == pytest.approx(value, rel=1e-4)
    assert taken.first is None
    assert all(0 < pull < 1 for pull in taken.pulls)
    assert taken.pha.shape == (4, 1, 64, 64)


def test_the_first_broken_layer_and_its_sample_are_named(make_incident):
    incident = make_incident(spoil=overflow_on_bright, precision="bf16-mixed")
    for taken, precision in zip(replay(incident, "cpu"), ("bf16-mixed", "32-true"), strict=True):
        assert taken.precision == precision
        assert taken.first is not None
        assert taken.first.name == "backbone.features.0.0"
        assert taken.first.samples == [2]
        assert taken.first.entered == 1
        assert 0 < taken.first.broken <= 0.25
        assert math.isnan(taken.terms["total"])
        assert all(part.broken > 0 for part in taken.gradients)


def test_samples_keep_their_numbers_in_micro_batches(make_incident):
    taken = take(make_incident(spoil=overflow_on_bright, accumulate=2), "32-true", "cpu")
    assert taken.first is not None
    assert taken.first.samples == [2]
    totals = [sample["total"] for sample in taken.samples]
    assert [math.isfinite(total) for total in totals] == [True, True, False, False]  # a part shares its statistics


def test_the_largest_layer_is_named(make_incident):
    def spoil(network, batch):
        network.decoder.bn2.weight.fill_(1e6)

    taken = take(make_incident(spoil=spoil), "32-true", "cpu")
    assert taken.largest.name == "decoder.conv3"  # it adds up what the norm before it made large
    assert taken.largest.largest > taken.largest.entered > 1e6
    assert taken.first is None


def test_weights_that_were_broken_before():
    weights = {"a": torch.ones(2), "b": torch.tensor([1.0, math.inf]), "count": torch.tensor(3)}
    assert broken_weights(weights) == ["b"]


def test_pictures(make_incident):
    incident = make_incident()
    taken = take(incident, "32-true", "cpu")
    taken.pha[1, 0, 5, 7] = math.nan
    shown = picture(incident, taken, 1)
    assert shown.shape == (64, 5 * 64, 3)
    assert (shown[:, :64] == incident.batch.src[1].numpy()).all()
    assert (shown[:, 192:256, 0] == incident.batch.pha[1, ..., 0].numpy()).all()
    assert shown[5, 256 + 7].tolist() == [255, 0, 255]


def test_the_command_says_who_did_it(make_incident, tmp_path):
    incident = make_incident(spoil=overflow_on_bright)
    path = divergence.save(tmp_path / "diverged.safetensors", incident)
    done = CliRunner().invoke(app, ["replay", str(path), "--out", str(tmp_path / "seen")], catch_exceptions=False)
    assert done.exit_code == 0
    assert "first output that is not finite: backbone.features.0.0 (Conv2d, 4x32x32x32)" in done.output
    assert f"not finite, in {incident.composites[2]}" in done.output
    assert f"Look at {incident.composites[2]}: float32 fails on it too." in done.output
    pictures = sorted((tmp_path / "seen").iterdir())
    assert [p.name for p in pictures] == [f"{i:02d}-{name}.png" for i, name in enumerate(incident.composites)]
    assert cv2.imread(str(pictures[2])).shape == (64, 320, 3)


def test_a_step_in_order_and_broken_weights_are_told_apart(make_incident, tmp_path):
    def say(incident):
        path = divergence.save(tmp_path / "diverged.safetensors", incident)
        return CliRunner().invoke(app, ["replay", str(path)], catch_exceptions=False).output

    assert "This step is in order by itself" in say(make_incident())

    def spoil(network, batch):
        network.decoder.bn1.weight[0] = math.nan

    text = say(make_incident(spoil=spoil))
    assert "1 weights were not finite before the step already, such as decoder.bn1.weight" in text
    assert "An earlier step broke the weights" in text


def test_what_a_stopped_run_saved_replays(disc_reader, make_params, tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")
    params = make_params(steps=3, clip=None, validate_every=3)
    rates = dict.fromkeys(("backbone", "aspp", "decoder", "refiner"), 1e38)
    params = params.model_copy(update={"rates": params.rates.model_copy(update=rates)})
    readers = Readers(disc_reader("base"), disc_reader("valid"))
    with pytest.raises(divergence.DivergedError, match="cleanplate replay"):
        train("base", params, readers, tmp_path, tmp_path / "curves", "discs")
    incident = divergence.load(tmp_path / "diverged-00000001.safetensors")
    (taken,) = replay(incident)
    assert not math.isfinite(taken.terms["total"])
    # Huge, but numbers: what is none in the file are statistics of the very step that stopped.
    assert not incident.weights["aspp.project.1.running_var"].isfinite().all()
    assert broken_weights(incident.weights) == []
