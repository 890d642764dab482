"""A trained network in front of pictures: give the background once, then frame after frame."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.network import RefineNetwork
from training.network.inference import for_inference
from training.network.weights import PUBLISHED_SPACE, load_refine, load_space
from training.realtime.over import over
from training.realtime.pictures import Picture, as_bytes, bytes_like, copied, depth, like, planes, sides
from training.realtime.plate import Fit, fit
from training.realtime.precision import Precision, best_precision, type_of
from training.realtime.runtime import Runtime

Bytes = NDArray[np.uint8]
Fitting = Literal["first", "each", "never"]
Backend = Literal["auto", "pytorch", "runtime"]
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
        backend: Backend = "auto",
        precision: Precision | None = None,
    ) -> None:
        """Make the network ready.

        Args:
            weights: a network, or what :meth:`from_pretrained` takes.
            device: where it runs.
            space: what alpha mixed in training, ``linear`` light or ``display`` values; files say it themselves.
            fitting: the background is aligned and toned to the ``first`` frame after it was set, to ``each`` frame
                (a camera in the hand, exposure that drifts), or ``never``. A background that does not belong to the
                frame is left as it is: see :attr:`fit`.
            backend: ``pytorch`` runs the network as it is; ``runtime`` frames of bytes on a CPU by
                :class:`training.realtime.runtime.Runtime`, several times as fast and within the bounds of
                docs/realtime.md; ``auto`` the runtime where it is known to be the faster one: on a CPU, for bytes,
                with a fixed number of patches (mode ``sampling``).
            precision: what the runtime computes in; None for what suits the processor and keeps the bounds of
                docs/realtime.md. ``int8`` is the fastest, and coarser. PyTorch's is float32.

        Raises:
            FileNotFoundError: no weights there.
            ValueError: they are not of a refine network, an unknown ``fitting``, ``backend`` or ``precision``, one
                that this processor is not made for, or a runtime that would not be on a CPU.
        """
        for name, value, known in (("fitting", fitting, Fitting), ("backend", backend, Backend)):
            if value not in get_args(known):
                raise ValueError(f"{name}: {value!r} is none of {', '.join(get_args(known))}")
        on_cpu = torch.device(device).type == "cpu"
        if precision is not None:
            type_of(precision)
        if backend == "runtime" and not on_cpu:
            raise ValueError(f"backend 'runtime' is for the CPU, not {device}; take 'auto' or 'pytorch', or device cpu")
        self.card: str | None = None
        """The text of the model card beside the weights, where there is one."""
        if isinstance(weights, str | Path):
            path, self.card = _found(Path(weights))
            weights, space = load_refine(path), load_space(path)
        self.space = space
        self.network = for_inference(weights).to(device)
        self.device = device
        self.fitting = fitting
        by_itself: Backend = "runtime" if on_cpu and weights.refiner.mode == "sampling" else "pytorch"
        self.backend: Backend = by_itself if backend == "auto" else backend
        """What frames of bytes are matted by: ``pytorch`` or ``runtime``."""
        self.precision: Precision = precision or best_precision()
        """What the runtime computes in."""
        self.fit: Fit | None = None
        """How far the background was off the frame it was last fitted to; None before that."""
        self._strict = backend == "runtime"
        self._given: Bytes | None = None
        self._floats: Tensor | None = None
        self._background: Tensor | None = None
        self._buffers: dict[tuple[int, ...], Tensor] = {}
        self._runtime: Runtime | None = None
        self._told = False
        self._turn = threading.RLock()

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        device: str = "cpu",
        fitting: Fitting = "first",
        backend: Backend = "auto",
        precision: Precision | None = None,
    ) -> Self:
        """Load what ``train_refine`` wrote: the file, or a folder with ``refine.safetensors`` and perhaps its card.

        Raises FileNotFoundError or ValueError naming the file.
        """
        return cls(path, device, fitting=fitting, backend=backend, precision=precision)

    def set_background(self, image: Picture, frame: Picture | None = None) -> Self:
        """Take the captured background, a picture of the frames' size.

        ``frame``: what it is fitted to at once, whatever ``fitting`` says; None: left to ``fitting``. Returns the
        predictor. Raises ValueError where ``image`` is no picture.
        """
        with self._turn, torch.inference_mode():
            sides(image)
            if float(image.max()) > 1.5 and depth(image) == 1:
                raise ValueError("the background's floats go beyond 1; divide them by 255, or give uint8")
            # Copied: a camera writes its next frame where this one is.
            self._given = np.array(as_bytes(image))
            self._floats = self._tensor([image])[0].clone() if depth(image) == 1 else None
            self.fit = None
            self._renewed()
            if frame is not None:
                self._check(frame)
                self._mend(frame)
        return self

    @torch.inference_mode()
    def predict(self, frame: Picture, out: Matte | None = None) -> Matte:
        """Matte a frame, a picture of the background's size.

        ``out``: an earlier matte of the same kind, whose memory is used again. Raises ValueError where no background
        was set, or one of another size.
        """
        with self._turn:
            self._prepare([frame])
            own = self._takes([frame])
            found = self._own(frame) if own else self._plainly([frame])[0]
            if out is None:
                return Matte(*map(copied, found)) if own else found
            for target, value in zip(out, found, strict=True):
                target[...] = value
            return out

    @torch.inference_mode()
    def predict_batch(self, frames: Sequence[Picture]) -> list[Matte]:
        """Matte several frames of one kind and size, for work that has no hurry: on a GPU at once.

        With ``fitting="each"`` the background is fitted to the first of them. Raises as :meth:`predict`.
        """
        if not len(frames):
            return []
        with self._turn:
            for frame in frames:
                if sides(frame) != sides(frames[0]):
                    (height, width), (rows, columns) = sides(frame), sides(frames[0])
                    raise ValueError(f"a frame is {width}x{height}, another {columns}x{rows}; give one size at a time")
            self._prepare(frames)
            if self._takes(frames):
                return [Matte(*map(copied, self._own(frame))) for frame in frames]
            return self._plainly(frames)

    def composite(self, matte: Matte, backdrop: Bytes) -> Bytes:
        """Lay a matte over another background, (H, W, 3) RGB uint8, as alpha was meant: in the space of training.

        Raises ValueError where the sizes differ.
        """
        alpha, foreground = (np.asarray(as_bytes(layer)) for layer in matte)
        alpha = alpha.reshape(foreground.shape[:2])
        if backdrop.shape != foreground.shape:
            (height, width), (rows, columns) = foreground.shape[:2], backdrop.shape[:2]
            raise ValueError(f"the matte is {width}x{height}, the backdrop {columns}x{rows}; resize the backdrop")
        return over(self.space, alpha, foreground, backdrop)

    @property
    def words(self) -> str:
        """What frames of bytes are matted by, for whoever compares results."""
        return f"runtime, {self.precision}" if self.backend == "runtime" else f"pytorch on {self.device}"

    @property
    def background(self) -> Bytes | None:
        """The background as it is used, fitted or not: (H, W, 3) RGB uint8."""
        return self._given if self.fit is None else self.fit.background

    def _renewed(self) -> None:
        self._background, self._told = None, False

    def _mend(self, frame: Picture) -> None:
        assert self._given is not None
        self.fit = fit(as_bytes(frame), self._given)
        self._renewed()

    def _prepare(self, frames: Sequence[Picture]) -> None:
        self._check(frames[0])
        if self.fitting == "each" or (self.fitting == "first" and self.fit is None):
            self._mend(frames[0])

    def _takes(self, frames: Sequence[Picture]) -> bool:
        """Whether the runtime mattes these; raises ValueError where it was asked for and cannot."""
        if all(depth(frame) == 255 for frame in frames):
            return self.backend == "runtime"
        if self._strict:
            raise ValueError(
                f"backend 'runtime' takes frames of uint8, not of {frames[0].dtype}; give bytes, or take backend 'auto'"
            )
        return False

    def _own(self, frame: Picture) -> Matte:
        """A frame's matte in the runtime's memory, which its next frame overwrites."""
        size, plate = sides(frame), self.background
        assert plate is not None
        if self._runtime is None or (self._runtime.height, self._runtime.width) != size:
            self._runtime = Runtime(self.network, *size, self.precision, torch.get_num_threads())
            self._told = False
        if not self._told:
            self._runtime.set_background(plate)
            self._told = True
        found = self._runtime(as_bytes(frame))
        return Matte(*bytes_like(frame, found.alpha, found.foreground))

    def _plainly(self, frames: Sequence[Picture]) -> list[Matte]:
        if self._background is None:
            plate = self.background
            assert plate is not None
            as_given = plate is self._given and self._floats is not None
            self._background = self._floats[None] if as_given else self._tensor([plate]).clone()  # type: ignore[index]
        src = self._tensor(frames)
        found = self.network(src, self._background.expand(src.shape).contiguous())
        return [Matte(*like(frame, found.pha[i], found.fgr[i])) for i, frame in enumerate(frames)]

    def _check(self, frame: Picture) -> None:
        if self._given is None:
            raise ValueError("no background yet; call set_background with a picture of the empty scene first")
        (height, width), (rows, columns) = sides(frame), self._given.shape[:2]
        if (height, width) != (rows, columns):
            raise ValueError(f"the frame is {width}x{height}, the background {columns}x{rows}; resize the background")

    def _tensor(self, images: Sequence[Picture]) -> Tensor:
        """Pictures as (B, 3, H, W) float32 in a buffer that the next call uses again."""
        shape: tuple[int, ...] = (len(images), 3, *sides(images[0]))
        buffer = self._buffers.get(shape)
        if buffer is None:
            self._buffers.clear()  # one size at a time: another one is another clip
            buffer = self._buffers[shape] = torch.empty(shape, device=self.device)
        for place, image in zip(buffer, images, strict=True):
            place.copy_(planes(image), non_blocking=True)
            if depth(image) == 255:
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
