import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()
