"""The processes that train one network together: who they are, what each takes, and how they agree.

A *rank* is one process on one device. One process a machine is started from outside, by a person, by torchrun or by
SLURM; it starts as many ranks as ``devices`` says (see :mod:`training.devices.launch`).
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric.plugins.environments import SLURMEnvironment
from torch import distributed, nn
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from curation.identity import file_id
from curation.storage import writing
from training.config import TrainParams
from training.network.dropout import Dropout
from training.network.norm import BatchNorm

MEET = timedelta(minutes=10)
"""How long the first machine there waits for the last."""
LOOPBACK = "127.0.0.1"
PIECE = 64 << 20
"""Bytes of a file that cross at a time."""


class Machines(NamedTuple):
    """The machines of a run, as one of them sees it."""

    total: int = 1
    number: int = 0
    address: str = LOOPBACK
    """Of machine 0."""
    port: int = 0
    """Where machine 0 listens; 0: on any free one."""
    hosted: bool = False
    """Whether what started this process listens there already."""


def find_machines(environment: Mapping[str, str] | None = None) -> Machines:
    """Read from environment variables which machine this is, of how many.

    ``WORLD_SIZE``, ``RANK``, ``MASTER_ADDR`` and ``MASTER_PORT``, as torchrun sets them for one process a machine, or
    those of a SLURM step with one task a node. Without any it is one machine.

    Raises:
        ValueError: several processes were started on one machine, or a variable is missing or no number.
    """
    found = os.environ if environment is None else environment
    if int(found.get("LOCAL_WORLD_SIZE", "1")) > 1:
        raise ValueError(
            f"LOCAL_WORLD_SIZE is {found['LOCAL_WORLD_SIZE']}: that many processes were started on this machine; start "
            "one (torchrun --nproc-per-node 1) and set devices, it starts the others itself"
        )
    if "WORLD_SIZE" in found:
        count = _number(found, "WORLD_SIZE")
        if count == 1:
            return Machines()
        hosted = found.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        number, port = _number(found, "RANK"), _number(found, "MASTER_PORT")
        if "MASTER_ADDR" not in found or not number < count:
            raise ValueError(
                f"WORLD_SIZE is {count}, RANK {number} and MASTER_ADDR {found.get('MASTER_ADDR')!r}; expected a rank "
                f"from 0 to {count - 1}, one a machine, and the address of machine 0"
            )
        return Machines(count, number, found["MASTER_ADDR"], port, hosted)
    count = int(found.get("SLURM_STEP_NUM_NODES", "1"))
    if count == 1:
        return Machines()
    if (tasks := _number(found, "SLURM_STEP_NUM_TASKS")) != count:
        raise ValueError(
            f"SLURM started {tasks} tasks on {count} nodes; start one a node (srun --ntasks-per-node 1) and set "
            "devices, it starts the others itself"
        )
    address = found.get("MASTER_ADDR") or SLURMEnvironment.resolve_root_node_address(found["SLURM_STEP_NODELIST"])
    # Every node has to come upon the same port without asking: as Lightning does it.
    port = int(found.get("MASTER_PORT") or 15_000 + _number(found, "SLURM_JOB_ID") % 10_000)
    return Machines(count, _number(found, "SLURM_PROCID"), address, port)


def _number(found: Mapping[str, str], name: str) -> int:
    value = found.get(name, "")
    if not value.isdigit():
        raise ValueError(f"{name} is {value!r}; expected a whole number, for this run is spread over several machines")
    return int(value)


class Ranks(NamedTuple):
    """One rank among those that train together."""

    number: int = 0
    """Of this rank, over all machines."""
    world: int = 1
    """How many there are."""
    local: int = 0
    """Number of this rank on its machine."""
    machine: int = 0
    machines: int = 1

    @property
    def first(self) -> bool:
        """Whether this rank writes the checkpoints."""
        return self.number == 0

    @property
    def leads(self) -> bool:
        """Whether this rank speaks for its machine: writes curves and weights, shows progress."""
        return self.local == 0

    def describe(self, batch: int, samples: int) -> str:
        """How a batch is shared out, for the log."""
        spread = f"{self.world} ranks on {self.machines} machine{'s' if self.machines > 1 else ''}"
        return (
            f"{spread}, each takes {batch // self.world} of a step's {batch} samples; "
            f"{samples} samples last for {samples / batch:.1f} steps"
        )

    def takes(self, number: int) -> bool:
        """Whether this rank takes the item of this number, where items are dealt out in turn."""
        return number % self.world == self.number

    def add(self, values: Sequence[float]) -> list[float]:
        """Sums over all ranks, the same on each."""
        if self.world == 1:
            return list(values)
        joint = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(joint)
        found: list[float] = joint.tolist()
        return found

    def mean(self, terms: Mapping[str, float]) -> dict[str, float]:
        """The means of loss terms over all ranks, the same on each."""
        sums = self.add(list(terms.values()))
        return {name: value / self.world for name, value in zip(terms, sums, strict=True)}

    def gather(self, value: Any) -> list[Any]:
        """What every rank gives, in their order, on each of them."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Wait for all ranks to come here."""
        self.gather(None)


ALONE = Ranks()


def check_shares(params: TrainParams, machines: Machines, section: str) -> None:
    """Raise ValueError where the ranks cannot take equal shares of a batch, or of each part of it."""
    if params.devices < 1:
        raise ValueError(f"{section}.devices is {params.devices}; expected 1 or more")
    world = params.devices * machines.total
    if world > 1 and params.compile:
        raise ValueError(f"{section}.compile is true with {world} ranks, which nobody has tried; set one of them back")
    parts = world * params.accumulate
    if params.batch % parts:
        where = f"{section}.devices is {params.devices}, on {machines.total} machine(s); accumulate {params.accumulate}"
        raise ValueError(
            f"{section}.batch is {params.batch}, which {world} ranks cannot share equally ({where}); set it to "
            f"{-(-params.batch // parts) * parts}, or lower devices"
        )


def spread(network: nn.Module, ranks: Ranks) -> None:
    """Let a network compute in training what it would on one device with the whole batch, in place."""
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.synced = ranks.world > 1
        elif isinstance(module, Dropout):
            module.rank, module.world = ranks.number, ranks.world


def check_alike(ranks: Ranks, made_with: Mapping[str, Any], section: str) -> None:
    """Raise ValueError, on every rank, where machines were given other settings or data than the first."""
    given = ranks.gather((ranks.machine, dict(made_with)))
    first = given[0][1]
    for machine, other in given[1:]:
        different = [f"{name} {other[name]!r}, not {first[name]!r}" for name in first if other[name] != first[name]]
        if different:
            raise ValueError(
                f"{section}: machine {machine} differs from machine 0: {'; '.join(different)}; give all of them the "
                "same parameters and data, in a checkout of its own each"
            )


def share_file(ranks: Ranks, path: Path | None, folder: Path) -> None:
    """Give each machine the file whose name sorts last, into its ``folder``, where it has not got it already.

    Args:
        ranks: this one; each of them has to call.
        path: this machine's newest file, or None.
        folder: where the file goes.
    """
    own = None if path is None else (path.name, file_id(path))
    held = ranks.gather(own if ranks.leads else None)
    found = [entry for entry in held if entry is not None]
    if not found:
        return
    newest = max(name for name, _ in found)
    # Of several that have one of this name, the first rank's counts.
    source, wanted = next((rank, entry) for rank, entry in enumerate(held) if entry is not None and entry[0] == newest)
    if not any(ranks.gather(ranks.leads and own != wanted)):
        return
    with contextlib.ExitStack() as stack:
        reading = path.open("rb") if path is not None and ranks.number == source else None
        size = ranks.gather(path.stat().st_size if path is not None and reading else None)[source]
        writes = ranks.leads and own != wanted
        target = stack.enter_context(writing(folder / newest)).open("wb") if writes else None
        for start in range(0, size, PIECE):
            piece = torch.empty(min(PIECE, size - start), dtype=torch.uint8)
            if reading is not None:
                piece = torch.frombuffer(bytearray(reading.read(len(piece))), dtype=torch.uint8)
            distributed.broadcast(piece, source)
            if target is not None:
                target.write(piece.numpy().tobytes())
        for file in (reading, target):
            if file is not None:
                file.close()
    ranks.wait()


def host(machines: Machines) -> tuple[Machines, Any]:
    """Open the place where ranks meet, on the first machine: gives its address and what keeps it open."""
    if machines.number or machines.hosted:
        return machines, None
    # On one machine nothing listens to the outside.
    listener = socket.create_server((machines.address if machines.total == 1 else "", machines.port))
    port = listener.getsockname()[1]
    store = TCPStore(
        machines.address,
        port,
        is_master=True,
        wait_for_workers=False,
        timeout=MEET,
        master_listen_fd=listener.detach(),
    )
    return machines._replace(port=port), store


@contextlib.contextmanager
def joined(ranks: Ranks, machines: Machines) -> Iterator[None]:
    """Connect this process with the other ranks.

    Raises RuntimeError where they do not come within ten minutes, or one leaves later on.
    """
    if machines.total == 1:
        loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
        os.environ.setdefault("GLOO_SOCKET_IFNAME", (loopback or [""])[0])
    store = TCPStore(machines.address, machines.port, is_master=False, timeout=MEET)
    # What torchrun starts anew meets at the same address again.
    attempt = PrefixStore(f"cleanplate-{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=attempt, rank=ranks.number, world_size=ranks.world)
    yield
    # Not after an error: that would wait for ranks that are gone.
    distributed.destroy_process_group()
