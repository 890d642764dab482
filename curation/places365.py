"""Places365 in each official layout, packed or not, and plain folders of photographs -> image records."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import NamedTuple

from curation.sources import OversizeError, Source, locator_of
from curation.storage import Root, open_store
from curation.tarlist import list_tar

CATEGORIES = "categories_places365.txt"
INDOOR = "IO_places365.txt"
VALID = "places365_val.txt"
LISTS = (CATEGORIES, INDOOR, VALID)
PHOTOS = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".tif",
        ".tiff",
        ".webp",
        ".gif",
        ".ppm",
        ".pgm",
        ".avif",
        ".jp2",
    }
)
UNREAD = frozenset({".heic", ".heif", ".jxl", ".psd", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"})
LIST_BYTES = 64_000_000
"""A longer file is no list: the longest that is read, places365_val.txt, has 1 MB."""
PACKED = frozenset({".tgz", ".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar"})
EXPECTED = "data_large/, train/, val_large/ or a .tar"
_SCENES_BY_LETTER = re.compile(r"data_(large|256)(_standard|_challenge)?")


class Record(NamedTuple):
    """One file found in a dataset, image or not."""

    locator: str
    """Where its bytes are; see :mod:`curation.sources`."""
    name: str
    """Its path, in or out of an archive, valid UTF-8: what a person and a pattern look at."""
    size: int
    """Bytes."""
    scene: str | None
    """Such as ``church/indoor``; None where the layout does not tell."""
    indoor: bool | None
    """From the official list; None where unknown."""
    reason: str | None
    """Why it is no image, known without reading it; None for a candidate."""
    mtime_ns: int = 0
    """When the file (for a member: its tar) was written; with ``ctime_ns``, what tells a changed file from a known."""
    ctime_ns: int = 0
    """When the file's content, name or rights last changed."""


class Found(NamedTuple):
    """Everything below a dataset's root."""

    records: list[Record]
    """All files but lists and archives that were read, sorted by locator."""
    lists: tuple[str, ...]
    """Official lists that were used."""
    archives: tuple[str, ...]
    """Tars whose members are among the records."""


class Labels(NamedTuple):
    """What the official lists say."""

    scenes: dict[int, str]
    """Category number -> scene."""
    indoor: dict[str, bool]
    """Scene -> indoors or not."""
    valid: dict[str, int]
    """File name of a validation image -> category number."""

    @property
    def known(self) -> frozenset[str]:
        """All scene names that a list holds."""
        return frozenset(self.scenes.values()) | self.indoor.keys()


class File(NamedTuple):
    """One file below a root, or in a tar there, before anything is told from its place."""

    locator: str
    name: str
    size: int
    reason: str | None
    times: tuple[int, int] = (0, 0)


def find_images(root: Root) -> Found:
    """Walk a dataset's root and return every file in it with what its place tells.

    Official layouts: ``places365_standard/{train,val}/<scene>/``, ``data_large/<letter>/<scene, nested>/`` (also
    ``data_256``, ``_standard``, ``_challenge``), ``val_large/`` labelled by ``places365_val.txt``, ``test_large/``,
    each as folders or inside ``.tar`` files anywhere below the root. Other folders are plain piles of photographs, with
    a scene where their path is one of the official names. What cannot be an image comes with a reason.

    Raises FileNotFoundError for a root that is no folder, ValueError for a malformed list (with file and line).
    """
    files, archives = list_files(root)
    lists = [file for file in files if file.name.rpartition("/")[2] in LISTS]
    labels = read_labels(Source(root), lists)
    used = {file.locator for file in lists}
    scene_of = _scenes(labels)
    records: list[Record] = []
    while files:  # taken off one by one: at 1.8 million, two lists of the same files are too many
        file = files.pop()
        if file.locator not in used:
            records.append(_record(file, labels, scene_of))
    records.sort(key=lambda record: record.locator)
    return Found(records, tuple(sorted(file.name for file in lists)), tuple(sorted(archives)))


def list_files(root: Root) -> tuple[list[File], list[str]]:
    """Walk a root: every file, those in tars too, with a reason where it can be no image; and the tars' names.

    Raises FileNotFoundError for a root that is no folder.
    """
    files: list[File] = []
    archives: list[str] = []
    for entry in open_store(root).list():
        times = (entry.mtime_ns, entry.ctime_ns)
        if entry.path.lower().endswith(".tar") and entry.reason is None:
            archives.append(_legible(entry.path))
            files.extend(file._replace(times=times) for file in _members(root, entry.path))
        else:
            reason = entry.reason or _objection(entry.path)
            files.append(File(locator_of(entry.path), _legible(entry.path), entry.size, reason, times))
    return files, archives


def read_labels(source: Source, lists: Iterable[File]) -> Labels:
    """Read the official lists. Raises ValueError naming the file and the line that does not fit."""
    labels = Labels({}, {}, {})
    for file in lists:
        for key, number in _pairs(source, file):
            match PurePosixPath(file.name).name:
                case "categories_places365.txt":
                    labels.scenes[number] = _official(key)
                case "IO_places365.txt":
                    if number not in (1, 2):
                        raise ValueError(f"{file.name}: '{key} {number}': expected 1 (indoor) or 2 (outdoor)")
                    labels.indoor[_official(key)] = number == 1
                case _:
                    labels.valid[PurePosixPath(key).name] = number
    return labels


def _pairs(source: Source, file: File) -> Iterator[tuple[str, int]]:
    try:
        text = source.read(file.locator, LIST_BYTES).decode("utf-8", "replace")
    except OversizeError as error:
        raise ValueError(f"{file.name}: {error}, is no official list; get it again") from error
    for count, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, _, number = line.strip().rpartition(" ")
        if not key or not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise ValueError(f"{file.name}, line {count}: '{line[:80]}': expected a name and a number; get it again")
        yield key.strip(), int(number)


def _official(name: str) -> str:
    """``/c/church/indoor`` -> ``church/indoor``."""
    parts = name.strip("/").split("/")
    return "/".join(parts[1:] if len(parts) > 1 and len(parts[0]) == 1 else parts)


def _legible(path: str) -> str:
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _objection(path: str) -> str | None:
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122  (a path object for each of 1.8 million takes seconds)
    if suffix in PHOTOS:
        return None
    if suffix in UNREAD:
        return f"unsupported: {suffix} pictures are not read; convert it to JPEG or PNG"
    if suffix == ".tar":
        return "not an image: a tar inside a tar is not read; unpack the outer one"
    if suffix in PACKED:
        return f"not an image: {suffix} archives are not read; unpack it, or repack it as a plain .tar"
    return f"not an image: {suffix} file" if suffix else "not an image: the name has no suffix"


def _members(root: Root, path: str) -> Iterator[File]:
    for member in list_tar(root, path):
        reason = member.reason or _objection(member.name)
        yield File(locator_of(path, member.offset, member.size), _legible(member.name), member.size, reason)


def _record(file: File, labels: Labels, scene_of: Callable[[str], str | None]) -> Record:
    scene = scene_of(file.name)
    indoor = None if scene is None else labels.indoor.get(scene)
    return Record(file.locator, file.name, file.size, scene, indoor, file.reason, *file.times)


def _scenes(labels: Labels) -> Callable[[str], str | None]:
    """Tells the scene from a file's path or, in a validation folder, from the list; None where nothing tells."""
    known = labels.known
    by_folder = {scene.replace("/", "-"): scene for scene in known}

    @cache  # 1.8 million files lie in a few hundred folders
    def folder_scene(folder: str) -> tuple[bool, str | None]:
        folders = PurePosixPath(folder).parts
        return any(name.startswith("val") for name in folders), _folder_scene(folders, known, by_folder)

    def scene_of(name: str) -> str | None:
        folder, _, base = name.rpartition("/")
        validation, scene = folder_scene(folder)
        return labels.scenes.get(labels.valid.get(base, -1), scene) if validation else scene

    return scene_of


def _folder_scene(folders: tuple[str, ...], known: frozenset[str], by_folder: dict[str, str]) -> str | None:
    for place, folder in enumerate(folders):
        rest = folders[place + 1 :]
        if _SCENES_BY_LETTER.fullmatch(folder) and len(rest) > 1 and len(rest[0]) == 1:
            return "/".join(rest[1:])
        if folder in ("train", "val") and rest:
            return _known(rest, known, by_folder) or "/".join(rest)
    if len(folders) > 1 and len(folders[0]) == 1 and folders[1].startswith(folders[0]):
        return "/".join(folders[1:])  # the root is data_large itself
    return _known(folders, known, by_folder)


def _known(folders: tuple[str, ...], known: frozenset[str], by_folder: dict[str, str]) -> str | None:
    """The official name that a path ends in: nested (church/indoor), or flat as in places365_standard."""
    for start in range(len(folders)):
        path = "/".join(folders[start:])
        if path in known:
            return path
        if path in by_folder:
            return by_folder[path]
    return None
