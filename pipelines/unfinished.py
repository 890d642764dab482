"""Unfinished training runs in other work folders: taken over, or named, and never silently left behind.

A work folder is named by a hash of parameters, data and code. Whoever changes one of them while a run is unfinished
would start over in another folder without a word.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from curation.storage import writing
from pipelines.work import code_digests, work_root
from training import checkpoint

VARIABLE = "CLEANPLATE_RESUME"
FOLLOWED = "followed-by"
"""In a work folder: the name of the one that took its run over, or was started in its place. Asks nothing any more."""
CODE = "code.json"
"""In a work folder: the digests of the code that its run was started with."""

log = logging.getLogger("cleanplate.train")


class UnfinishedError(ValueError):
    """A run with other settings or data is unfinished; the message says what differs and how to go on."""


class Leftover(NamedTuple):
    """An unfinished run in another work folder."""

    folder: Path
    newest: Path
    """Its newest checkpoint."""
    step: int
    """Steps done."""
    steps: int
    """Steps it was to take."""
    different: list[str]
    """Settings and data that differ, as :func:`training.checkpoint.differences` says it."""


def asked() -> str | None:
    """What ``CLEANPLATE_RESUME`` says: ``anyway``, ``fresh`` or None. Raises ValueError for anything else."""
    value = os.environ.get(VARIABLE) or None
    if value not in (None, "anyway", "fresh"):
        raise ValueError(
            f"{VARIABLE} is '{value}'; expected 'anyway' (go on from an unfinished run with other settings) or 'fresh' "
            "(start over)"
        )
    return value


def take_over(stage: str, folder: Path, checkpoints: str, settings: Mapping[str, Any]) -> None:
    """Before a run in ``folder``: go on from an unfinished one with the same settings, stop where they differ.

    A run that has checkpoints of its own goes on from those. Where code alone changed, the unfinished run goes on,
    and the log and the weights name the changed files. Finished, published and running ones count for nothing, nor
    does one that was followed by another already.

    Args:
        stage: such as ``train_base``.
        folder: the run's own work folder.
        checkpoints: name of the folder of checkpoints in a work folder.
        settings: what a checkpoint must have in common with the run.

    Raises:
        UnfinishedError: settings or data differ, and ``CLEANPLATE_RESUME`` does not say what to do.
        ValueError: it says ``anyway``, and the unfinished run has taken all steps of this one, or it is misspelt.
    """
    how = asked()
    (folder / FOLLOWED).unlink(missing_ok=True)
    own = folder / checkpoints
    now = code_digests(stage)
    if checkpoint.newest(own) is not None:
        return
    with writing(folder / CODE) as temporary:
        temporary.write_text(json.dumps(now, indent=1), encoding="utf-8")
    found = find(stage, folder, checkpoints, settings)
    if not found:
        return
    chosen = next((each for each in found if not each.different), found[0])
    if how == "fresh":
        for each in found:
            (each.folder / FOLLOWED).write_text(folder.name, encoding="utf-8")
            log.info("%s: starting over; the unfinished run in %s stays there for a week", stage, each.folder)
        return
    if chosen.different and how is None:
        raise UnfinishedError(_refusal(chosen))
    if chosen.step >= settings["steps"]:
        raise ValueError(
            f"the unfinished run in {chosen.folder} has taken {chosen.step} steps, and {stage}.steps is "
            f"{settings['steps']}; raise it, or set {VARIABLE}=fresh to start over"
        )
    changed = chosen.different + [f"code: {name}" for name in _changed_code(chosen.folder, now)]
    checkpoint.adopt(chosen.newest, own, settings, changed, partial=bool(chosen.different))
    (chosen.folder / FOLLOWED).write_text(folder.name, encoding="utf-8")
    what = "; ".join(changed) or "nothing that differs"
    log.warning(
        "%s: going on from the unfinished run in %s at step %d. Changed since: %s. %s=fresh would have started over",
        stage,
        chosen.folder,
        chosen.step,
        what,
        VARIABLE,
    )


def find(stage: str, folder: Path, checkpoints: str, settings: Mapping[str, Any]) -> list[Leftover]:
    """The unfinished runs of a stage in other work folders than ``folder``, the one that went on last first."""
    found: list[Leftover] = []
    for other in work_root().glob(f"{stage}-*"):
        if other == folder or (other / FOLLOWED).exists() or (other / "published.json").exists() or _at_work(other):
            continue
        last = checkpoint.newest_header(other / checkpoints)
        if last is None:
            continue
        newest, header = last
        steps = int(header.made_with.get("steps", 0))
        if header.step < steps:
            different = checkpoint.differences(header.made_with, settings)
            found.append(Leftover(other, newest, header.step, steps, different))
    return sorted(found, key=lambda each: each.newest.stat().st_mtime_ns, reverse=True)


def _at_work(folder: Path) -> bool:
    lock = folder / "lock"
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        log.info("another run is at work in %s; it is left alone", folder)
        return True


def _changed_code(folder: Path, now: Mapping[str, str]) -> list[str]:
    file = folder / CODE
    if not file.is_file():
        return ["unknown"]
    before = json.loads(file.read_text(encoding="utf-8"))
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _refusal(run: Leftover) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.newest.stat().st_mtime))
    lines = "\n".join(f"  {line}" for line in run.different)
    return (
        f"a run is unfinished in {run.folder} (step {run.step} of {run.steps}, {when}), and this one differs from it:\n"
        f"{lines}\n"
        "Put the old values back to finish that one; or run again with "
        f"{VARIABLE}=anyway to go on from its weights with the new values (what fits in shape is taken), or "
        f"{VARIABLE}=fresh to start over"
    )
