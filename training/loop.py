"""One plain loop for both networks, on Lightning Fabric."""

import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor

from curation.identity import rng
from training import calibrate, checkpoint
from training.average import Average
from training.checkpoint import Checkpoint
from training.clock import Clock
from training.config import TrainParams
from training.data import Batch, Images, Order, Reader, Steps, batches, check_crop, loader_count, to_images
from training.device import build_fabric, choose_device, reproducible
from training.interrupt import Interrupt, Preempted
from training.launch import Progress, launch
from training.losses import base_losses, refine_losses
from training.network import BaseNetwork, build_base, build_refine, weights
from training.network.initial import initialise
from training.ranks import ALONE, Ranks, check_alike, check_shares, find_machines, share_file, spread
from training.record import Record
from training.schedule import build_optimizer, rate_factor, set_rates
from training.validation import RecipeReader, choose, validate

Kind = Literal["base", "refine"]
CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in a run's work folder."""
LOG_EVERY = 50

log = logging.getLogger("cleanplate.train")


class Readers(NamedTuple):
    """Where a run's samples come from."""

    train: Reader
    valid: RecipeReader


class _Job(NamedTuple):
    """A run as each of its ranks is given it."""

    kind: Kind
    params: TrainParams
    readers: Readers
    folder: Path
    curves: Path
    data: str
    init: Path | None
    space: str


class DivergedError(ValueError):
    """The loss or its gradient is no number any more; the message names the step and its composites."""


def train(
    kind: Kind,
    params: TrainParams,
    readers: Readers,
    folder: Path,
    curves: Path,
    data: str,
    init: Path | None = None,
    progress: Progress | None = None,
    space: str = "linear",
) -> Path:
    """Train the base or the refine network and write its weights to ``folder/KIND.safetensors``.

    Where ``folder`` has checkpoints of an earlier run with the same settings, it goes on from the newest. On the CPU
    the weights are the same bit for bit, killed and resumed or not, for any number of loader processes. SIGTERM saves
    after the running step. With several devices or machines each step's batch is shared out to as many processes; they
    give the weights of one to rounding, and go on from a checkpoint that another number of them made.

    Args:
        kind: which network.
        params: its stage's parameters.
        readers: the training samples and the ``valid`` set.
        folder: work folder: checkpoints and the result.
        curves: folder that DVCLive writes losses and validation to.
        data: fingerprint of the samples; resuming with another one is refused.
        init: weights to start from, of the base or the refine network; parts that it lacks start from ``params.seed``.
        progress: told after each step.
        space: what alpha mixes in the samples, ``linear`` or ``display``; travels with the weights.

    Raises:
        ValueError: a setting, the weights or a checkpoint does not fit; the message says what to change.
        DivergedError: the loss or its gradient is not finite.
        RankError: one of several processes ended before its time; the message names it.
        Preempted: SIGTERM came; a ``SystemExit``, to end the program with code 143.
    """
    section = f"train_{kind}"
    _check(params, readers.train, section)
    if params.freeze_backbone and init is None:
        raise ValueError(
            f"{section}.freeze_backbone is true, but the encoder starts from random weights; name pretrained ones in "
            f"{section}.init (see 'cleanplate fetch-weights')"
        )
    machines = find_machines()
    check_shares(params.batch, params.devices, machines, section)
    job = _Job(kind, params, readers, folder, curves, data, init, space)
    if params.devices * machines.total == 1:
        _train(job, ALONE, Interrupt(), progress)
    else:
        launch(_train, job, params.devices, machines, progress)
    return _weights(job)


def _weights(job: _Job) -> Path:
    return job.folder / f"{job.kind}.safetensors"


def _train(job: _Job, ranks: Ranks, interrupt: Interrupt, progress: Progress | None) -> None:
    """Train as one of the ranks: all of them go through this together."""
    params, section = job.params, f"train_{job.kind}"
    device, why = choose_device(params.accelerator)
    fabric = build_fabric(params, device, ranks)
    how = f"{params.precision}, threads {params.threads}, loaders {loader_count()}"
    log.info("%s: device %s (%s); %s", section, device, why, how)
    if ranks.world > 1:
        log.info("%s: %s", section, ranks.describe(params.batch, len(job.readers.train)))
    if device == "cuda":
        log.info("%s: on CUDA the same run gives slightly different weights each time", section)
    # Who computes is no reason to refuse a checkpoint: other devices go on with it.
    settings = params.model_dump(mode="json", exclude={"devices"})
    made_with = {"kind": job.kind, "data": job.data, "space": job.space, **settings}
    with reproducible(device, params.threads):
        run = _Run(job.kind, params, job.readers, fabric, job.init, ranks)
        if ranks.machines > 1:
            check_alike(ranks, {**made_with, "devices": params.devices}, section)
            share_file(ranks, checkpoint.newest(job.folder / CHECKPOINTS), job.folder / CHECKPOINTS)
        state = run.resume(job.folder / CHECKPOINTS, made_with)
        with Record(job.curves if ranks.leads else None, state) as record, interrupt:
            run.go(record, job.folder / CHECKPOINTS, made_with, interrupt, progress)
        if ranks.leads:
            run.save(_weights(job), job.space)


def build_network(kind: Kind, params: TrainParams, init: Path | None = None) -> BaseNetwork:
    """The network of a stage: drawn from ``params.seed``, then overwritten with what ``init`` holds.

    Raises ValueError where ``init`` does not fit.
    """
    network: BaseNetwork
    if kind == "base":
        network = build_base(params.backbone)
    else:
        network = build_refine(
            params.backbone,
            backbone_scale=params.backbone_scale,
            refine_mode=params.refine_mode,
            refine_sample_pixels=params.refine_sample_pixels,
            refine_threshold=params.refine_threshold,
            refine_kernel_size=params.refine_kernel_size,
        )
    initialise(network, params.seed)
    if init is not None:
        log.info("train_%s: starts from %s: %s", kind, init, weights.start_from(network, init))
    return network.to(memory_format=torch.channels_last)


def _check(params: TrainParams, reader: Reader, section: str) -> None:
    if params.batch < 2:
        raise ValueError(
            f"{section}.batch is {params.batch}; batch norm in ASPP's pooled branch needs 2 samples or more a step"
        )
    for name in ("steps", "threads", "validate_every", "checkpoint_every"):
        if getattr(params, name) < 1:
            raise ValueError(f"{section}.{name} is {getattr(params, name)}; expected 1 or more")
    check_crop(params.crop, reader, section)


class _Run:
    """A network with its optimizer, between two steps."""

    def __init__(
        self,
        kind: Kind,
        params: TrainParams,
        readers: Readers,
        fabric: Fabric,
        init: Path | None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.kind = kind
        self.params = params
        self.readers = readers
        self.fabric = fabric
        self.ranks = ranks
        self.step = 0
        self.network = build_network(kind, params, init)
        if params.freeze_backbone:
            self.network.freeze_backbone()
        self.network.train()
        spread(self.network, ranks)
        self.optimizer = build_optimizer(self.network, params)
        self.module, self.stepper = fabric.setup(self.network, self.optimizer)
        self.average = None if params.ema is None else Average(self.network, params.ema)

    @property
    def best(self) -> BaseNetwork:
        """The weights that are validated and saved."""
        return self.network if self.average is None else self.average.network

    def resume(self, folder: Path, made_with: Mapping[str, Any]) -> dict[str, Any] | None:
        """Go back to the newest checkpoint and return its record's state, or None where there is none."""
        path = checkpoint.newest(folder)
        if path is None:
            return None
        found = checkpoint.load(path, made_with)
        average = None if self.average is None else self.average.network
        checkpoint.restore(found.tensors, self.network, self.optimizer, average)
        self.fabric.strategy.precision.load_state_dict(found.scaler)
        self.step = found.step
        log.info("train_%s: going on at step %d of %d", self.kind, self.step, self.params.steps)
        return found.record

    def go(
        self,
        record: Record,
        folder: Path,
        made_with: Mapping[str, Any],
        interrupt: Interrupt,
        progress: Progress | None,
    ) -> None:
        """Take the steps that are left, or those until an interrupt."""
        params = self.params
        order = Order(params.seed, len(self.readers.train))
        ranks = self.ranks
        steps = Steps(order, params.batch, params.crop, self.step, params.steps, ranks.number, ranks.world)
        source = batches(self.readers.train, params.seed, steps, pin=self.fabric.device.type == "cuda")
        chosen = choose(self.readers.valid)
        clock = Clock(self.fabric.device)
        if self.due(params.validate_every) and not record.has(self.step, "valid/mad"):
            self.validate(record, chosen)  # a stop put it off
            self.checkpoint(record, folder, made_with)
        spent, since = 0.0, self.step
        while self.step < params.steps:
            started = time.perf_counter()
            with clock("data"):
                batch = next(source)
                images = to_images(batch, self.fabric.device)
            terms, stop = ranks.agree(self.learn(batch, images, clock), interrupt.asked)
            spent += time.perf_counter() - started
            self.step += 1
            last = self.step == params.steps
            record.losses(self.step, terms, last)
            if self.step % LOG_EVERY == 0 or last:
                rate = params.batch * (self.step - since) / spent
                where = f"{rate:.1f} samples/s" + (f" on {ranks.world} ranks" if ranks.world > 1 else "")
                text = f"step {self.step}, loss {terms['total']:.4f}; {where}; {clock.summary()}"
                log.info("train_%s: %s", self.kind, text)
                spent, since = 0.0, self.step
            if stop:
                self.checkpoint(record, folder, made_with)
                text = f"stopped by SIGTERM after step {self.step} of {params.steps}"
                log.warning("train_%s: %s; it is saved, run the same command to go on", self.kind, text)
                raise Preempted
            if self.due(params.validate_every):
                self.validate(record, chosen)
            if self.due(params.checkpoint_every):
                self.checkpoint(record, folder, made_with)
            if progress is not None:
                progress(self.step, f"loss {terms['total']:.4f}")

    def due(self, every: int) -> bool:
        """Whether what happens ``every`` so many steps, and at the last, happens now."""
        return self.step > 0 and (self.step % every == 0 or self.step == self.params.steps)

    def learn(self, batch: Batch, images: Images, clock: Clock) -> dict[str, float]:
        """One step: returns the loss terms and their ``total``."""
        # Dropout draws from the global generator. Seeded anew each step, a resumed run needs nothing but the step.
        torch.manual_seed(int(rng(self.params.seed, "dropout", self.step).integers(2**63)))
        with clock("forward"):
            found = self.losses(images)
            total = torch.stack(list(found.values())).sum()
            terms = dict(zip([*found, "total"], torch.stack([*found.values(), total]).tolist(), strict=True))
        self.check(terms["total"], "loss", batch, terms)
        with clock("backward"):
            self.fabric.backward(total)
        with clock("optimizer"):
            if self.params.clip is not None:
                norm = self.fabric.clip_gradients(
                    self.module, self.stepper, max_norm=self.params.clip, error_if_nonfinite=False
                )
                # A loss scaler skips such a step by itself and tries a smaller scale.
                if norm is not None and self.params.precision != "16-mixed":
                    self.check(float(norm), "gradient", batch, terms)
            set_rates(self.optimizer, rate_factor(self.params.schedule, self.step, self.params.steps))
            self.stepper.step()
            self.stepper.zero_grad()
            if self.average is not None:
                self.average.update(self.network, self.step)
        return terms

    def losses(self, images: Images) -> dict[str, Tensor]:
        """The loss terms of a batch, in float32."""
        if self.kind == "base":
            # No loss reads the hidden features.
            return base_losses(self.module(images.src, images.bgr, hidden=False), images.pha, images.fgr)
        return refine_losses(self.module(images.src, images.bgr), images.pha, images.fgr)

    def check(self, value: float, what: str, batch: Batch, terms: Mapping[str, float]) -> None:
        """Raise DivergedError where a value is not finite, before it reaches the weights."""
        if math.isfinite(value):
            return
        names = [self.readers.train.read(p).recipe.get("composite_id", p) for p in batch.positions.tolist()]
        raise DivergedError(
            f"train_{self.kind}: the {what} is {value} at step {self.step} "
            f"({', '.join(f'{name} {term:.3g}' for name, term in terms.items())}; "
            f"composites {', '.join(str(name) for name in names)}); "
            "lower the rates, set clip to 1.0 or precision to '32-true'. The last checkpoint stays"
        )

    def validate(self, record: Record, chosen: Mapping[str, list[int]]) -> None:
        """Measure batch norm anew for the weights as they are, then the error on the ``valid`` set; record that."""
        order = Order(self.params.seed, len(self.readers.train))
        steps = Steps(order, self.params.batch, self.params.crop, 0, calibrate.STEPS)
        own = [steps.draws(step) for step in range(calibrate.STEPS) if self.ranks.takes(step)]
        source = batches(self.readers.train, self.params.seed, own, loaders=0)
        calibrate.calibrate(self.fabric, self.best, source, self.ranks)
        found = validate(self.fabric, self.best, self.readers.valid, chosen, self.params.backbone_scale, self.ranks)
        record.write(self.step, {f"valid/{name}": value for name, value in found.items()})
        text = ", ".join(f"{name.removeprefix('mad_')} {value:.1f}" for name, value in found.items())
        log.info("train_%s: step %d, valid MAD x 1000: %s", self.kind, self.step, text)

    def checkpoint(self, record: Record, folder: Path, made_with: Mapping[str, Any]) -> None:
        """Write all that this run needs to go on from here; the first rank does."""
        if not self.ranks.first:
            return
        average = None if self.average is None else self.average.network
        tensors = checkpoint.gather(self.network, self.optimizer, average)
        scaler = self.fabric.strategy.precision.state_dict()
        checkpoint.save(folder, Checkpoint(self.step, tensors, record.state, scaler, dict(made_with)))

    def save(self, path: Path, space: str) -> Path:
        """Write the finished weights, with what is needed to build the network again from the file alone."""
        config = self.params.model_dump(mode="json")
        weights.save(self.best, path, {"steps": self.step, "seed": self.params.seed, "space": space, "config": config})
        return path
