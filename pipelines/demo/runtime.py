"""onnxruntime-web (MIT), which runs ONNX files in browsers: one pinned release, fetched once, never committed.

``python -m pipelines.demo.runtime`` fetches it into ``.weights``, so that the demo and its tests need no network.
"""

import hashlib
import tarfile
from pathlib import Path

from curation.storage import writing
from pipelines.fetch import SUMS, FetchError, download
from pipelines.paths import WEIGHTS

VERSION = "1.30.0"
NAME = f"onnxruntime-web-{VERSION}"
URL = f"https://registry.npmjs.org/onnxruntime-web/-/{NAME}.tgz"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
"""Of the release's archive, whose SHA-512 is the one that the registry publishes."""
FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""What a page loads: the first three without WebGPU, the others with it."""
LARGEST = 64 << 20
"""Bytes of a member above which the archive is none of ours: the largest has 27 million."""


def find_runtime(given: Path | None = None, cache: Path = WEIGHTS) -> Path:
    """Return a folder that holds ``FILES``, downloaded and unpacked where neither ``given`` nor ``cache`` has them.

    ``given``: the release's .tgz, or a folder (an unpacked release, its ``dist``), which is used as it is.
    Raises FetchError naming what is missing, or a .tgz with another checksum.
    """
    if given is not None and given.is_dir():
        return _whole(given)
    folder = cache / NAME
    if given is not None:
        if not given.is_file():
            raise FetchError(f"--runtime {given}: no such file or folder; give {NAME}.tgz, or a folder with its files")
        _check(given)
        _unpack(given, folder)
    elif not has_runtime(cache):
        archive = cache / "downloads" / f"{NAME}.tgz"
        download(URL, archive, SHA256, cache / SUMS, "run 'cleanplate demo --runtime FILE'")
        _unpack(archive, folder)
    return folder


def has_runtime(cache: Path = WEIGHTS) -> bool:
    """Whether ``cache`` holds all files of the pinned release."""
    return all((cache / NAME / name).is_file() for name in FILES)


def _whole(given: Path) -> Path:
    places = (given, given / "dist", given / "package" / "dist")
    for place in places:
        if all((place / name).is_file() for name in FILES):
            return place
    missing = [name for name in FILES if not any((place / name).is_file() for place in places)]
    raise FetchError(f"--runtime {given}: no {(missing or FILES)[0]} in it; unpack {NAME}.tgz there, or give that file")


def _check(archive: Path) -> None:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise FetchError(
            f"--runtime {archive}: SHA-256 is {found}, that of {NAME}.tgz is {SHA256}; fetch {URL}, "
            "or unpack yours and give the folder, if you trust it"
        )


def _unpack(archive: Path, folder: Path) -> None:
    """Take the members that are known by name, so that no name in the archive ever becomes a path."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for name in FILES:
                member = tar.getmember(f"package/dist/{name}")
                content = tar.extractfile(member) if member.isreg() and member.size <= LARGEST else None
                if content is None:
                    raise FetchError(f"{archive}: {member.name} is no plain file; fetch {URL} again")
                with writing(folder / name) as temporary:
                    temporary.write_bytes(content.read())
    except (KeyError, tarfile.TarError, EOFError, OSError) as error:
        raise FetchError(f"{archive}: {error}; fetch {URL} again") from error


if __name__ == "__main__":
    print(find_runtime())
