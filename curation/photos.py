"""Any folder of photographs, nested or flat, packed in tars or not -> image records."""

from pathlib import PurePosixPath

from curation.places365 import Found, Record, list_files
from curation.storage import Root

EXPECTED = "photographs (.jpg, .png, ...), in folders or not, or a .tar of them"


def find_photos(root: Root) -> Found:
    """Walk a folder and return every file in it; the scene is the first folder of its path, None where it lies flat.

    What cannot be an image comes with a reason. Raises FileNotFoundError for a root that is no folder.
    """
    files, archives = list_files(root)
    records = [
        Record(file.locator, file.name, file.size, _scene(file.name), None, file.reason, *file.times) for file in files
    ]
    return Found(sorted(records, key=lambda record: record.locator), (), tuple(sorted(archives)))


def _scene(name: str) -> str | None:
    folders = [part for part in PurePosixPath(name).parts[:-1] if part not in (".", "/")]
    return folders[0] if folders else None
