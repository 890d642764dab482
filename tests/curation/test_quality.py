import cv2
import numpy as np
import pytest

from curation.images import decode_rgb
from curation.quality import border, chroma, drawn, measure, perceptual_hash, sharpness


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def recompressed(image: np.ndarray, quality: int = 80) -> np.ndarray:
    return decode_rgb(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


def test_measures_mean_what_they_say(scene) -> None:
    image = scene()
    blurred = cv2.GaussianBlur(image, (0, 0), 4)
    assert sharpness(grey(blurred)) < 0.1 * sharpness(grey(image))
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    assert sharpness(grey(large)) == pytest.approx(sharpness(grey(image)), rel=0.5)
    half = np.full((100, 100, 3), 128, np.uint8)
    half[:25] = 255
    half[25:50, :, 0] = 255  # red alone is clipped: colour is left
    row = measure(half)
    assert row["clipped"] == 0.25
    assert row["luma_mean"] == pytest.approx(grey(half).mean() / 255)
    assert row["luma_spread"] == pytest.approx(grey(half).std() / 255)


def test_near_duplicates_hash_alike_and_others_do_not(scene) -> None:
    image = scene()
    first = perceptual_hash(grey(image))
    variants = {
        "smaller": cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA),
        "recompressed": cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1),
        "darker": (image * 0.8).astype(np.uint8),
        "cropped": image[2:-2, 2:-2],
    }
    for name, variant in variants.items():
        assert (first ^ perceptual_hash(grey(variant))).bit_count() <= 6, name
    for seed in range(1, 20):
        assert (first ^ perceptual_hash(grey(scene(seed)))).bit_count() > 12
    assert perceptual_hash(np.full((50, 60), 77, np.uint8)) == perceptual_hash(np.full((90, 20), 200, np.uint8))


@pytest.mark.parametrize("colour", [0, 255, 120])
@pytest.mark.parametrize("kind", ["letterbox", "pillarbox", "frame"])
def test_bars_at_opposite_edges_are_a_border(scene, kind: str, colour: int) -> None:
    image, high, wide = scene(height=300, width=400), 20, 28
    if kind != "pillarbox":
        image[:high] = image[-high:] = colour
    else:
        high = 0
    if kind != "letterbox":
        image[:, :wide] = image[:, -wide:] = colour
    else:
        wide = 0
    share = 1 - (300 - 2 * high) * (400 - 2 * wide) / (300 * 400)
    assert border(image) == pytest.approx(share)
    assert border(recompressed(image)) == pytest.approx(share, abs=0.04)


def test_what_a_lens_sees_is_no_border(scene) -> None:
    image = scene(height=300, width=400)
    night = np.zeros_like(image)
    cv2.circle(night, (200, 150), 30, (250, 240, 200), -1)
    roofs = image.copy()
    for x in range(400):
        roofs[: 120 + 40 * (x // 50 % 2), x] = 255
    ground = image.copy()
    ground[200:] = 3
    wall = np.tile(np.linspace(150, 235, 400, dtype=np.uint8)[None, :, None], (300, 1, 3))
    for each in (image, night, roofs, ground, wall, np.full_like(image, 255), np.zeros((1, 1, 3), np.uint8)):
        assert border(each) == 0
        assert border(recompressed(each)) == 0


def test_chroma_tells_grey_from_pale(scene) -> None:
    image = scene(height=300, width=400)
    plain = cv2.cvtColor(grey(image), cv2.COLOR_GRAY2RGB)
    assert chroma(plain) == 0
    assert chroma(recompressed(plain, 60)) < 0.02
    pale = plain.copy()
    pale[100:140, 100:140, 0] //= 2
    assert chroma(pale) > 0.05
    assert chroma(image) > 0.2


def test_text_on_a_flat_ground_looks_drawn(scene) -> None:
    shot = np.full((300, 400, 3), 250, np.uint8)
    for line in range(12):
        cv2.putText(shot, "settings file window", (20, 30 + 22 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 1)
    for image in (shot, recompressed(shot), 255 - shot):
        assert drawn(grey(image)) > 0.35
    image = scene(height=300, width=400)
    hazy = image.copy()
    hazy[:200] = 255
    for photograph in (image, hazy, cv2.GaussianBlur(image, (0, 0), 9), np.full_like(image, 9), image[:5, :5]):
        assert drawn(grey(photograph)) < 0.2
