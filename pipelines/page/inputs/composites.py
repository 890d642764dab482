"""Composites with their four layers and the recipe in words."""

from pathlib import Path
from typing import Any

import numpy as np

from compositing.shards.reader import ShardReader
from pipelines.page.pictures import data_uri

LAYERS = (("src", "source"), ("bgr", "captured background"), ("fgr", "foreground"), ("pha", "alpha"))


def rows(shards: Path, table: Path, sets: tuple[str, ...], count: int) -> list[dict[str, Any]]:
    """Return ``count`` composites of each set: title, the four layers as data URIs, what was drawn."""
    result = []
    for name in sets:
        reader = ShardReader(shards, table, name)
        for position in np.unique(np.linspace(0, len(reader) - 1, min(count, len(reader))).round().astype(int)):
            sample = reader.read(int(position))
            result.append(
                {
                    "title": f"{name} {int(position)}",
                    "layers": [(words, data_uri(getattr(sample, layer), 320)) for layer, words in LAYERS],
                    "recipe": in_words(sample.recipe),
                }
            )
    return result


def in_words(recipe: dict[str, Any]) -> str:
    """Say in a line what the plan drew for the captured background of one composite."""
    parts = [
        f"{recipe['clip']} frame {recipe['frame']} over {recipe['scene'] or 'a scene'}",
        f"{recipe['strength']}" + (f": {recipe['case'].replace('_', ' ')}" if recipe["case"] else ""),
        f"plate shifted {np.hypot(recipe['shift_x'], recipe['shift_y']):.1f} px, {recipe['shift_rotate']:+.2f}°",
        f"exposure {recipe['gain']:+.2f} stops, gamma {recipe['gamma']:.2f}",
        f"noise {recipe['src_noise']:.3f} / {recipe['bgr_noise']:.3f}",
        f"JPEG {recipe['src_quality']} / {recipe['bgr_quality']}",
    ]
    if recipe["shadow_strength"] > 0:
        parts.append(f"shadow {recipe['shadow_strength']:.2f}")
    return "; ".join(parts)
