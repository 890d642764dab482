"""How much of its time the person filter spends in the models themselves.

``python -m benchmarks.people --json FILE [--weights FOLDER] [--images 300]``

``share_of_bare_model``: images a second of the filter (reading, decoding, hashing, fitting, boxes, writing) over
those of the bare models on tensors that lie ready in memory: the same tensors, one at a time, as many processes, one
thread each. ``images_per_second``: of the filter, with what its cascade leaves out. Images of Places365's size (512 on
the short side) are cut from photographs that scikit-image ships; the same figures for photographs of 12 megapixels have
``large_`` before their names; ``large_decode_gain``: how much faster these are decoded at a fraction of their size.
FOLDER, else $CLEANPLATE_WEIGHTS, holds a YOLOX and a NanoDet.

The filter's time includes the start of its processes, the bare models' does not.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import curation.people
from curation.detectors.build import ObserverSpec, build_observer
from curation.detectors.fusion import Fused
from curation.detectors.looks import cut
from curation.detectors.onnx import OnnxDetector, letterbox
from curation.images import decode_rgb
from pipelines.detectors import Choice, choose
from pipelines.engine import worker_count
from pipelines.people import filter_folder

PLACES, LARGE = (683, 512), (4000, 3000)
PHOTOGRAPHS = ("coffee", "chelsea", "rocket", "astronaut", "retina", "immunohistochemistry")


def write_images(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write JPEGs of ``size`` (width, height), each another crop."""
    from skimage import data

    folder.mkdir()
    photographs = [np.asarray(getattr(data, name)())[..., :3] for name in PHOTOGRAPHS]
    rng = np.random.default_rng(0)
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        height, width = (int(side * rng.uniform(0.7, 1)) for side in photograph.shape[:2])
        crop = cv2.resize(photograph[:height, :width], size, interpolation=cv2.INTER_CUBIC)
        file = folder / f"{number:05d}.jpg"
        cv2.imwrite(str(file), np.ascontiguousarray(crop[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 90])


_together: Any = None


def _share(barrier: Any) -> None:
    global _together
    _together = barrier


def bare(spec: ObserverSpec, files: Sequence[Path]) -> float:
    """Run the models alone, on the tensors that the cascade looks at; seconds, from when all processes are ready."""
    cv2.setNumThreads(1)
    observer = build_observer(spec)
    assert isinstance(observer, Fused)
    ready: list[tuple[OnnxDetector, Any]] = []
    for file in files:
        image = decode_rgb(file.read_bytes(), least_side=curation.people.SIDE)
        (answer,) = observer.observe([image])
        for seen, detector in zip(answer.seen, (observer.first, observer.second, observer.second), strict=False):
            assert isinstance(detector, OnnxDetector)
            for view in cut(image, "tiles2x2" if seen.look == "tiles2x2" else "whole")[0]:
                tensor = np.zeros((1, 3, *detector._size), np.float32)
                letterbox(view, detector.family, tensor[0])
                ready.append((detector, tensor))
    _together.wait()
    started = time.perf_counter()
    for model, tensor in ready:
        model.run(tensor)
    return time.perf_counter() - started


def bare_seconds(choice: Choice, files: Sequence[Path], workers: int) -> float:
    """Seconds for all images, on as many processes as the filter has."""
    # Spawned: a fork of a process that has run a model can wait for that model's threads for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _share, (context.Barrier(workers),)) as pool:
        return max(pool.map(bare, [choice.spec] * workers, [files[i::workers] for i in range(workers)]))


def measure(folder: Path, choice: Choice, workers: int) -> dict[str, float]:
    """Both arms on one folder."""
    found = filter_folder(folder, choice, folder.with_suffix(".parquet"), folder.with_suffix(".boxes"), None)
    files = sorted(folder.iterdir())
    seconds = bare_seconds(choice, files, workers)
    return {
        "images_per_second": round(found.images_per_second, 2),
        "bare_images_per_second": round(len(files) / seconds, 2),
        "share_of_bare_model": round(found.images_per_second * seconds / len(files), 3),
    }


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--images", type=int, default=300)
    options = parser.parse_args()
    if options.weights is not None:
        os.environ["CLEANPLATE_WEIGHTS"] = str(options.weights)
    choice, workers = choose("fusion", []), worker_count()
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name) / "places", Path(name) / "large"
        write_images(Path(name) / "warm", 4, PLACES)
        filter_folder(Path(name) / "warm", choice, Path(name) / "warm.parquet", None, None)
        write_images(small, options.images, PLACES)
        figures = measure(small, choice, workers)
        write_images(large, max(8, options.images // 2), LARGE)
        figures |= {f"large_{key}": value for key, value in measure(large, choice, workers).items()}
        files = sorted(large.iterdir())[:8]
        figures["large_decode_gain"] = round(
            decode_seconds(files, None) / decode_seconds(files, curation.people.SIDE), 1
        )
    figures["workers"] = workers
    for key, value in figures.items():
        print(f"{key:30} {value}")
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def decode_seconds(files: Sequence[Path], least_side: int | None) -> float:
    """Seconds to decode the files."""
    data = [file.read_bytes() for file in files]
    started = time.perf_counter()
    for each in data:
        decode_rgb(each, least_side=least_side)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
