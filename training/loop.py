"""One plain loop for both networks, on Lightning Fabric."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
from lightning_fabric import Fabric
from torch import Tensor

from training import calibrate, checkpoint
from training.average import Average
from training.build import Kind, build_network, check
from training.checkpoint import Checkpoint
from training.compiled import compiled
from training.config import TrainParams
from training.devices.device import build_fabric, choose_device, reproducible
from training.devices.interrupt import Interrupt, Preempted
from training.devices.launch import Progress, launch
from training.devices.ranks import ALONE, Ranks, check_alike, check_shares, find_machines, share_file, spread
from training.losses import base_losses, refine_losses
from training.network import BaseNetwork, weights
from training.recompute import recompute
from training.samples.data import (
    Batch,
    Images,
    Reader,
    Steps,
    batches,
    dropout_seed,
    loader_count,
    micro_batches,
    to_images,
)
from training.samples.mixing import order_of
from training.schedule import build_optimizer, rate_factor, set_rates
from training.watch import divergence, memory
from training.watch.board import open_board
from training.watch.clock import Clock
from training.watch.divergence import DivergedError, Incident, Watch
from training.watch.pace import Pace
from training.watch.pictures import PICTURED, Pictures, names, pictured
from training.watch.record import Record
from training.watch.validation import RecipeReader, choose, predict_bytes, validate

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in a run's work folder."""
PICTURES = "pictures"
"""Folder of the pictures in a run's work folder."""
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
    pictures: Path | None
    space: str

    @property
    def result(self) -> Path:
        """The file of the finished weights."""
        return self.folder / f"{self.kind}.safetensors"


def train(
    kind: Kind,
    params: TrainParams,
    readers: Readers,
    folder: Path,
    curves: Path,
    data: str,
    init: Path | None = None,
    progress: Progress | None = None,
    pictures: Path | None = None,
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
        pictures: folder that DVCLive writes predictions to, as ``params.images_every`` says; None: none.
        space: what alpha mixes in the samples, ``linear`` or ``display``; travels with the weights.

    Raises:
        ValueError: a setting, the weights or a checkpoint does not fit; the message says what to change.
        DivergedError: the loss or its gradient is not finite, or the loss explodes; the batch is saved in ``folder``.
        RankError: one of several processes ended before its time; the message names it.
        Preempted: Ctrl-C or SIGTERM came; a ``SystemExit``, to end the program with code 143.
    """
    section = f"train_{kind}"
    check(params, readers.train, section)
    machines = find_machines()
    check_shares(params, machines, section)
    job = _Job(kind, params, readers, folder, curves, data, init, pictures, space)
    if params.devices * machines.total == 1:
        _train(job, ALONE, Interrupt(), progress)
    else:
        launch(_train, job, params.devices, machines, progress)
    return job.result


def _train(job: _Job, ranks: Ranks, interrupt: Interrupt, progress: Progress | None) -> None:
    """Train as one of the ranks: all of them go through this together."""
    params, section = job.params, f"train_{job.kind}"
    checkpoints = job.folder / CHECKPOINTS
    device, why = choose_device(params.accelerator)
    fabric = build_fabric(params, device, ranks)
    how = f"{params.precision}, threads {params.threads}, loaders {loader_count()}"
    log.info("%s: device %s (%s); %s", section, device, why, how)
    if ranks.world > 1:
        log.info("%s: %s", section, ranks.describe(params.batch, len(job.readers.train)))
    if device == "cuda":
        log.info("%s: on CUDA the same run gives slightly different weights each time", section)
    with reproducible(device, params.threads):
        run = _Run(job.kind, params, job.readers, fabric, job.init, ranks)
        made_with = checkpoint.settings(job.kind, params, job.data, job.space, job.init)
        if ranks.machines > 1:
            check_alike(ranks, {**made_with, "devices": params.devices}, section)
            share_file(ranks, checkpoint.newest(checkpoints), checkpoints)
        state = run.resume(checkpoints, made_with)
        board = open_board(job.folder.name, run.step) if ranks.leads else None
        if job.pictures is not None and ranks.leads:
            run.pictures = Pictures(job.pictures, job.folder / PICTURES, run.step, board.picture if board else None)
        with Record(job.curves if ranks.leads else None, state, board) as record, interrupt:
            run.go(record, checkpoints, made_with, interrupt, progress)
        used = max(ranks.gather(memory.peak(fabric.device)))
        if ranks.leads:
            memory.keep(job.folder, used)
            run.save(job.result, job.space)


def rebuild(kind: Kind, params: TrainParams, fabric: Fabric) -> "_Run":
    """A run without samples, to take single steps with batches and weights of one's own."""
    nothing: Any = None
    run = _Run(kind, params.model_copy(update={"freeze": []}), nothing, fabric, None)  # random weights refuse to freeze
    run.network.freeze(*params.freeze)
    return run


class _Run:
    """A network with its optimizer, between two steps."""

    folder: Path | None = None
    """Where a step that goes wrong is saved; None: it is not."""
    changes: tuple[dict[str, Any], ...] = ()
    """As of :class:`training.checkpoint.Checkpoint`."""

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
        self.pictures: Pictures | None = None
        self.network = build_network(kind, params, init)
        self.network.train()
        spread(self.network, ranks)
        self.optimizer = build_optimizer(self.network, params)
        network = compiled(self.network, fabric.device) if params.compile else self.network
        self.module, self.stepper = fabric.setup(network, self.optimizer)
        self.average = None if params.ema is None else Average(self.network, params.ema)
        self.watch = Watch(params.diverge)
        if params.checkpointing:
            recompute(self.network)

    @property
    def best(self) -> BaseNetwork:
        """The weights that are validated and saved."""
        return self.network if self.average is None else self.average.network

    def resume(self, folder: Path, made_with: Mapping[str, Any]) -> dict[str, Any] | None:
        """Go back to the newest checkpoint and return its record's state, or None where there is none."""
        self.folder = folder.parent
        found = checkpoint.load_newest(folder, made_with)
        if found is None:
            return None
        average = None if self.average is None else self.average.network
        checkpoint.restore(found.tensors, self.network, self.optimizer, average, found.partial)
        self.fabric.strategy.precision.load_state_dict(found.scaler)
        self.changes = found.changes
        self.watch = Watch(self.params.diverge, found.record.get("recent", ()))
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
        order = order_of(self.readers.train, params.seed)
        grow = round(params.crop_growth * params.steps)
        ranks = self.ranks
        steps = Steps(order, params.batch, params.crop, self.step, params.steps, ranks.number, ranks.world, grow)
        source = batches(self.readers.train, params.seed, steps, pin=self.fabric.device.type == "cuda")
        chosen = choose(self.readers.valid)
        clock, pace = Clock(self.fabric.device), Pace(params.batch)
        if self.due(params.validate_every) and not record.has(self.step, "valid/mad"):
            self.validate(record, chosen)  # a stop put it off
            self.checkpoint(record, folder, made_with)
        while self.step < params.steps:
            with clock("data"):
                batch = next(source)
                images = to_images(batch, self.fabric.device)
            terms = self.learn(batch, images, clock)
            pace.step(clock.lap())
            self.step += 1
            last = self.step == params.steps
            record.losses(self.step, terms, last)
            if self.step % LOG_EVERY == 0 or last:
                figures = pace.figures
                where = f" on {ranks.world} ranks" if ranks.world > 1 else ""
                speed = f"{figures['samples_per_second']:.1f} samples/s{where}"
                text = f"step {self.step}, loss {terms['total']:.4f}; {speed}; {clock.summary()}"
                log.info("train_%s: %s", self.kind, text)
                record.pace(self.step, figures)
            if ranks.add([interrupt.asked])[0]:  # a signal may have come to one of them only
                self.checkpoint(record, folder, made_with)
                text = f"stopped on request after step {self.step} of {params.steps}"
                log.warning("train_%s: %s; it is saved, run the same command to go on", self.kind, text)
                raise Preempted
            if self.due(params.validate_every):
                self.validate(record, chosen)
            if self.due(params.checkpoint_every):
                self.checkpoint(record, folder, made_with)
            if progress is not None:
                progress(self.step, pace.note(terms))

    def due(self, every: int) -> bool:
        """Whether what happens ``every`` so many steps, and at the last, happens now."""
        return self.step > 0 and (self.step % every == 0 or self.step == self.params.steps)

    def learn(self, batch: Batch, images: Images, clock: Clock) -> dict[str, float]:
        """One step: returns the loss terms and their ``total``, means over the micro-batches and ranks."""
        # Dropout draws from the global generator. Seeded anew each step, a resumed run needs nothing but the step.
        torch.manual_seed(dropout_seed(self.params.seed, self.step))
        count = self.params.accumulate
        terms: dict[str, float] = {}
        for number, part in enumerate(micro_batches(images, count)):
            with self.fabric.no_backward_sync(self.module, enabled=number < count - 1):
                with clock("forward", 1 / count):
                    found = self.losses(part)
                    total = torch.stack(list(found.values())).sum()
                    values = torch.stack([*found.values(), total]).tolist()
                    each = dict(zip([*found, "total"], values, strict=True))
                self.check(each["total"], "loss", batch, each)
                terms = {name: terms.get(name, 0.0) + value / count for name, value in each.items()}
                with clock("backward", 1 / count):
                    self.fabric.backward(total / count)
        terms = self.ranks.mean(terms)
        bound = self.watch.see(terms["total"])
        if bound is not None:
            recent = f"the median of the last {divergence.RECENT}"
            self.stop(f"loss explodes: {recent} is above {bound:.3g} (diverge {self.params.diverge})", batch, terms)
        with clock("optimizer"):
            # Without a limit this measures the norm and leaves the gradient as it is.
            limit = math.inf if self.params.clip is None else self.params.clip
            norm = self.fabric.clip_gradients(self.module, self.stepper, max_norm=limit, error_if_nonfinite=False)
            if norm is not None and not self.skips_overflow():
                self.check(float(norm), "gradient", batch, terms)
            set_rates(self.optimizer, self.rate())
            self.stepper.step()
            self.stepper.zero_grad()
            if self.average is not None:
                self.average.update(self.network, self.step)
        return terms

    def rate(self) -> float:
        """The share of the peak rates at this step."""
        return rate_factor(self.params.schedule, self.step, self.params.steps, self.params.warmup)

    def skips_overflow(self) -> bool:
        """Whether a loss scaler takes care of a gradient that is not finite: it skips the step and scales less.

        At a scale of 1 that is no overflow of the scaled loss any more.
        """
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        return scaler is not None and scaler.get_scale() > 1

    def losses(self, images: Images) -> dict[str, Tensor]:
        """The loss terms of a batch, in float32."""
        # Their own place is the CPU's memory: looking at them there stops no GPU.
        mixed = not bool((images.weights == 1).all())
        each = images.weights.to(images.pha.device).unbind(1) if mixed else (None, None)
        if self.kind == "base":
            # No loss reads the hidden features.
            base = self.module(images.src, images.bgr, hidden=False)
            return base_losses(base, images.pha, images.fgr, self.params.losses, *each)
        refined = self.module(images.src, images.bgr)
        return refine_losses(refined, images.pha, images.fgr, self.params.losses, *each)

    def check(self, value: float, what: str, batch: Batch, terms: Mapping[str, float]) -> None:
        """Raise DivergedError where a value is not finite, before it reaches the weights."""
        if not math.isfinite(value):
            self.stop(f"{what} is {value}", batch, terms)

    def stop(self, what: str, batch: Batch, terms: Mapping[str, float]) -> NoReturn:
        """Save the step for replay and raise DivergedError."""
        positions = batch.positions.tolist()
        composites = [str(self.readers.train.read(p).recipe.get("composite_id", p)) for p in positions]
        words = ", ".join(f"{name} {term:.3g}" for name, term in terms.items())
        what = f"the {what} at step {self.step} ({words})"
        incident = Incident(self.kind, self.step, what, self.params, composites, batch, self.network.state_dict())
        rank = self.fabric.global_rank if self.fabric.world_size > 1 else None
        raise DivergedError(divergence.message(incident, divergence.keep(self.folder, incident, rank)))

    def validate(self, record: Record, chosen: Mapping[str, list[int]]) -> None:
        """Measure batch norm anew for the weights as they are, then the error on the ``valid`` set; record that."""
        order = order_of(self.readers.train, self.params.seed)
        steps = Steps(order, self.params.batch, self.params.crop, 0, calibrate.STEPS)
        own = [steps.draws(step) for step in range(calibrate.STEPS) if self.ranks.takes(step)]
        source = batches(self.readers.train, self.params.seed, own, loaders=0)
        calibrate.calibrate(self.fabric, self.best, source, self.ranks)
        found = validate(self.fabric, self.best, self.readers.valid, chosen, self.params.backbone_scale, self.ranks)
        record.write(self.step, {f"valid/{name}": value for name, value in found.items()})
        text = ", ".join(f"{name.removeprefix('mad_')} {value:.1f}" for name, value in found.items())
        log.info("train_%s: step %d, valid MAD x 1000: %s", self.kind, self.step, text)
        if self.pictures is not None and pictured(self.step, self.params):
            self.picture(self.pictures)

    def picture(self, pictures: Pictures) -> None:
        """Draw the predictions for a few samples of the ``valid`` set, always the same ones."""
        for name, position in names(choose(self.readers.valid, PICTURED)).items():
            sample = self.readers.valid.read(position, recipe=False)
            pha = predict_bytes(self.fabric, self.best, sample, self.params.backbone_scale)
            pictures.add(name, self.step, sample, pha)

    def checkpoint(self, record: Record, folder: Path, made_with: Mapping[str, Any]) -> None:
        """Write all that this run needs to go on from here; the first rank does."""
        if not self.ranks.first:
            return
        average = None if self.average is None else self.average.network
        tensors = checkpoint.gather(self.network, self.optimizer, average)
        scaler = self.fabric.strategy.precision.state_dict()
        state = record.state | {"recent": self.watch.losses}
        checkpoint.save(folder, Checkpoint(self.step, tensors, state, scaler, dict(made_with), self.changes))

    def save(self, path: Path, space: str) -> Path:
        """Write the finished weights, with what is needed to build the network again from the file alone."""
        config = self.params.model_dump(mode="json")
        header = {"steps": self.step, "seed": self.params.seed, "space": space, "config": config}
        if self.changes:
            header["changes"] = list(self.changes)
        weights.save(self.best, path, header)
        return path
