"""What the renderer is compared with: the recipe that Background Matting V2 was trained with (Lin et al. 2021, and the
figures of its published scripts) done with PIL, torchvision and kornia, and a plain albumentations pipeline.

Both take an encoded foreground, alpha and photograph, and return source, captured background, foreground and alpha.
Nothing is encoded.
"""

import io
import math
import os
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

try:
    import kornia
except ImportError as error:
    raise SystemExit("the published recipe needs kornia: pip install kornia, or install the dev extra") from error


class Encoded(NamedTuple):
    """A composite's stored inputs."""

    fgr: bytes
    pha: bytes
    background: bytes


def published(batch: list[Encoded], size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Render a batch: (B, 3, size, size) source, captured background, foreground, (B, 1, size, size) alpha."""
    jitter = v2.ColorJitter(0.15, 0.15, 0.15, 0.05)
    least = 0.4 if size <= 512 else 0.3
    fgrs, phas, bgrs = [], [], []
    for sample in batch:
        fgr = Image.open(io.BytesIO(sample.fgr)).convert("RGB")
        pha = Image.open(io.BytesIO(sample.pha)).convert("L")
        place = _placing(fgr.size, size, size / fgr.height * rng.uniform(least, 1), rng)
        pair = [picture.transform((size, size), Image.Transform.AFFINE, place, BILINEAR) for picture in (fgr, pha)]
        if rng.random() < 0.5:
            pair = [TF.horizontal_flip(picture) for picture in pair]
        pair = _soften(pair, rng)
        fgrs.append(TF.to_dtype(TF.pil_to_tensor(jitter(pair[0])), torch.float32, scale=True))
        phas.append(TF.to_dtype(TF.pil_to_tensor(pair[1]), torch.float32, scale=True))
        photo = Image.open(io.BytesIO(sample.background)).convert("RGB")
        place = _placing(photo.size, size, size / min(photo.size) * rng.uniform(1, 2), rng)
        photo = photo.transform((size, size), Image.Transform.AFFINE, place, BILINEAR)
        if rng.random() < 0.5:
            photo = TF.horizontal_flip(photo)
        photo = jitter(_soften([photo], rng)[0])
        bgrs.append(TF.to_dtype(TF.pil_to_tensor(photo), torch.float32, scale=True))
    return _on_tensors(torch.stack(fgrs), torch.stack(phas), torch.stack(bgrs), rng)


BILINEAR = Image.Resampling.BILINEAR


def _placing(source: tuple[int, int], size: int, scale: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Draw rotation, shear and shift; return PIL's six numbers, from the result's pixels to the source's."""
    angle, shear = (math.radians(rng.uniform(-5, 5)) for _ in range(2))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    inverse = np.linalg.inv(scale * turn @ np.array([[1, math.tan(shear)], [0, 1]]))
    shift = rng.uniform(-0.1, 0.1, 2) * size
    offset = np.array(source) / 2 - inverse @ (np.array([size / 2, size / 2]) + shift)
    return tuple(np.hstack([inverse, offset[:, None]]).ravel().tolist())


def _soften(pictures: list[Image.Image], rng: np.random.Generator) -> list[Image.Image]:
    if rng.random() < 0.1:
        blur = ImageFilter.BoxBlur(rng.uniform(0, 5))
        pictures = [picture.filter(blur) for picture in pictures]
    if rng.random() < 0.1:
        pictures = [picture.filter(ImageFilter.SHARPEN) for picture in pictures]
    return pictures


def _on_tensors(
    fgr: Tensor, pha: Tensor, bgr: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shadow, composite, noise and the captured background's jitter and shift, on the batch."""
    count = len(fgr)
    scene = bgr.clone()
    shaded = torch.from_numpy(rng.random(count) < 0.3)
    if shaded.any():
        shadow = pha[shaded] * (0.3 * rng.random())
        shadow = kornia.augmentation.RandomAffine(
            degrees=10, translate=(0.2, 0.2), scale=(0.5, 1.5), shear=(-5, 5), resample="nearest", p=1.0
        )(shadow)
        side = int(rng.integers(20, 40))
        scene[shaded] = (scene[shaded] - kornia.filters.box_blur(shadow, (side, side))).clamp(0, 1)
    src = fgr * pha + scene * (1 - pha)
    noisy = torch.from_numpy(rng.random(count) < 0.4)
    if noisy.any():
        src[noisy] = (src[noisy] + torch.randn_like(src[noisy]) * (0.03 * rng.random())).clamp(0, 1)
        bgr[noisy] = (bgr[noisy] + torch.randn_like(bgr[noisy]) * (0.03 * rng.random())).clamp(0, 1)
    bgr = kornia.augmentation.ColorJitter(0.18, 0.18, 0.18, 0.1, p=0.8)(bgr)
    moved = torch.from_numpy(rng.random(count) < 0.3)
    if moved.any():
        shift = kornia.augmentation.RandomAffine(degrees=1, translate=(0.01, 0.01), resample="nearest", p=1.0)
        bgr[moved] = shift(bgr[moved])
    return src, bgr, fgr, pha


class Albumentations:
    """The same idea in albumentations, on 8-bit arrays, a sample at a time."""

    def __init__(self, size: int, seed: int) -> None:
        jitter = A.ColorJitter((0.85, 1.15), (0.85, 1.15), (0.85, 1.15), (-0.05, 0.05), p=1)
        turn = {"rotate": (-5, 5), "shear": (-5, 5), "translate_percent": (-0.1, 0.1)}
        scale = (0.4, 1) if size <= 512 else (0.3, 1)
        self.size = size
        self.subject = A.Compose(
            [
                A.SmallestMaxSize(size),
                A.CenterCrop(size, size),
                A.Affine(scale=scale, **turn, interpolation=1, mask_interpolation=1, p=1),
                A.HorizontalFlip(p=0.5),
                A.OneOf([A.Blur((3, 5)), A.Sharpen()], p=0.2),
                jitter,
            ],
            seed=seed,
        )
        self.scene = A.Compose(
            [
                A.RandomResizedCrop((size, size), scale=(0.25, 1), ratio=(1, 1), p=1),
                A.HorizontalFlip(p=0.5),
                A.OneOf([A.Blur((3, 5)), A.Sharpen()], p=0.2),
                jitter,
            ],
            seed=seed + 1,
        )
        noise = A.GaussNoise(std_range=(0, 0.03), p=0.4)
        self.source = A.Compose([noise], seed=seed + 2)
        self.plate = A.Compose(
            [
                A.ColorJitter((0.82, 1.18), (0.82, 1.18), (0.82, 1.18), (-0.1, 0.1), p=0.8),
                A.Affine(rotate=(-1, 1), translate_percent=(-0.01, 0.01), p=0.3),
                noise,
            ],
            seed=seed + 3,
        )

    def render(self, sample: Encoded) -> tuple[np.ndarray, ...]:
        """Return source, captured background, foreground (size, size, 3) and alpha (size, size), uint8."""
        fgr, pha, photo = (
            cv2.imdecode(np.frombuffer(data, np.uint8), mode)
            for data, mode in zip(
                sample, (cv2.IMREAD_COLOR_RGB, cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR_RGB), strict=True
            )
        )
        pair = self.subject(image=fgr, mask=pha)
        scene = self.scene(image=photo)["image"]
        alpha = pair["mask"][:, :, None].astype(np.float32) / 255
        src = np.rint(pair["image"] * alpha + scene * (1 - alpha)).astype(np.uint8)
        return self.source(image=src)["image"], self.plate(image=scene)["image"], pair["image"], pair["mask"]
