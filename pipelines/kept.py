"""Rows that a stage finished, kept from run to run, so that the next run makes only what is new or changed.

DVC deletes a stage's outputs before it runs. So the rows also lie in ``.work/kept/STAGE-STAMP.parquet`` (or below
``$CLEANPLATE_WORK``), outside its outputs and untouched by ``cleanplate clean``. The stamp holds what made all rows at
once: the stage's code, its parameters, the versions of the libraries that it names. What made one row is in its key,
and the stage matches it with :func:`curation.known.match`. Nothing here is needed: without it, all is made again.
"""

import importlib.metadata
import json
import logging
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.identity import item_id
from curation.storage import writing
from pipelines.work import code_digest, work_root

FORMAT = 1
"""Raise it when a mistake here could have kept wrong rows."""
MARK = "kept-stamp"
log = logging.getLogger("cleanplate.kept")


def stamp_of(stage: str, packages: Sequence[str], facts: Any) -> str:
    """Hash what made all of a stage's rows: its code by dvc.yaml, the packages' versions, and ``facts`` (JSON)."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    words = [code_digest(stage), platform.machine(), *versions, json.dumps(facts, sort_keys=True)]
    return item_id(stage, FORMAT, *words)[:16]


def _path(stage: str, stamp: str) -> Path:
    return work_root() / "kept" / f"{stage}-{stamp}.parquet"


def load(stage: str, stamp: str, part: str) -> pa.Table | None:
    """Return the rows kept under this stamp, or None where there are none.

    They are those of the last whole run and those of all work folders marked with the stamp (files ``parts/*/PART``
    of the same schema): what a killed run finished is kept even where the data changed since, and with it the name of
    the work folder. A key may come twice. A damaged file counts as none, and is said in the log.
    """
    paths = [_path(stage, stamp)]
    for mark_file in sorted(work_root().glob(f"{stage}-*/{MARK}")):
        if mark_file.read_text(encoding="utf-8") == stamp:
            paths += sorted(mark_file.parent.glob(f"parts/[!.]*/{part}"))
    tables = [table for table in map(_read, paths) if table is not None]
    return pa.concat_tables(tables) if tables else None


def _read(path: Path) -> pa.Table | None:
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException) as error:
        log.warning("%s cannot be read (%s): its rows are made again", path, error)
        return None


def save(stage: str, stamp: str, rows: pa.Table) -> None:
    """Keep rows under this stamp in place of the stage's earlier ones, of any stamp. Readers see old or new, whole."""
    path = _path(stage, stamp)
    with writing(path) as temporary:
        pq.write_table(rows, temporary, compression="zstd", write_page_checksum=True)
    for other in path.parent.glob(f"{stage}-*.parquet"):
        if other != path:
            other.unlink(missing_ok=True)


def mark(folder: Path, stamp: str, shared: bool = False) -> None:
    """Note in a work folder that its parts are made under this stamp, so that :func:`load` finds them.

    Parts of another stamp (an upgraded library, other weights under the old name) go. Where the folder is ``shared`` by
    several machines they may be somebody's work: raises ValueError.
    """
    noted = folder / MARK
    if noted.is_file() and noted.read_text(encoding="utf-8") != stamp:
        if shared:
            raise ValueError(
                f"{folder} was begun with other library versions, processor type, weights or calibration; give every "
                "machine the same environment and files (requirements.lock), or remove that folder to begin anew"
            )
        log.warning("%s was begun with other libraries or weights: its parts are made again", folder)
        for left in folder.glob("parts/*"):
            shutil.rmtree(left)
    with writing(noted) as temporary:
        temporary.write_text(stamp, encoding="utf-8")
