"""How well straight foreground colour is estimated, against pymatting's multi-level estimate.

``python -m benchmarks.foreground --json FILE [--mattes ROOT]``

Photographs are mixed over others with a known alpha, so the true colour behind each soft pixel is known. The alphas are
drawn, or those of the dataset at ROOT (VideoMatte240K's layout, first frame of each clip); with ROOT the true
colours are that dataset's own, as each of the estimators sees them, so that none is judged by its own truth alone.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from compositing.mattes.clipreader import read_clip
from compositing.mattes.foreground import estimate_foreground, reduce_pair
from compositing.mattes.videomatte import find_clips
from curation.storage import open_store

SIDE = 640
Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]


def by_pymatting(image: np.ndarray, pha: np.ndarray) -> np.ndarray:
    """Germer et al.'s own implementation, compiled by numba."""
    from pymatting import estimate_foreground_ml

    return np.rint(estimate_foreground_ml(image / 255, pha / 255) * 255).astype(np.uint8)


ESTIMATORS: dict[str, Estimator] = {
    "as it is": lambda image, pha: image,
    "cleanplate": estimate_foreground,
    "pymatting": by_pymatting,
}


def photographs() -> list[np.ndarray]:
    """What scikit-image ships inside its wheel, at one size."""
    from skimage import data

    return [cv2.resize(getattr(data, name)(), (SIDE, 448)) for name in ("astronaut", "coffee", "chelsea", "rocket")]


def drawn_alpha(seed: int) -> np.ndarray:
    """A soft blob with 600 strands of hair, by supersampling."""
    rng = np.random.default_rng(seed)
    large = np.zeros((448 * 4, SIDE * 4), np.uint8)
    centre = np.array([SIDE * 2, 448 * 2])
    cv2.circle(large, tuple(centre.tolist()), 520, 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, 600):
        bend, length = rng.normal(0, 0.25), rng.uniform(560, 800)
        steps = np.linspace(0, 1, 12)
        radius, turn = 480 + steps * (length - 480), angle + bend * steps**2
        points = centre + np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
        cv2.polylines(large, [np.rint(points).astype(np.int32)], False, 255, int(rng.integers(2, 6)))
    alpha = cv2.resize(large, (SIDE, 448), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(alpha, (0, 0), 0.7)


def drawn_cases() -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield truth's name, true foreground, alpha and background."""
    photos = photographs()
    for seed, fgr in enumerate(photos):
        yield "drawn alpha", fgr, drawn_alpha(seed), photos[(seed + 1) % len(photos)]


def real_cases(root: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the dataset's frames with colours as each estimator sees them, over photographs."""
    store, photos = open_store(root), photographs()
    for number, clip in enumerate(find_clips(store).clips):
        pair = next(read_clip(store, clip))
        if pair.fgr is None or pair.pha is None:
            continue
        image, pha = reduce_pair(pair.fgr, pair.pha, SIDE, mixed=True)
        bgr = cv2.resize(photos[number % len(photos)], pha.shape[::-1])
        for name in ("cleanplate", "pymatting"):
            yield f"real mattes, {name}'s colours", ESTIMATORS[name](image, pha), pha, bgr


def main() -> None:
    """Print and write root mean square errors of alpha times colour (0 to 255) at soft pixels, and seconds a frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--mattes", type=Path, help="a dataset in VideoMatte240K's layout")
    options = parser.parse_args()
    tiny = np.zeros((8, 8, 3), np.uint8)
    started = time.perf_counter()
    by_pymatting(tiny, tiny[..., 0])
    results: dict[str, object] = {"pymatting import s": round(time.perf_counter() - started, 2)}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for truth, fgr, pha, bgr in [*drawn_cases(), *(real_cases(options.mattes) if options.mattes else ())]:
        alpha = pha[..., None] / 255
        mixed = np.rint(alpha * fgr + (1 - alpha) * bgr).astype(np.uint8)
        soft = (pha > 5) & (pha < 250)
        for name, estimator in ESTIMATORS.items():
            started = time.perf_counter()
            estimate = estimator(mixed, pha)
            seconds = time.perf_counter() - started
            wrong = ((estimate.astype(float) - fgr) * alpha)[soft]
            found.setdefault((truth, name), []).append((float(np.sqrt((wrong**2).mean())), seconds))
    for (truth, name), values in found.items():
        error, seconds = np.mean(values, axis=0)
        results[f"{truth}: {name}"] = {"rmse": round(float(error), 2), "seconds": round(float(seconds), 3)}
        print(f"{truth:36} {name:12} rmse {error:6.2f}  {seconds:.3f} s a frame of {len(values)}")
    options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
