"""The pictured predictions: the worst first, the best last."""

import json
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


def _rank(which: str) -> int:
    return next((rank for rank, word in enumerate(RANKS) if which.startswith(word)), len(RANKS))
