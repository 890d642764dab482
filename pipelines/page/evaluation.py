"""The metrics table, the verdict in words, and the pictured predictions."""

import json
from pathlib import Path
from typing import Any

from compositing.tables import STRENGTHS
from pipelines.page.pictures import file_uri

COLUMNS = (
    ("mad", "MAD", "× 1000"),
    ("mse", "MSE", "× 1000"),
    ("grad", "gradient", "/ 1000"),
    ("conn", "connectivity", "/ 1000"),
    ("mad_zero", "alpha = 0", "MAD × 1000"),
    ("mad_soft", "soft", "MAD × 1000"),
    ("mad_one", "alpha = 1", "MAD × 1000"),
)
METHODS = ("classical", "base", "refine_coarse", "refine")
KINDS = {".png": "image/png", ".jpg": "image/jpeg"}

Metrics = dict[str, dict[str, dict[str, float]]]


def ordered(test: Metrics) -> Metrics:
    """Put strengths from easy to hard and methods from plain to best, as one reads them."""
    return {
        strength: {method: test[strength][method] for method in METHODS if method in test[strength]}
        for strength in STRENGTHS
        if strength in test
    }


def table(test: Metrics) -> list[dict[str, Any]]:
    """Lay out strength -> method -> metric as table rows; the best of a strength is marked."""
    rows = []
    for strength, methods in test.items():
        for method, values in methods.items():
            cells = []
            for key, _, _ in COLUMNS:
                value = values.get(key)
                best = min((v[key] for v in methods.values() if v.get(key) is not None), default=None)
                text = "-" if value is None else f"{value:.2f}"
                cells.append({"text": text, "best": value is not None and value == best})
            rows.append({"strength": strength, "method": method, "cells": cells})
    return rows


def verdict(test: Metrics) -> list[str]:
    """Say in sentences how the refined network compares with the classical baseline and its own coarse alpha."""
    lines = []
    for strength, methods in test.items():
        refine, classical = methods["refine"], methods["classical"]
        share = refine["mad"] / classical["mad"] if classical["mad"] else float("inf")
        line = f"{strength}: MAD {refine['mad']:.1f}, {share:.2f} of the classical baseline's {classical['mad']:.1f}"
        coarse = methods.get("refine_coarse")
        if coarse:
            line += f"; gradient error {refine['grad']:.2f} against {coarse['grad']:.2f} of its own coarse alpha"
        lines.append(line + ".")
    return lines


def predictions(folder: Path) -> list[dict[str, Any]]:
    """Read the gallery that ``evaluate`` left: pictures by name, and each method's error on the sample."""
    index = folder / "gallery.json"
    if not index.is_file():
        raise FileNotFoundError(f"{index} is missing; run 'dvc repro evaluate'")
    result = []
    for item in json.loads(index.read_text(encoding="utf-8")):
        layers = []
        for words, name in item["files"].items():
            path = folder / name
            layers.append((words.replace("_", " "), file_uri(path.read_bytes(), KINDS[path.suffix])))
        words = ", ".join(f"{method} {value:.1f}" for method, value in item["mad"].items())
        result.append(
            {"title": f"{item['strength']}, {item['which']}", "layers": layers, "words": f"MAD × 1000: {words}"}
        )
    return result
