"""The pictured predictions: the worst first, the best last."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipelines.page.pictures import file_uri
from pipelines.page.results.metrics import number, ordered, plain

KINDS = {".png": "image/png", ".jpg": "image/jpeg"}
RANKS = ("worst", "median", "best")


def predictions(folder: Path) -> list[dict[str, Any]]:
    """Read the gallery that ``evaluate`` left: pictures by name, and each method's error on the sample.

    Raises FileNotFoundError where it left none.
    """
    index = folder / "gallery.json"
    if not index.is_file():
        raise FileNotFoundError(f"{index} is missing; run 'dvc repro evaluate'")
    items = json.loads(index.read_text(encoding="utf-8"))
    result = []
    for item in sorted(items, key=lambda item: (_rank(item["which"]), -float(item["mad"]["refine"]))):
        layers = []
        for words, name in item["files"].items():
            path = folder / name
            layers.append((plain(words), file_uri(path.read_bytes(), KINDS[path.suffix])))
        words = ", ".join(f"{method} {number(item['mad'][method])}" for method in ordered(item["mad"]))
        result.append(
            {"title": f"{item['which']} of {item['strength']}", "layers": layers, "words": f"MAD × 1000: {words}"}
        )
    return result


def montages(folder: Path, probes: Iterable[str]) -> list[tuple[str, str]]:
    """Return the picture of each probe that ``robustness`` left, with its name in words."""
    files = [(name, folder / f"{name}.jpg") for name in probes]
    return [(plain(name), file_uri(file.read_bytes(), "image/jpeg")) for name, file in files if file.is_file()]


def _rank(which: str) -> int:
    return next((rank for rank, word in enumerate(RANKS) if which.startswith(word)), len(RANKS))
