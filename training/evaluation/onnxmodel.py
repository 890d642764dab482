"""Any matting model in an ONNX file as a method.

Three kinds are told by their inputs: source and captured background (two pictures, or one of six channels), a picture
alone, and Robust Video Matting's recurrent model, whose states start empty at every sample. Pictures are (1, C, H, W),
float, 0 to 1. The first output with one channel is alpha, the first with three the foreground, where there is one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.shards.reader import Sample
from curation.onnxfile import open_onnx, run_onnx
from training.evaluation.methods import Floats, Prediction, colour

MULTIPLE = 4
"""Pictures are padded to a multiple of this where the model leaves their size open."""
BACKGROUND_NAMES = ("bgr", "bg", "background", "back", "plate")
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxMethod:
    """A model in an ONNX file, run on one thread of the CPU."""

    def __init__(self, name: str, path: Path) -> None:
        """Raise FileNotFoundError, or ValueError listing the inputs that were found."""
        if not path.is_file():
            raise FileNotFoundError(f"method '{name}': {path} is missing; give the path of an ONNX file")
        self.name = name
        try:
            self._session = open_onnx(path)
        except ValueError as error:
            raise ValueError(f"method '{name}': {error}") from error
        inputs = self._session.get_inputs()
        self._types = {each.name: FLOATS.get(each.type) for each in inputs}
        self._layers = _layers(name, path, inputs)
        self._ratio = [each.name for each in inputs if "ratio" in each.name]
        self._states = [each.name for each in inputs if each.name not in self._layers and each.name not in self._ratio]
        first = next(each for each in inputs if each.name in self._layers)
        height, width = first.shape[2:]
        self._size = (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Run the samples one by one. Raises ValueError where no output is an alpha."""
        return [self._one(sample) for sample in samples]

    def _one(self, sample: Sample) -> Prediction:
        height, width = sample.src.shape[:2]
        pictures = {"src": self._fitted(sample.src), "bgr": self._fitted(sample.bgr)}
        given: dict[str, NDArray[Any]] = {
            name: np.concatenate([pictures[layer] for layer in layers])[None].astype(self._types[name])
            for name, layers in self._layers.items()
        }
        given |= {name: np.ones(1, np.float32) for name in self._ratio}
        given |= {name: np.zeros((1, 1, 1, 1), self._types[name]) for name in self._states}
        alpha = foreground = None
        try:
            answers = run_onnx(self._session, given)
        except ValueError as error:
            raise ValueError(f"method '{self.name}': {error}") from error
        for found in answers:
            if found.ndim != 4 or found.shape[2:] != pictures["src"].shape[1:]:
                continue
            if found.shape[1] == 1 and alpha is None:
                alpha = self._restored(found[0], height, width)[0]
            elif found.shape[1] == 3 and foreground is None:
                foreground = self._restored(found[0], height, width)
        if alpha is None:
            names = ", ".join(f"{each.name} {each.shape}" for each in self._session.get_outputs())
            raise ValueError(f"method '{self.name}': no output is alpha of the picture's size, (1, 1, H, W): {names}")
        return Prediction(alpha, colour(sample.src) if foreground is None else foreground)

    def _fitted(self, image: NDArray[np.uint8]) -> Floats:
        if self._size is not None:
            size = (self._size[1], self._size[0])
            return colour(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))
        height, width = image.shape[:2]
        padded = np.pad(image, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="edge")
        return colour(padded)

    def _restored(self, layer: NDArray[Any], height: int, width: int) -> Floats:
        layer = np.clip(layer.astype(np.float32), 0, 1)
        if self._size is None:
            return layer[:, :height, :width]
        return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in layer])


def _layers(name: str, path: Path, inputs: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """Which layers each picture input takes."""
    pictures = [each for each in inputs if each.type in FLOATS and len(each.shape) == 4 and each.shape[1] in (3, 6)]
    open_shape = [each for each in inputs if each not in pictures and len(each.shape) == 4 and each.name in ("src",)]
    pictures = open_shape + pictures
    others = [each for each in inputs if each not in pictures]
    recurrent = all("ratio" in each.name or (each.name.startswith("r") and each.name.endswith("i")) for each in others)
    if recurrent and len(pictures) == 1:
        return {pictures[0].name: ("src", "bgr") if pictures[0].shape[1] == 6 else ("src",)}
    if len(pictures) == 2 and not others and all(each.shape[1] == 3 for each in pictures):
        # By name where it says so, else in the order of the published model.
        swapped = pictures[0].name.lower() in BACKGROUND_NAMES
        source, background = reversed(pictures) if swapped else pictures
        return {source.name: ("src",), background.name: ("bgr",)}
    found = ", ".join(f"{each.name} {each.shape} {each.type}" for each in inputs)
    raise ValueError(
        f"method '{name}': {path} takes {found}; expected src and bgr (1, 3, H, W), one input of 3 or 6 channels, or "
        "Robust Video Matting's src, r1i to r4i and downsample_ratio, all floats"
    )
