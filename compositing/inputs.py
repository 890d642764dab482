"""What a plan row is made from: its photograph and its matte, read once and kept for a while."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from compositing.codec import Image
from compositing.mattes.framestore import read_frame
from compositing.photographs import decode_photograph
from curation.identity import content_id
from curation.sources import Source
from curation.storage import Root

CACHE_BYTES = 96 << 20
"""Decoded pixels kept by each process: the strengths of a pair share theirs, and composites that are planned together
their frame. No more than that: what is kept longer is not asked for again, and colder memory is slower."""

Row = Mapping[str, Any]
Matte = tuple[Image, Image]
"""Foreground (h, w, 3) and alpha (h, w), uint8."""


class InputRoots(NamedTuple):
    """Where the files of the plan's locators are."""

    backgrounds: Mapping[str, Root]
    """Root of each dataset of photographs, by its name."""
    store: Path
    """The frame store."""
    mattes: Root
    """Root of the mattes' dataset, for foregrounds that are not in the store."""


class InputError(ValueError):
    """A composite's photograph or matte cannot be read, or is not what was planned with."""


class Inputs:
    """Reads photographs and mattes. Picklable, safe to use from threads; the cache stays in its process."""

    def __init__(self, roots: InputRoots, frames: Mapping[str, Row]) -> None:
        """``frames``: frame_id -> row of the frames table, for every frame that will be asked for."""
        self.roots = roots
        self.frames = frames
        self._backgrounds = {name: Source(root) for name, root in roots.backgrounds.items()}
        self._store = Source(roots.store)
        self._mattes = Source(roots.mattes)
        self._cache: dict[str, tuple[Image, ...]] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"roots": self.roots, "frames": self.frames}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["roots"], state["frames"])  # type: ignore[misc]

    def load(self, row: Row) -> tuple[Image, Image, Image, Matte | None, Image | None]:
        """Return what a plan row is made of, as :func:`compositing.render.render` takes it.

        Foreground (h, w, 3), alpha (h, w), photograph (H, W, 3), and, where the row names them, the second matte and
        the photograph of a captured background that is wrong. Raises InputError naming composite, file and reason.
        """
        try:
            background = self._photograph(row["dataset"], row["locator"], row["image_id"])
            plate = None
            if row["plate_locator"] is not None:
                plate = self._photograph(row["plate_dataset"], row["plate_locator"], row["plate_image_id"])
            fgr, pha = self._frame(row["frame_id"], f"{row['clip']} frame {row['frame']}")
            second = None
            if row["second_frame_id"] is not None:
                second = self._frame(row["second_frame_id"], f"{row['second_clip']} frame {row['second_frame']}")
        except (OSError, ValueError) as error:
            raise InputError(f"composite {row['composite_id']}: {error}") from error
        return fgr, pha, background, second, plate

    def _photograph(self, dataset: str, locator: str, image_id: str) -> Image:
        key = f"photograph {dataset} {locator}"
        kept = self._recall(key)
        if kept is None:
            data = self._source(dataset).read(locator)
            if content_id(data) != image_id:
                raise InputError(
                    f"{locator} is not the file that was planned with (its content changed); "
                    "run 'cleanplate scan' and then 'dvc repro'"
                )
            try:
                kept = (decode_photograph(data),)
            except ValueError as error:
                raise InputError(f"{locator}: {error}") from error
            self._keep(key, kept)
        return kept[0]

    def _source(self, dataset: str) -> Source:
        if dataset not in self._backgrounds:
            there = ", ".join(sorted(self._backgrounds)) or "none"
            raise InputError(
                f"no root is known for the photographs of dataset '{dataset}' (known: {there}); name it in paths.yaml"
            )
        return self._backgrounds[dataset]

    def _frame(self, frame_id: str, name: str) -> Matte:
        key = f"frame {frame_id}"
        kept = self._recall(key)
        if kept is None:
            frame = self.frames.get(frame_id)
            if frame is None:
                raise InputError(f"{name} is not in the frames table; run 'dvc repro' to plan again")
            kept = read_frame(self._store, frame, self._mattes)
            self._keep(key, kept)
        return kept[0], kept[1]

    def _recall(self, key: str) -> tuple[Image, ...] | None:
        with self._lock:
            kept = self._cache.pop(key, None)
            if kept is not None:
                self._cache[key] = kept  # last in the dict: used last
            return kept

    def _keep(self, key: str, images: tuple[Image, ...]) -> None:
        with self._lock:
            self._cache[key] = images
            while len(self._cache) > 1 and sum(i.nbytes for kept in self._cache.values() for i in kept) > CACHE_BYTES:
                del self._cache[next(iter(self._cache))]
