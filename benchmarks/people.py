"""How much of its time the person filter spends in the models themselves.

``python -m benchmarks.people --json FILE [--weights FOLDER] [--images 120]``

``share_of_bare_model``: images a second of the filter (reading, decoding, hashing, fitting, boxes, writing) over
those of the bare models on tensors that lie ready in memory: the same tensors, one at a time, as many processes, one
thread each. ``images_per_second``: of the filter, with what its cascade leaves out. Images of Places365's size (512 on
the short side) are cut from photographs that scikit-image ships; FOLDER, else
$CLEANPLATE_WEIGHTS, holds a YOLOX and a NanoDet.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from curation.detectors.fusion import TILES, FusedDetector
from curation.detectors.onnx import OnnxDetector, letterbox
from pipelines.engine import worker_count
from pipelines.people import choose, filter_folder

SHORT, LONG = 512, 683
PHOTOGRAPHS = ("coffee", "chelsea", "rocket", "astronaut", "retina", "immunohistochemistry")


def write_images(folder: Path, count: int) -> None:
    """Write JPEGs, each another crop."""
    from skimage import data

    photographs = [np.asarray(getattr(data, name)())[..., :3] for name in PHOTOGRAPHS]
    rng = np.random.default_rng(0)
    for number in range(count):
        photograph = photographs[number % len(photographs)]
        height, width = (int(side * rng.uniform(0.7, 1)) for side in photograph.shape[:2])
        crop = cv2.resize(photograph[:height, :width], (LONG, SHORT), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(
            str(folder / f"{number:05d}.jpg"), np.ascontiguousarray(crop[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )


class _Bare(OnnxDetector):
    """A detector whose model can be run on a ready tensor."""

    def tensor(self, image: np.ndarray) -> Any:
        return letterbox(image, self._size, self.family)[0]

    def run(self, tensor: Any) -> None:
        self._session.run(None, {self._input: tensor})


def bare(weights: tuple[Path, ...], images: list[np.ndarray], looks: list[bool]) -> tuple[float, float]:
    """Run the models alone, on the tensors that the cascade looks at; when it began and ended."""
    cv2.setNumThreads(1)
    models = [_Bare(path, 0.02) for path in weights]
    ready = []
    for image, all_looks in zip(images, looks, strict=True):
        height, width = image.shape[:2]
        views = [image]
        if all_looks:
            views += [
                image[round(y * height) : round((y + h) * height), round(x * width) : round((x + w) * width)]
                for x, y, w, h in TILES
            ]
        ready.append([(model, model.tensor(view)) for model in models for view in views])
    ready[0][0][0].run(ready[0][0][1])
    started = time.time()
    for tensors in ready:
        for model, tensor in tensors:
            model.run(tensor)
    return started, time.time()


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--images", type=int, default=120)
    options = parser.parse_args()
    if options.weights is not None:
        os.environ["CLEANPLATE_WEIGHTS"] = str(options.weights)
    choice, workers = choose("fusion", []), worker_count()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        write_images(folder, options.images)
        filter_folder(folder, choice, Path(name) / "warm.parquet", None, None)
        found = filter_folder(folder, choice, Path(name) / "people.parquet", None, None)
        images = [cv2.imread(str(path))[..., ::-1] for path in sorted(folder.iterdir())]
    detector = FusedDetector(choice.spec.weights, choice.spec.floor)
    looks = [not detector.settled(image) for image in images]
    # Spawned: a fork of a process that has run a model can wait for that model's threads for ever.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        shares = [(choice.spec.weights, images[i::workers], looks[i::workers]) for i in range(workers)]
        spans = [future.result() for future in [pool.submit(bare, *share) for share in shares]]
    seconds = max(end for _, end in spans) - min(start for start, _ in spans)
    figures = {
        "images_per_second": round(found.images_per_second, 2),
        "bare_images_per_second": round(len(images) / seconds, 2),
        "share_of_bare_model": round(found.images_per_second * seconds / len(images), 3),
        "workers": workers,
        "settled_by_the_whole": round(1 - float(np.mean(looks)), 3),
    }
    for key, value in figures.items():
        print(f"{key:24} {value}")
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
