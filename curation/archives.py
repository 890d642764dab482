"""Zip archives, which files of weights are: how much they hold, before anything of it is read."""

import zipfile
from pathlib import Path

SPARE_BYTES = 256_000_000
"""What may come out beyond a file's own size: PyTorch stores weights as they are and packs only a program's text."""


def refuse_bomb(path: Path) -> None:
    """Raise ValueError for a zip archive that unpacks to far more than its size; any other file passes."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            whole = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ValueError(f"{path} is a damaged archive ({error}); get it again") from error
    size = path.stat().st_size
    if whole > size + SPARE_BYTES:
        raise ValueError(
            f"{path} has {size:,} bytes and claims to hold {whole:,}: no file of weights is packed so; get it again"
        )
