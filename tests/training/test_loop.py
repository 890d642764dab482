import hashlib
import json
import logging

import pytest
import torch
from safetensors.torch import load_file

from training import loop
from training.checkpoint import newest_step
from training.device import build_fabric, choose_device
from training.loop import DivergedError, Readers, build_network, train
from training.network import build_base, weights
from training.network.weights import load_base, load_metadata, load_refine
from training.schedule import parameter_groups, rate_factor


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


def test_a_frozen_backbone_stays_and_the_rest_learns(run, make_params, tmp_path):
    init = tmp_path / "init.safetensors"
    start = build_base("mobilenetv2")
    weights.save(start, init)
    params = make_params(freeze_backbone=True, ema=0.9)
    run(params, init=init)
    before, after = start.state_dict(), weights.load(run.folder / "run/base.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in changed if name.startswith("backbone.")]
    assert {"aspp.project.0.weight", "decoder.bn1.running_mean"} <= changed
    with pytest.raises(ValueError, match="freeze_backbone is true, but the encoder starts from random weights"):
        run(params, name="scratch")


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


def test_resuming_with_other_settings_is_refused(run, make_params):
    run(make_params(steps=1))
    with pytest.raises(ValueError, match="steps was 1, now 2"):
        run(make_params(steps=2))


def test_divergence_names_the_step_and_its_composites(run, make_params):
    params = make_params(clip=None, steps=3)
    with pytest.raises(DivergedError, match=r"at step 1 .*composites [0-9a-f]{32}, [0-9a-f]{32}"):
        # Rates of a float's own range: the first update throws the weights out of it.
        run(params.model_copy(update={"rates": params.rates.model_copy(update=dict.fromkeys(PARTS, 1e38))}))


PARTS = ("backbone", "aspp", "decoder", "refiner")


def test_gradient_that_is_no_number_never_reaches_the_weights(run, make_params, monkeypatch):
    def broken(out, pha, fgr):
        return {"pha": torch.sqrt(out.pha * 0).mean()}  # value 0, gradient NaN

    monkeypatch.setattr(loop, "base_losses", broken)
    with pytest.raises(DivergedError, match="the gradient is nan at step 0"):
        run(make_params())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": 1}, "batch is 1"),
        ({"crop": [32, 128]}, "samples are 64x64"),
        ({"steps": 0}, "steps is 0"),
        ({"devices": 3}, "batch is 2, which 3 ranks cannot share equally"),
        ({"precision": "16-mixed"}, "needs a GPU"),
        ({"ema": 1.5}, r"ema is 1\.5"),
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


def test_every_parameter_has_its_rate(make_params):
    rates = {"backbone": 0.1, "aspp": 0.2, "decoder": 0.3, "refiner": 0.4}
    params = make_params(rates=rates)
    network = build_network("refine", params)
    groups = parameter_groups(network, params)
    assert {g["part"]: g["peak"] for g in groups} == rates
    assert sum(len(g["params"]) for g in groups) == len(list(network.parameters()))
    assert all((g["weight_decay"] == 0) == (g["params"][0].ndim == 1) for g in groups)
