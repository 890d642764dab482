"""``cleanplate matte webcam``: opens camera, window and outputs, and hands them to the loop."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.matting import backdrops
from pipelines.matting.camera import Camera, Shot, open_camera
from pipelines.matting.live import Asked, Session
from pipelines.matting.screens import NoWindow, Output, Window, open_file, open_virtual, open_window
from training.devices.interrupt import Interrupt
from training.predictor import MattingPredictor

Bytes = NDArray[np.uint8]


class Begun:
    """A camera whose first frame was looked at already."""

    def __init__(self, first: Shot, camera: Camera) -> None:
        self._first: Shot | None = first
        self._camera = camera

    def take(self) -> Shot | None:
        """The newest frame, each at most once."""
        first, self._first = self._first, None
        return first or self._camera.take()


def run(
    name: str,
    size: tuple[int, int] | None,
    predictor: MattingPredictor,
    fit: Callable[[Bytes], None],
    over: str,
    asked: Asked,
    window: bool,
    virtual: bool,
    out: Path | None,
    say: Callable[[str], None],
) -> bool:
    """Matte a camera until it ends or somebody ends it; whether that was by a signal.

    ``fit`` is given the first frame and may set the background; ``over`` is what stands behind the person, see
    :func:`pipelines.matting.backdrops.choose`. Raises ValueError or OSError where something cannot be opened.
    """
    with ExitStack() as open_, Interrupt() as stop:
        # The window first: without one there is no need to switch a camera on.
        shown: Window = open_.enter_context(open_window()) if window else NoWindow()
        camera = open_.enter_context(open_camera(name, size))
        first = camera.take()
        if first is None:
            raise ValueError(f"--camera {name} gave no frame; give another number, a file or a URL")
        height, width = first.image.shape[:2]
        say(f"camera {name}: {width}x{height}; network: {predictor.words}")
        outputs: list[Output] = []
        if virtual:
            device, called = open_.enter_context(open_virtual(height, width))
            outputs.append(device)
            say(f"virtual camera: {called}")
        fit(first.image)
        if out is not None:
            outputs.append(open_.enter_context(open_file(out)))

        def backdrop(plate: Bytes) -> backdrops.Backdrop:
            return backdrops.choose(over, lambda: plate, height, width)

        session = Session(predictor, shown, outputs, backdrop, asked, say)
        done = session.run(Begun(first, camera), lambda: stop.asked)
        stopped = stop.asked
    say(
        f"{done.results:,} results, {done.rate:.1f} a second, {1000 * done.median:.0f} ms late, 95 % within "
        f"{1000 * done.late:.0f} ms"
    )
    if out is not None:
        say(f"{out}: {done.results:,} frames" if done.results else f"{out}: no frame, for there was no plate")
    return stopped
