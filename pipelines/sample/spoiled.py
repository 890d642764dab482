"""What curation must catch: people, copies, blur, bad exposure, and files that are no images at all."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.identity import rng
from pipelines.sample import photographs
from pipelines.sample.catalogue import folder_of
from pipelines.sample.photographs import PEOPLE

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Spoiled:
    """One file that must not become a background."""

    kind: str
    """Why: person, copy, blurred, black, white, flat, small, bordered, grey, screen, truncated, empty, text, system."""
    path: str
    """Below the dataset's root."""
    data: bytes


def jpeg(image: Pixels, quality: int = 92) -> bytes:
    """Encode (H, W, 3) RGB as JPEG."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"cannot encode an image of shape {image.shape}")
    return data.tobytes()


def _resized(image: Pixels, scale: float) -> Pixels:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _exposed(image: Pixels, gain: float) -> Pixels:
    return np.asarray(np.clip(image.astype(np.float32) * gain, 0, 255), np.uint8)


def _shaken(image: Pixels) -> Pixels:
    kernel = np.zeros((61, 61), np.float32)
    cv2.line(kernel, (0, 20), (60, 40), 1.0, 3)
    moved = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), 4), np.uint8)


def _unfocused(image: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), min(image.shape[:2]) / 60), np.uint8)


def _letterboxed(image: Pixels) -> Pixels:
    """As a frame of a wide film in a narrow one."""
    out = image.copy()
    high = len(out) // 9
    out[:high] = out[-high:] = 0
    return out


def _grey(image: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def _screenshot(random: np.random.Generator) -> Pixels:
    """A window with a title, a list at its side and lines of text."""
    shot = np.full((600, 800, 3), 250, np.uint8)
    shot[:36], shot[36:, :150] = (70, 90, 130), (225, 228, 232)
    for line in range(24):
        bottom = 62 + 22 * line
        words = "".join(chr(97 + int(letter)) if letter < 26 else " " for letter in random.integers(0, 31, 50))
        cv2.putText(shot, words, (170, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
        cv2.putText(shot, words[:9], (12, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (60, 60, 90), 1, cv2.LINE_AA)
    return shot


COPIES: tuple[Callable[[Pixels], bytes], ...] = (
    lambda image: jpeg(image, 60),
    lambda image: jpeg(_resized(image, 0.8), 88),
    lambda image: jpeg(_exposed(_resized(image, 0.9), 1.06), 90),
)
"""Recompressed; reduced; reduced and brighter."""


def make(seed: int, sources: list[Path]) -> list[Spoiled]:
    """Spoil some of the usable images ``sources`` (``data_large/...`` paths), and add people and rubbish."""
    random = rng(seed, "spoiled")
    found = _people()
    pool = [sources[int(k)] for k in random.permutation(len(sources))]

    def take(number: int) -> tuple[str, Pixels]:
        path = pool[number % len(pool)]
        image = cv2.imread(str(path))
        if image is None:
            raise ValueError(f"{path} cannot be read back; delete the work folder and run the stage again")
        folder = path.parent.as_posix()
        return folder[folder.index("data_large/") :], np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    for k in range(6):
        folder, image = take(k)
        found.append(Spoiled("copy", f"{folder}/copy{k:03d}_00.jpg", COPIES[k % len(COPIES)](image)))
    for k in range(4):
        folder, image = take(6 + k)
        found.append(Spoiled("blurred", f"{folder}/blurred{k:03d}_00.jpg", jpeg((_unfocused, _shaken)[k % 2](image))))
    dim = random.integers(0, 4, (540, 720, 3)).astype(np.uint8)
    exposed = (
        ("black", np.zeros((540, 720, 3), np.uint8)),
        ("black", dim),
        ("white", np.full((600, 800, 3), 255, np.uint8)),
    )
    for k, (kind, image) in enumerate(exposed):
        found.append(Spoiled(kind, f"{take(10 + k)[0]}/{kind}{k:03d}_00.jpg", jpeg(image)))
    folder, image = take(13)
    found.append(Spoiled("white", f"{folder}/white003_00.jpg", jpeg(_exposed(image, 9.0))))
    flat = np.full((540, 720, 3), 128, np.uint8)
    found.append(Spoiled("flat", f"{take(14)[0]}/flat000_00.jpg", jpeg(flat)))
    for k, (wide, high) in enumerate(((160, 120), (300, 190), (90, 90))):
        folder, image = take(15 + k)
        small = np.asarray(cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)
        found.append(Spoiled("small", f"{folder}/small{k:03d}_00.jpg", jpeg(small)))
    for k, share in enumerate((0.6, 0.08)):
        folder, image = take(18 + k)
        data = jpeg(image)
        found.append(Spoiled("truncated", f"{folder}/truncated{k:03d}_00.jpg", data[: int(len(data) * share)]))
    for k, (kind, spoil) in enumerate((("bordered", _letterboxed), ("grey", _grey))):
        folder, image = take(24 + k)
        found.append(Spoiled(kind, f"{folder}/{kind}000_00.jpg", jpeg(spoil(image))))
    found.append(Spoiled("screen", f"{take(26)[0]}/screen000_00.jpg", jpeg(_screenshot(random))))
    words = b"<html><body><h1>404 Not Found</h1></body></html>\n"
    found.append(Spoiled("empty", f"{take(20)[0]}/empty000_00.jpg", b""))
    found.append(Spoiled("text", f"{take(21)[0]}/text000_00.jpg", words))
    found.append(Spoiled("system", f"{take(22)[0]}/.DS_Store", b"\x00\x00\x00\x01Bud1" + bytes(6140)))
    found.append(Spoiled("system", f"{take(23)[0]}/Thumbs.db", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(4088)))
    return found


def _people() -> list[Spoiled]:
    found = []
    for name, photograph in PEOPLE.items():
        for number in range(len(photograph.crops)):
            image = photographs.cut(photograph, number)
            path = f"{folder_of(photograph.scene)}/{name}_{number:02d}.jpg"
            found.append(Spoiled("person", path, jpeg(image)))
    hopper = photographs.cut(PEOPLE["hopper"], 0)
    mirrored = np.ascontiguousarray(_resized(hopper, 0.75)[:, ::-1])
    found.append(Spoiled("person", f"{folder_of('classroom')}/hopper_02.jpg", jpeg(mirrored)))
    return found
