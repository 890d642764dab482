"""Weights from elsewhere: download with checksum and cache, convert to safetensors, say what they are.

Downloads are kept in ``.weights/downloads``. A file whose checksum is published is held to it; of others the first
download's is written to ``.weights/SHA256SUMS`` and the next are held to that (``sha256sum -c`` reads the file too).
"""

import hashlib
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rich.progress import Progress

from curation.storage import writing
from pipelines.paths import WEIGHTS
from pipelines.stage import require_extra

SUMS = "SHA256SUMS"
TIMEOUT_SECONDS = 60
CHUNK = 1 << 20

_BGMV2 = "https://github.com/PeterL1n/BackgroundMattingV2/releases/download/v1.0.0"
_ONNX = "https://raw.githubusercontent.com/Kazuhito00"
_TORCHVISION = "https://download.pytorch.org/models"


class Known(NamedTuple):
    """Published weights."""

    url: str
    words: str
    sha256: str = ""
    """All of it or its beginning; empty: none is published."""


KNOWN: dict[str, Known] = {
    "bgmv2-mobilenetv2": Known(f"{_BGMV2}/pytorch_mobilenetv2.pth", "Background Matting V2, both networks"),
    "bgmv2-resnet50": Known(f"{_BGMV2}/pytorch_resnet50.pth", "Background Matting V2, both networks"),
    "bgmv2-resnet101": Known(f"{_BGMV2}/pytorch_resnet101.pth", "Background Matting V2, both networks"),
    "imagenet-mobilenetv2": Known(f"{_TORCHVISION}/mobilenet_v2-b0353104.pth", "ImageNet encoder", "b0353104"),
    "imagenet-resnet50": Known(f"{_TORCHVISION}/resnet50-0676ba61.pth", "ImageNet encoder", "0676ba61"),
    "imagenet-resnet101": Known(f"{_TORCHVISION}/resnet101-63fe2227.pth", "ImageNet encoder", "63fe2227"),
    "deeplabv3-resnet50": Known(
        f"{_TORCHVISION}/deeplabv3_resnet50_coco-cd0a2569.pth", "DeepLabV3 encoder and ASPP, COCO", "cd0a2569"
    ),
    "deeplabv3-resnet101": Known(
        f"{_TORCHVISION}/deeplabv3_resnet101_coco-586e9e4e.pth", "DeepLabV3 encoder and ASPP, COCO", "586e9e4e"
    ),
    "yolox_nano": Known(
        f"{_ONNX}/YOLOX-ONNX-TFLite-Sample/main/model/yolox_nano.onnx", "first detector of fusion", "695e750a5d5754bb"
    ),
    "nanodet_m_416": Known(
        f"{_ONNX}/NanoDet-ONNX-Sample/main/model/nanodet_m_416.onnx", "second detector of fusion", "08b62b9ee4a7878e"
    ),
}


TORCHVISION = "torchvision:"
"""Before the name of one of torchvision's detectors."""


class FetchError(ValueError):
    """Weights could not be had, or are not what they should be; the message says what to do."""


class Fetched(NamedTuple):
    """Weights at hand."""

    path: Path
    """The file to name in params.yaml."""
    sha256: str
    """Of what was downloaded or given."""
    words: str
    """What it holds."""


def fetch(source: str, sha256: str = "", folder: Path = WEIGHTS) -> Fetched:
    """Get weights by a name of ``KNOWN``, a URL or a local file; PyTorch files come back as safetensors.

    Args:
        source: which.
        sha256: the checksum it must have, or at least its first 8 digits; empty: the published or the first one seen.
        folder: the cache.

    Raises:
        FetchError: no such name, no connection, another checksum, or a file that holds no weights.
    """
    known = KNOWN.get(source) or _torchvision(source)
    url = known.url if known else source
    expected = (sha256 or (known.sha256 if known else "")).lower()
    if expected and not re.fullmatch(r"[0-9a-f]{8,64}", expected):
        raise FetchError(f"--sha256 '{expected}': expected 8 to 64 hexadecimal digits")
    if urllib.parse.urlsplit(url).scheme in ("http", "https"):
        raw = folder / "downloads" / Path(urllib.parse.urlsplit(url).path).name
        found = download(url, raw, expected, folder / SUMS)
    else:
        raw = Path(source)
        if not raw.is_file():
            raise FetchError(f"'{source}' is no file, no URL and none of the known weights: {', '.join(KNOWN)}")
        found = _digest(raw)
        _compare(raw, found, expected, source)
    name = source.removeprefix(TORCHVISION) if known else raw.stem
    if raw.suffix == ".onnx" or source.startswith(TORCHVISION):
        return _keep(raw, folder / f"{name}{raw.suffix}", found)
    return _convert(raw, folder / f"{name}.safetensors", found)


def _torchvision(source: str) -> Known | None:
    """The weights of one of torchvision's detectors, ``torchvision:NAME``; the end of their file name is a checksum."""
    if not source.startswith(TORCHVISION):
        return None
    require_extra("train")
    from curation.detectors.torchvision import published

    url = published(source.removeprefix(TORCHVISION))
    return Known(url, "person detector", Path(url).stem.rpartition("-")[2])


def download(
    url: str, path: Path, expected: str, sums: Path, otherwise: str = "run 'cleanplate fetch-weights FILE'"
) -> str:
    """Have a file from the network at ``path``; its SHA-256 begins with ``expected``, or is what ``sums`` says.

    A whole file that is there stays. ``otherwise``: what to do with a file fetched elsewhere, without a network.
    Returns the SHA-256. Raises FetchError where the file cannot be had or is another one.
    """
    known = _read_sums(sums)
    expected = expected or known.get(path.name, "")
    if path.is_file():
        found = _digest(path)
        if found.startswith(expected or known.get(path.name, found)):
            return found
        path.unlink()  # torn or of another version: once more
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer, writing(path) as temporary:
            length = int(answer.headers.get("Content-Length") or 0)
            found, size = _copy(answer, temporary, length, path.name)
            if length and size != length:
                raise FetchError(f"{url}: {size:,} of {length:,} bytes came; try again")
            _compare(path, found, expected, url)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise FetchError(f"{url} cannot be downloaded ({error}); fetch it elsewhere and {otherwise}") from error
    with writing(sums) as temporary:
        known[path.name] = found
        temporary.write_text("".join(f"{value}  downloads/{name}\n" for name, value in sorted(known.items())), "utf-8")
    return found


def _copy(answer: BinaryIO, path: Path, length: int, name: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with Progress(transient=True) as bar, path.open("wb") as file:
        task = bar.add_task(name, total=length or None)
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            bar.update(task, completed=size)
    return digest.hexdigest(), size


def _read_sums(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.split("  ", 1) for line in path.read_text("utf-8").splitlines() if line)
    return {Path(name).name: value for value, name in lines}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare(path: Path, found: str, expected: str, source: str) -> None:
    if not found.startswith(expected):
        raise FetchError(
            f"{source}: SHA-256 is {found}, expected {expected}; it was changed or torn on the way. If you trust it, "
            f"give --sha256 {found}, or remove {path.name} from {WEIGHTS / SUMS}"
        )


def _keep(raw: Path, path: Path, digest: str) -> Fetched:
    with writing(path) as temporary:
        temporary.write_bytes(raw.read_bytes())
    return Fetched(path, digest, "taken as it is: name it in detect.members")


def _convert(raw: Path, path: Path, digest: str) -> Fetched:
    require_extra("train")
    from training.network import weights  # PyTorch only where it is used

    try:
        words = weights.convert(raw, path)
    except ValueError as error:
        raise FetchError(str(error)) from error
    return Fetched(path, digest, words)
