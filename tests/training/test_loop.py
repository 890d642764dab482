import hashlib
import json
import logging

import pytest
import torch
from safetensors.torch import load_file

from training import loop
from training.build import build_network
from training.checkpoint import newest_step
from training.devices.device import build_fabric, choose_device
from training.loop import DivergedError, Readers, train
from training.network import build_refine, weights
from training.network.weights import load_base, load_metadata, load_refine
from training.schedule import parameter_groups, rate_factor
from training.watch.divergence import load


@pytest.fixture
def readers(disc_reader):
    return Readers(disc_reader("base"), disc_reader("valid"))


@pytest.fixture
def run(readers, tmp_path, monkeypatch):
    """Trains in a folder of its own; gives the SHA-256 of the weights."""
    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")

    def start(params, name="run", kind="base", **options):
        folder = tmp_path / name
        path = train(kind, params, readers, folder, folder / "curves", data="discs", **options)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    start.folder = tmp_path
    return start


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the loop catches it."""


def kill_at(step):
    def progress(done, note):
        if done == step:
            raise Killed

    return progress


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16-mixed", "ema": 0.9, "optimizer": "adam"}])
def test_same_weights_twice_and_after_kills(run, make_params, changes):
    params = make_params(checkpoint_every=2, **changes)
    whole = run(params, "whole")
    assert run(params, "again") == whole
    for step in (1, 3):  # one before any checkpoint, one between two
        with pytest.raises(Killed):
            run(params, "killed", progress=kill_at(step))
    assert newest_step(run.folder / "killed" / "checkpoints") == 2
    assert run(params, "killed") == whole
    curves = [sorted((run.folder / name / "curves").rglob("*.*")) for name in ("whole", "killed")]
    assert [f.name for f in curves[0]] == [f.name for f in curves[1]]
    assert [f.read_bytes() for f in curves[0]] == [f.read_bytes() for f in curves[1]]


def test_same_weights_for_other_loaders(run, make_params, monkeypatch):
    params = make_params(steps=3, validate_every=3)
    whole = run(params, "whole")
    monkeypatch.setenv("CLEANPLATE_LOADERS", "1")
    assert run(params, "loaders") == whole


def test_what_ran_before_changes_nothing(run, make_params):
    params = make_params(steps=2)
    whole = run(params, "whole")
    torch.manual_seed(99)
    before = torch.get_rng_state()
    threads = torch.get_num_threads()
    assert run(params, "again") == whole
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_seed_changes_the_weights(run, make_params):
    assert run(make_params(steps=1), "one") != run(make_params(steps=1, seed=2), "two")


def test_a_finished_run_is_not_done_again(run, make_params):
    params = make_params(steps=2)
    whole = run(params)
    steps = []
    assert run(params, progress=lambda step, note: steps.append(step)) == whole
    assert steps == []


def test_refine_starts_from_base_and_goes_on_after_a_kill(run, make_params):
    run(make_params(steps=1), "base")
    init = run.folder / "base" / "base.safetensors"
    params = make_params(steps=2)
    network = build_network("refine", params, init)
    base = load_file(init)
    state = network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in base.items())
    whole = run(params, "refine", "refine", init=init)
    with pytest.raises(Killed):
        run(params, "killed", "refine", init=init, progress=kill_at(1))
    assert run(params, "killed", "refine", init=init) == whole
    final = load_file(run.folder / "refine" / "refine.safetensors")
    moved = {name.split(".")[0] for name, value in state.items() if not torch.equal(value, final[name])}
    assert moved == {"backbone", "aspp", "decoder", "refiner"}
    assert load_refine(run.folder / "refine" / "refine.safetensors").refiner.sample_pixels == 256


def test_the_file_says_what_it_is(run, make_params):
    params = make_params(steps=1)
    run(params)
    path = run.folder / "run" / "base.safetensors"
    assert load_metadata(path) == {"steps": 1, "seed": 1, "space": "linear", "config": params.model_dump(mode="json")}
    assert load_base(path).backbone_name == "mobilenetv2"


@pytest.mark.parametrize("frozen", [["backbone"], ["aspp", "decoder"], ["backbone", "aspp", "decoder"]])
def test_frozen_parts_stay_and_the_rest_learns(run, make_params, tmp_path, frozen):
    init = tmp_path / "init.safetensors"
    start = build_refine("mobilenetv2")
    weights.save(start, init)
    run(make_params(freeze=frozen, ema=0.9, steps=2), kind="refine", init=init)
    before, after = start.state_dict(), weights.load(run.folder / "run/refine.safetensors")
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"backbone", "aspp", "decoder", "refiner"} - set(frozen)
    assert not torch.equal(before["refiner.bn1.running_mean"], after["refiner.bn1.running_mean"])


def test_average_is_what_is_saved(run, make_params):
    run(make_params(steps=2), "plain")
    run(make_params(steps=2, ema=0.5), "average")
    plain, average = (load_file(run.folder / n / "base.safetensors") for n in ("plain", "average"))
    assert not torch.equal(plain["decoder.conv4.weight"], average["decoder.conv4.weight"])
    newest = load_file(run.folder / "average" / "checkpoints" / "step-00000002.safetensors")
    assert torch.equal(newest["network.decoder.conv4.weight"], plain["decoder.conv4.weight"])
    assert torch.equal(newest["average.decoder.conv4.weight"], average["decoder.conv4.weight"])


def test_it_learns(run, make_params):
    run(make_params(steps=20, batch=4, crop=[64, 64], validate_every=20, checkpoint_every=20))
    rows = (run.folder / "run/curves/plots/metrics/train/pha.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[0] for line in rows] == ["10", "20"]
    first, last = (float(line.split("\t")[1]) for line in rows)
    assert last < 0.75 * first


def test_curves(run, make_params):
    run(make_params(steps=3, validate_every=2))
    folder = run.folder / "run" / "curves"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["step"] == 3
    assert set(metrics["train"]) == {"pha", "grad", "fgr", "err", "total"}
    assert set(metrics["valid"]) == {"mad", "mad_exact", "mad_mild", "mad_hard"}
    table = (folder / "plots/metrics/valid/mad.tsv").read_text().splitlines()
    assert table[0] == "step\tmad"
    assert [line.split("\t")[0] for line in table[1:]] == ["2", "3"]


def test_log_says_the_device_and_where_time_goes(run, make_params, caplog):
    with caplog.at_level(logging.INFO, logger="cleanplate"):
        run(make_params(steps=1))
    assert "train_base: device cpu (accelerator is 'cpu')" in caplog.text
    for phase in ("data", "forward", "backward", "optimizer"):
        assert f"{phase} " in caplog.text.split("ms a step:")[1]
    assert 0.1 < float(caplog.text.split("peak memory ")[1].split(" GiB")[0]) < 100


def test_resuming_with_other_settings_is_refused(run, make_params):
    run(make_params(steps=1))
    with pytest.raises(ValueError, match="steps: 1 -> 2"):
        run(make_params(steps=2))


def test_divergence_names_the_step_and_its_composites(run, make_params):
    params = make_params(clip=None, steps=3)
    with pytest.raises(DivergedError, match=r"at step 1 .*composites [0-9a-f]{32}, [0-9a-f]{32}"):
        # Rates of a float's own range: the first update throws the weights out of it.
        run(params.model_copy(update={"rates": params.rates.model_copy(update=dict.fromkeys(PARTS, 1e38))}))


PARTS = ("backbone", "aspp", "decoder", "refiner")


@pytest.mark.parametrize("clip", [1.0, None])
def test_gradient_that_is_no_number_never_reaches_the_weights(run, make_params, monkeypatch, clip):
    def broken(out, pha, fgr, *rest):
        return {"pha": torch.sqrt(out.pha * 0).mean()}  # value 0, gradient NaN

    monkeypatch.setattr(loop, "base_losses", broken)
    with pytest.raises(DivergedError, match="the gradient is nan at step 0"):
        run(make_params(clip=clip))
    assert load(run.folder / "run/diverged-00000000.safetensors").what.startswith("the gradient is nan at step 0")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": 1}, "batch is 1"),
        ({"crop": [32, 128]}, "samples are 64x64"),
        ({"steps": 0}, "steps is 0"),
        ({"devices": 3}, "batch is 2, which 3 ranks cannot share equally"),
        ({"precision": "16-mixed"}, "needs a GPU"),
        ({"ema": 1.5}, r"ema is 1\.5"),
        ({"diverge": -1.0}, r"diverge is -1\.0"),
        ({"batch": 4, "accumulate": 3}, "accumulate is 3, which does not divide batch 4"),
        ({"accumulate": 2}, "accumulate is 2, .* parts of 2 samples or more"),
        ({"compile": True, "checkpointing": True}, "are both true"),
    ],
)
def test_settings_that_cannot_work_are_named(run, make_params, changes, words):
    with pytest.raises(ValueError, match=words):
        run(make_params(**changes))


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"no CUDA|without CUDA.*Set accelerator to 'auto' or 'cpu'"):
        choose_device("cuda")
    device, why = choose_device("auto")
    assert device == "cpu"
    assert "CUDA" in why


def test_a_gpu_is_taken_by_auto(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Test GPU")
    assert choose_device("auto") == ("cuda", "Test GPU; accelerator is 'auto'")
    assert choose_device("cpu")[0] == "cpu"


def test_images_are_not_rounded_by_autocast(make_params):
    fabric = build_fabric(make_params(precision="bf16-mixed"), "cpu")
    module = fabric.setup(torch.nn.Identity())
    value = torch.tensor([1 / 3])
    assert torch.equal(module(value), value)


def test_rates():
    factors = [rate_factor("onecycle", step, 100) for step in range(100)]
    assert factors[0] == pytest.approx(1 / 25)
    assert max(factors) == factors[10] == 1
    assert factors[-1] == pytest.approx(1e-3)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert {rate_factor("constant", step, 100) for step in range(100)} == {1.0}
    assert 0 < rate_factor("onecycle", 0, 1) <= 1
    for schedule, last in (("constant", 1.0), ("cosine", 1e-3)):
        factors = [rate_factor(schedule, step, 100, warmup=4) for step in range(100)]
        assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
        assert factors[-1] == pytest.approx(last)
        assert factors[4:] == sorted(factors[4:], reverse=True)
        assert rate_factor(schedule, 0, 1) == 1.0


def test_the_start_is_the_one_asked_for(make_params):
    shaped, published = (build_network("base", make_params(start=start)) for start in ("shaped", "published"))
    bound = 1 / (published.decoder.conv1.weight[0].numel()) ** 0.5
    assert published.decoder.conv1.weight.abs().max() <= bound < shaped.decoder.conv1.weight.abs().max()
    assert published.decoder.conv4.bias.abs().max() > 0
    # The encoder's first convolution was replaced, and so is as PyTorch draws it; the others are torchvision's.
    first, second = published.backbone.features[0][0].weight, published.backbone.features[1].conv[0][0].weight
    assert first.abs().max() <= 1 / first[0].numel() ** 0.5
    assert second.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.2)
    assert not torch.equal(
        build_network("base", make_params(start="published", seed=2)).decoder.conv1.weight,
        published.decoder.conv1.weight,
    )


def test_dropout_is_the_one_asked_for(make_params):
    features = torch.ones(1, 320, 4, 4)
    for share in (0.0, 0.25):
        network = build_network("base", make_params(dropout=share))
        project = network.aspp.project.eval()
        project[3].train()
        dropped = (project[3](torch.ones(10_000)) == 0).float().mean().item()
        assert dropped == pytest.approx(share, abs=0.03)
    assert torch.isfinite(network.eval().aspp(features)).all()


@pytest.mark.parametrize("kind", ["base", "refine"])
def test_a_variant_trains_and_says_what_it_is(run, make_params, kind):
    terms = {"pha": 1.0, "grad": 0.5, "fgr": 1.0, "err": 1.0, "lap": 0.2, "soft": 1.0}
    run(make_params(steps=2, difference="matched", losses=terms, schedule="cosine", warmup=1), kind=kind)
    load = load_base if kind == "base" else load_refine
    network = load(run.folder / "run" / f"{kind}.safetensors")
    assert network.difference == "matched"
    assert network.backbone.features[0][0].extra.abs().sum() > 0
    recorded = json.loads((run.folder / "run/curves/metrics.json").read_text())["train"]
    assert "lap" in recorded


def test_every_parameter_has_its_rate(make_params):
    rates = {"backbone": 0.1, "aspp": 0.2, "decoder": 0.3, "refiner": 0.4}
    params = make_params(rates=rates)
    network = build_network("refine", params)
    groups = parameter_groups(network, params)
    assert {g["part"]: g["peak"] for g in groups} == rates
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))
    assert all((g["weight_decay"] == 0) == (g["params"][0].ndim == 1) for g in groups)
