from pathlib import Path

import matplotlib
import numpy as np
import pytest
import skimage.data

from curation.detectors.builtin import BuiltinDetector
from curation.images import decode_rgb


def photo(*parts: str) -> np.ndarray:
    return decode_rgb(Path(*parts).read_bytes())


def test_builtin_sees_frontal_faces_and_passes_scenes() -> None:
    wheel = Path(skimage.data.__file__).parent
    detector = BuiltinDetector(0.2)
    people = [photo(wheel, "astronaut.png"), photo(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")]
    for found in detector.detect(people):
        assert found.scores[0] >= 0.5
    face = detector.detect(people[:1])[0].boxes[0]
    assert face[0] > 0.3 and face[0] + face[2] < 0.6 and face[1] + face[3] < 0.4
    scenes = [photo(wheel, name) for name in ("coffee.png", "brick.png", "motorcycle_left.png", "rocket.jpg")]
    for found in detector.detect(scenes):
        assert found.scores.max(initial=0) < 0.5


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (40, 20), (130, 70)])
def test_builtin_looks_at_any_size(shape: tuple[int, int]) -> None:
    (found,) = BuiltinDetector(0.2).detect([np.full((*shape, 3), 90, np.uint8)])
    assert found.scores.size == 0
