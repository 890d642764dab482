"""A run that goes wrong: how that is seen, and what is kept of it, so that the step can be taken again."""

import json
import statistics
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from curation.storage import writing
from training.config import TrainParams
from training.samples.data import Batch

REMEMBERED = 100
"""Losses that the bound is taken from."""
RECENT = 5
"""Losses whose median is held against the bound: one hard batch stops nothing."""
LEAST_SPREAD = 0.1
"""Smallest spread that is assumed, as a share of the median: a quiet run has room to become a noisy one."""
VERSION = 1


class DivergedError(ValueError):
    """The loss or its gradient is no number any more, or the loss explodes; the message names step and composites."""


class Watch:
    """Sees a loss that explodes: far above what the last hundred steps had, and not for one batch alone."""

    def __init__(self, limit: float | None, losses: Iterable[float] = ()) -> None:
        """Take the limit in robust standard deviations (None: never), and the losses of an earlier run.

        Raises ValueError for a limit that is not above 0.
        """
        if limit is not None and limit <= 0:
            raise ValueError(f"diverge is {limit}; expected robust standard deviations such as 10, or null for never")
        self.limit = limit
        self._losses = deque(losses, maxlen=REMEMBERED + RECENT)

    @property
    def losses(self) -> list[float]:
        """What a checkpoint keeps."""
        return list(self._losses)

    def see(self, loss: float) -> float | None:
        """Take in the loss of a step; gives the bound where the last ones are above it, else None.

        The bound is the median of the losses before the last five, and ``limit`` times their spread above it: 1.4826
        times the median absolute deviation, which is the standard deviation where noise is normal. There is none
        before a hundred losses are known.
        """
        self._losses.append(loss)
        known = self.losses
        if self.limit is None or len(known) < REMEMBERED + RECENT:
            return None
        before, recent = known[:REMEMBERED], known[REMEMBERED:]
        middle = statistics.median(before)
        spread = 1.4826 * statistics.median([abs(value - middle) for value in before])
        bound = middle + self.limit * max(spread, LEAST_SPREAD * abs(middle))
        return bound if statistics.median(recent) > bound else None


class Incident(NamedTuple):
    """A step that went wrong, with all that it takes to take it again."""

    kind: str
    """``base`` or ``refine``."""
    step: int
    """Counted from 0; dropout hangs on it."""
    what: str
    """What is wrong, in words."""
    params: TrainParams
    """The run's parameters."""
    composites: Sequence[str]
    """One a sample of the batch."""
    batch: Batch
    """The step's samples, flipped and cropped as they were."""
    weights: Mapping[str, Tensor]
    """The network's state before the step; running statistics have seen its batch already."""


def save(path: Path, incident: Incident) -> Path:
    """Write an incident: one safetensors file, whose header holds the rest as JSON; nothing in it can run."""
    header = {
        "version": VERSION,
        "kind": incident.kind,
        "step": incident.step,
        "what": incident.what,
        "params": incident.params.model_dump(mode="json"),
        "composites": list(incident.composites),
    }
    tensors = {f"batch.{name}": value for name, value in incident.batch._asdict().items() if value is not None}
    tensors |= {f"weights.{name}": value for name, value in incident.weights.items()}
    with writing(path) as temporary:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
            temporary,
            metadata={"incident": json.dumps(header, sort_keys=True)},
        )
    return path


def keep(folder: Path | None, incident: Incident, rank: int | None = None) -> str:
    """Save an incident in a run's work folder (None: nowhere), and say in words how it is looked at.

    ``rank``: of the process, where there are several, each with a share of the batch.
    """
    if folder is None:
        return ""
    suffix = "" if rank is None else f"-rank{rank}"
    path = folder / f"diverged-{incident.step:08d}{suffix}.safetensors"
    try:
        save(path, incident)
    except OSError as error:  # the reason for the stop matters more
        return f"The batch could not be saved: {error}. "
    return f"The batch is saved: 'cleanplate replay {path}' takes the step again and names layer and sample. "


def message(incident: Incident, saved: str) -> str:
    """What a run says that stops at an incident: ``saved`` comes from :func:`keep`."""
    return (
        f"train_{incident.kind}: {incident.what}; composites {', '.join(incident.composites)}. {saved}"
        "Lower the rates, set clip to 1.0 or precision to '32-true'; CLEANPLATE_RESUME=anyway then goes on from the "
        "last checkpoint, which stays"
    )


def load(path: Path) -> Incident:
    """Read what :func:`save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another kind of file, or of another version.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there; the message of the run that diverged names the file")
    try:
        with safe_open(path, framework="pt") as file:
            header: Any = json.loads((file.metadata() or {}).get("incident", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(header, dict) or header.pop("version", None) != VERSION:
        raise ValueError(f"{path} holds no step saved for replay by this version of cleanplate")
    try:
        return _incident(header, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} lacks a part of the step, or holds another: {error}") from error


def _incident(header: dict[str, Any], tensors: Mapping[str, Tensor]) -> Incident:
    params = TrainParams.model_validate_json(json.dumps(header.pop("params")))
    parts: dict[str, dict[str, Tensor]] = {"batch": {}, "weights": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    return Incident(**header, params=params, batch=Batch(**parts["batch"]), weights=parts["weights"])
