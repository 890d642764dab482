"""A trained network in front of pictures: give the background once, then frame after frame."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_bytes, to_display
from training.network import RefineNetwork
from training.network.inference import for_inference
from training.network.weights import PUBLISHED_SPACE, load_refine, load_space
from training.realtime.plate import Fit, fit

Bytes = NDArray[np.uint8]
Picture = NDArray[Any] | Tensor
"""RGB: a NumPy array (H, W, 3) or a tensor (3, H, W); uint8, or floating point from 0 to 1."""
Fitting = Literal["first", "each", "never"]
WEIGHTS = "refine.safetensors"
CARDS = ("model_card.md", "README.md")


class Matte(NamedTuple):
    """What a frame is made of; of the frame's kind: NumPy or torch, uint8 or float32 from 0 to 1."""

    alpha: Any
    """(H, W), of a tensor (1, H, W)."""
    foreground: Any
    """(H, W, 3) RGB, of a tensor (3, H, W); not multiplied by alpha."""


class MattingPredictor:
    """Runs a refine network on images of any size. One may serve several threads: they take turns."""

    def __init__(
        self,
        weights: RefineNetwork | str | Path,
        device: str = "cpu",
        space: str = PUBLISHED_SPACE,
        fitting: Fitting = "first",
    ) -> None:
        """Make the network ready.

        Args:
            weights: a network, or what :meth:`from_pretrained` takes.
            device: where it runs.
            space: what alpha mixed in training, ``linear`` light or ``display`` values; files say it themselves.
            fitting: the background is aligned and toned to the ``first`` frame after it was set, to ``each`` frame
                (a camera in the hand, exposure that drifts), or ``never``. A background that does not belong to the
                frame is left as it is: see :attr:`fit`.

        Raises:
            FileNotFoundError: no weights there.
            ValueError: they are not of a refine network, or an unknown ``fitting``.
        """
        if fitting not in get_args(Fitting):
            raise ValueError(f"fitting: {fitting!r} is none of {', '.join(get_args(Fitting))}")
        self.card: str | None = None
        """The text of the model card beside the weights, where there is one."""
        if isinstance(weights, str | Path):
            path, self.card = _found(Path(weights))
            weights, space = load_refine(path), load_space(path)
        self.space = space
        self.network = for_inference(weights).to(device)
        self.device = device
        self.fitting = fitting
        self.fit: Fit | None = None
        """How far the background was off the frame it was last fitted to; None before that."""
        self._given: Bytes | None = None
        self._background: Tensor | None = None
        self._buffers: dict[tuple[int, ...], Tensor] = {}
        self._turn = threading.RLock()

    @classmethod
    def from_pretrained(cls, path: str | Path, device: str = "cpu", fitting: Fitting = "first") -> Self:
        """Load what ``train_refine`` wrote: the file, or a folder with ``refine.safetensors`` and perhaps its card.

        Raises FileNotFoundError or ValueError naming the file.
        """
        return cls(path, device, fitting=fitting)

    def set_background(self, image: Picture, frame: Picture | None = None) -> Self:
        """Take the captured background, a picture of the frames' size.

        ``frame``: what it is fitted to at once, whatever ``fitting`` says; None: left to ``fitting``. Returns the
        predictor. Raises ValueError where ``image`` is no picture.
        """
        with self._turn, torch.inference_mode():
            self._background = self._tensor([image]).clone()
            if float(self._background.max()) > 1.5:
                raise ValueError("the background's floats go beyond 1; divide them by 255, or give uint8")
            self._given = _as_bytes(image)
            self.fit = None
            if frame is not None:
                self._check(frame)
                self._mend(frame)
        return self

    def predict(self, frame: Picture, out: Matte | None = None) -> Matte:
        """Matte a frame, a picture of the background's size.

        ``out``: an earlier matte of the same kind, whose memory is used again. Raises ValueError where no background
        was set, or one of another size.
        """
        found = self.predict_batch([frame])[0]
        if out is None:
            return found
        for target, value in zip(out, found, strict=True):
            target[...] = value
        return out

    @torch.inference_mode()
    def predict_batch(self, frames: Sequence[Picture]) -> list[Matte]:
        """Matte several frames of one kind and size at once, for work that has no hurry.

        With ``fitting="each"`` the background is fitted to the first of them. Raises as :meth:`predict`.
        """
        if not len(frames):
            return []
        with self._turn:
            self._check(frames[0])
            if self.fitting == "each" or (self.fitting == "first" and self.fit is None):
                self._mend(frames[0])
            assert self._background is not None
            src = self._tensor(frames)
            found = self.network(src, self._background.expand(src.shape).contiguous())
            return [_like(frame, found.pha[i], found.fgr[i]) for i, frame in enumerate(frames)]

    def composite(self, matte: Matte, backdrop: Bytes) -> Bytes:
        """Lay a matte over another background, (H, W, 3) RGB uint8, as alpha was meant: in the space of training.

        Raises ValueError where the sizes differ.
        """
        alpha, foreground = (np.asarray(_as_bytes(layer)) for layer in matte)
        alpha = alpha.reshape(foreground.shape[:2])
        if backdrop.shape != foreground.shape:
            (height, width), (rows, columns) = foreground.shape[:2], backdrop.shape[:2]
            raise ValueError(f"the matte is {width}x{height}, the backdrop {columns}x{rows}; resize the backdrop")
        fgr, bgr = bytes_to_linear(foreground), bytes_to_linear(backdrop)
        return to_bytes(to_display(composite_in(self.space, fgr, alpha.astype(np.float32) / np.float32(255), bgr)))

    @property
    def background(self) -> Bytes | None:
        """The background as it is used, fitted or not: (H, W, 3) RGB uint8."""
        return self._given if self.fit is None else self.fit.background

    def _mend(self, frame: Picture) -> None:
        assert self._given is not None
        self.fit = fit(_as_bytes(frame), self._given)
        if self.fit.background is not self._given:
            self._background = self._tensor([self.fit.background]).clone()
        elif self.fitting == "each":
            self._background = self._tensor([self._given]).clone()

    def _check(self, frame: Picture) -> None:
        if self._background is None:
            raise ValueError("no background yet; call set_background with a picture of the empty scene first")
        (height, width), (rows, columns) = _sides(frame), self._background.shape[-2:]
        if (height, width) != (rows, columns):
            raise ValueError(f"the frame is {width}x{height}, the background {columns}x{rows}; resize the background")

    def _tensor(self, images: Sequence[Picture]) -> Tensor:
        """Pictures as (B, 3, H, W) float32 in a buffer that the next call uses again."""
        shape: tuple[int, ...] = (len(images), 3, *_sides(images[0]))
        buffer = self._buffers.get(shape)
        if buffer is None:
            self._buffers.clear()  # one size at a time: another one is another clip
            buffer = self._buffers[shape] = torch.empty(shape, device=self.device)
        for place, image in zip(buffer, images, strict=True):
            if _sides(image) != shape[2:]:
                (height, width), (rows, columns) = _sides(image), _sides(images[0])
                raise ValueError(f"a frame is {width}x{height}, another {columns}x{rows}; give one size at a time")
            place.copy_(_planes(image), non_blocking=True)
            if _depth(image) == 255:
                place.div_(255)
        return buffer


def _found(path: Path) -> tuple[Path, str | None]:
    if not path.is_dir():
        return path, None
    weights = path / WEIGHTS
    if not weights.is_file():
        others = sorted(path.glob("*.safetensors"))
        if len(others) != 1:
            raise FileNotFoundError(f"{path} has no {WEIGHTS}; name the file of the weights itself")
        weights = others[0]
    card = next((path / name for name in CARDS if (path / name).is_file()), None)
    return weights, None if card is None else card.read_text(encoding="utf-8")


def _planes(image: Picture) -> Tensor:
    return image if isinstance(image, Tensor) else torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def _sides(image: Picture) -> tuple[int, int]:
    """Height and width of a picture; raises ValueError where it is none."""
    tensor = isinstance(image, Tensor)
    if image.ndim != 3 or image.shape[0 if tensor else 2] != 3 or _depth(image) == 0:
        form = "(3, H, W)" if tensor else "(H, W, 3)"
        raise ValueError(
            f"expected an RGB image {form} of uint8 or of floats from 0 to 1, got {tuple(image.shape)} of {image.dtype}"
        )
    height, width = image.shape[-2:] if tensor else image.shape[:2]
    return int(height), int(width)


def _depth(image: Picture) -> int:
    """What stands for white: 255 or 1; 0 for a type that says neither."""
    if image.dtype in (np.uint8, torch.uint8):
        return 255
    floating = image.is_floating_point() if isinstance(image, Tensor) else np.issubdtype(image.dtype, np.floating)
    return int(floating)


def _as_bytes(image: Picture) -> Bytes:
    """A picture or its alpha as (H, W[, C]) uint8 in NumPy."""
    if isinstance(image, Tensor):
        image = image.detach().permute(1, 2, 0).cpu().numpy()
    if image.dtype == np.uint8:
        return image
    return np.clip(np.rint(np.asarray(image, np.float32) * 255), 0, 255).astype(np.uint8)


def _like(frame: Picture, pha: Tensor, fgr: Tensor) -> Matte:
    """Alpha (1, H, W) and foreground (3, H, W), float32 from 0 to 1, in the frame's kind."""
    if _depth(frame) == 255:
        pha, fgr = (layer.mul(255).round().byte() for layer in (pha, fgr))
    if isinstance(frame, Tensor):
        return Matte(pha.to(frame.device), fgr.to(frame.device))
    return Matte(pha[0].cpu().numpy(), np.ascontiguousarray(fgr.permute(1, 2, 0).cpu().numpy()))
