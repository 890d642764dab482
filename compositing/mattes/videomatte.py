"""VideoMatte240K in each official layout -> clips: fgr/pha pairs, and their split."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from curation.config import Section
from curation.identity import share
from curation.sources import locator_of
from curation.storage import Entry, Store

DATASET = "videomatte240k"
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
IMAGES = (".jpg", ".jpeg", ".png")
FOLDERS = ("train", "test", "")
LAYERS = ("fgr", "pha")
LAYOUT = (
    "expected train/fgr/0000.mp4 with train/pha/0000.mp4 (and test/), or folders of frames such as "
    "train/fgr/0000/00000.jpg with train/pha/0000/00000.jpg; fgr/ and pha/ may also lie directly in the root"
)


class MattesParams(Section):
    """Parameters of the ``mattes`` stage."""

    max_side: int
    """Frames whose long side is larger are reduced to this, pixels."""
    every: int
    """Keep each n-th frame of a clip."""
    black: float
    """Alpha at or below this is set to 0 (compression leaves specks), 0 to 1."""
    white: float
    """Alpha at or above this is set to 1, 0 to 1."""
    foreground: Literal["auto", "always", "never"]
    """Re-estimate straight foreground colour at soft pixels: where the data has none, always, never."""
    min_coverage: float
    """Frames with a smaller mean alpha are rows with a reason, 0 to 1."""
    valid_share: float
    """Share of the clips outside the official test folder that go to valid, 0 to 1."""
    test_share: float
    """Share of the clips that go to test where the dataset has no test folder, 0 to 1."""
    min_clips: int
    """Fewest clips of people in valid and test: the clips nearest to the border are moved there when hashing left
    fewer. An official test folder is taken as it is."""
    objects: tuple[str, ...]
    """Clips that hold an object and no person: names with their folder, such as ``train/0003``, or patterns with ``*``,
    ``?`` and ``[]``, such as ``*/chair*``; ``plan.look.object`` says how often they are used."""


@dataclass(frozen=True)
class Layer:
    """The ``fgr`` or the ``pha`` side of a clip: a video, or a folder of frames."""

    path: str
    """Relative to the dataset's root: the video, or the folder."""
    frames: tuple[str, ...] = ()
    """Paths of the frames, relative to the root, sorted; none for a video."""
    problem: str | None = None
    """Why the layer cannot be used."""


@dataclass(frozen=True)
class Clip:
    """One clip of the dataset, as listed."""

    name: str
    """With its folder, such as ``train/0003``."""
    folder: str
    """``train``, ``test``, or empty where the layers lie directly in the root."""
    fgr: Layer | None
    pha: Layer | None

    @property
    def key(self) -> str:
        """The name as one file name: what the clip's part and tar are called."""
        return self.name.replace("/", "_")

    @property
    def paired(self) -> bool:
        """Whether both sides are there."""
        return all(layer is not None and layer.problem is None for layer in (self.fgr, self.pha))


@dataclass(frozen=True)
class Listing:
    """What a dataset's root holds."""

    clips: tuple[Clip, ...]
    """Sorted by name; also those with one side only."""
    ignored: tuple[str, ...]
    """Files among them that are neither a video nor a frame."""


def find_clips(store: Store) -> Listing:
    """List the clips of a dataset, without opening any.

    Raises FileNotFoundError where there is none, saying which layouts are understood.
    """
    clips: list[Clip] = []
    ignored: list[str] = []
    for folder in FOLDERS:
        sides: dict[str, dict[str, Layer]] = {}
        for layer in LAYERS:
            prefix = f"{folder}/{layer}" if folder else layer
            sides[layer] = _list_layer(store, prefix, ignored)
        for name in sorted(sides["fgr"].keys() | sides["pha"].keys()):
            full = locator_of(f"{folder}/{name}" if folder else name)
            clips.append(Clip(full, folder, sides["fgr"].get(name), sides["pha"].get(name)))
    if not clips:
        root = getattr(store, "root", "the dataset")
        raise FileNotFoundError(f"videomatte: '{root}' has no clips; {LAYOUT}")
    clips.sort(key=lambda clip: clip.name)
    keys: dict[str, str] = {}
    for clip in clips:
        other = keys.setdefault(clip.key, clip.name)
        if other != clip.name:
            raise ValueError(f"clips '{other}' and '{clip.name}' would share the file {clip.key}.tar; rename one")
    return Listing(tuple(clips), tuple(sorted(ignored)))


def _list_layer(store: Store, prefix: str, ignored: list[str]) -> dict[str, Layer]:
    try:
        entries: list[Entry] = list(store.list(prefix))
    except FileNotFoundError:
        return {}
    videos: dict[str, list[str]] = {}
    frames: dict[str, list[str]] = {}
    for entry in entries:
        inner = entry.path[len(prefix) + 1 :].split("/")
        stem, dot, suffix = inner[-1].rpartition(".")
        suffix = f"{dot}{suffix}".lower()
        if len(inner) == 1 and stem and suffix in VIDEOS:
            videos.setdefault(stem, []).append(entry.path)
        elif len(inner) == 2 and stem and suffix in IMAGES:
            frames.setdefault(inner[0], []).append(entry.path)
        else:
            ignored.append(entry.path)
    layers = {}
    for name in videos.keys() | frames.keys():
        found = [*videos.get(name, ()), *([f"{prefix}/{name}/"] if name in frames else ())]
        problem = f"there are {' and '.join(found)}; keep one" if len(found) > 1 else None
        layers[name] = Layer(found[0].rstrip("/"), tuple(sorted(frames.get(name, ()))), problem)
    return layers


def find_objects(clips: Sequence[Clip], patterns: Sequence[str]) -> frozenset[str]:
    """Return the names of the clips that one of the patterns matches, upper and lower case told apart.

    Raises ValueError for a pattern that matches no clip.
    """
    names = [clip.name for clip in clips]
    found: set[str] = set()
    for pattern in patterns:
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise ValueError(
                f"mattes.objects: '{pattern}' matches none of {len(names)} clips (the first is '{names[0]}'); "
                f"give whole names with their folder, use * for any part of them, or take the pattern out"
            )
        found.update(matched)
    return frozenset(found)


def split_clips(clips: Sequence[Clip], params: MattesParams) -> dict[str, str]:
    """Assign each clip to train, valid or test by its name alone, so that a subset or a longer list splits alike.

    A clip of the official ``test`` folder is test. Every other clip has a place in [0, 1) from the hash of its name:
    test lies below ``test_share`` (only where there is no test folder), valid in the next ``valid_share``, train
    above. A border moves up, past the nearest complete clips of people, where fewer than ``min_clips`` lie below it.

    Raises ValueError where that would leave no clip to train on, or where :func:`find_objects` does.
    """
    official = any(clip.folder == "test" for clip in clips)
    places = {clip.name: share("split", DATASET, clip.name) for clip in clips if clip.folder != "test"}
    objects = find_objects(clips, params.objects)
    complete = sorted(
        places[clip.name] for clip in clips if clip.name in places and clip.paired and clip.name not in objects
    )
    test_share = 0.0 if official else params.test_share
    test_border = test_share if official else _border(complete, 0.0, test_share, params.min_clips)
    valid_border = _border(complete, test_border, test_share + params.valid_share, params.min_clips)
    splits = {clip.name: "test" for clip in clips if clip.folder == "test"}
    for name, place in places.items():
        splits[name] = "test" if place < test_border else "valid" if place < valid_border else "train"
    if not any(place >= valid_border for place in complete):
        raise ValueError(
            f"{len(complete)} complete clips of people outside test/ leave none to train on with mattes.min_clips "
            f"{params.min_clips}, valid_share {params.valid_share} and test_share {params.test_share}; "
            f"lower them or add clips"
        )
    return splits


def _border(places: Sequence[float], low: float, border: float, least: int) -> float:
    """Move ``border`` up until ``least`` of the sorted places lie in [low, border); as far as there are any."""
    border = max(low, border)
    above = [place for place in places if place >= low]
    if sum(place < border for place in above) >= least or not above:
        return border
    return math.nextafter(above[min(least, len(above)) - 1], 2.0)
