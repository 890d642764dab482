"""The loop in front of a camera: capture the plate on a key, matte the newest frame, show what it costs."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.matting.backdrops import Backdrop
from pipelines.matting.camera import Camera, Shot
from pipelines.matting.screens import Output, Window
from pipelines.matting.work import Wanted, picture
from training.predictor import MattingPredictor
from training.realtime.finish import Finish, Finisher

Bytes = NDArray[np.uint8]
State = Literal["waiting", "countdown", "capturing", "matting"]

CAPTURE, QUIT = "b", "q"
HINT = ("Lock exposure and white balance,", "step out of the picture, press B")
AGAIN = "something moved while the plate was taken: press B again"
FONT = cv2.FONT_HERSHEY_SIMPLEX
GREY = 118
"""What outputs show while there is no plate: not the camera, before which somebody may not want to be seen."""
MOVED = 20
"""8-bit difference from the plate from which a pixel of a frame it is made of moved."""
RESTLESS = 0.01
"""Share of moved pixels from which somebody was in the picture, or the exposure still changed."""
LEAST_TEXT = 0.3
"""Scale of the font below which nobody can read it."""
RECENT = 1.0
"""Seconds over which the rate that is shown is counted."""
KEPT = 100_000
"""Latencies kept for the figures at the end: an hour's."""


@dataclass(frozen=True)
class Asked:
    """How the loop behaves."""

    countdown: float = 5.0
    """Seconds between the key and the plate."""
    frames: int = 16
    """Frames the plate is the median of."""
    at_once: bool = False
    """Whether the countdown begins without a key."""
    seconds: float | None = None
    """After how many seconds of results to end; None: when asked to, or at the camera's end."""
    finish: Finish = field(default_factory=Finish)


class Done(NamedTuple):
    """What became of a session."""

    results: int
    """Distinct frames matted."""
    plates: int
    """Plates captured."""
    rate: float
    """Results a second, while matting."""
    median: float
    """Seconds from a frame's arrival until its result was shown and handed over."""
    late: float
    """Their 95th percentile."""


class Session:
    """One camera, one window, and outputs."""

    def __init__(
        self,
        predictor: MattingPredictor,
        window: Window,
        outputs: Sequence[Output],
        backdrop: Callable[[Bytes], Backdrop],
        asked: Asked,
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a loop that has not begun.

        Args:
            predictor: is not asked for a plate where it has its background already.
            window: shows everything, and gives the keys.
            outputs: take the results alone.
            backdrop: gives what stands behind the person, of a plate.
            asked: how the loop behaves.
            say: takes what is worth a line in the terminal.
            clock: tells seconds as the camera's shots do.
        """
        self._predictor, self._window, self._outputs = predictor, window, outputs
        self._backdrop, self._asked, self._say, self._clock = backdrop, asked, say, clock
        self._wanted = Wanted("composite", finish=asked.finish)
        self._behind: Backdrop | None = None
        self.state: State = "waiting"
        self._until = 0.0
        self._doubtful = False
        self._frames: list[Bytes] = []
        self._results = self._plates = 0
        self._spent = 0.0
        self._first: float | None = None
        self._since: float | None = None
        self._before: float | None = None
        self._late: deque[float] = deque(maxlen=KEPT)
        self._recent: deque[float] = deque()

    def run(self, camera: Camera, stop: Callable[[], bool] = lambda: False) -> Done:
        """Go on until a key, ``stop``, the asked time or the camera's end."""
        if self._predictor.background is not None:
            self._ready(self._predictor.background)
        elif self._asked.at_once:
            self._count_down()
        while not stop() and (shot := camera.take()) is not None:
            started = self._clock()
            was = self.state
            key = self._window.show(self._matted(shot) if was == "matting" else self._prepared(shot))
            if was == "matting":
                self._count(shot, started)
            if key == QUIT or (self._asked.seconds is not None and self._spent >= self._asked.seconds):
                break
            if key == CAPTURE:
                self._count_down()
        late = np.array(self._late) if self._late else np.zeros(1)
        rate = self._results / self._spent if self._spent else 0.0
        return Done(self._results, self._plates, rate, float(np.median(late)), float(np.percentile(late, 95)))

    def _count_down(self) -> None:
        self.state, self._until = "countdown", self._clock() + self._asked.countdown
        self._frames = []
        wait = f"{self._asked.countdown:g} s"
        self._say(f"The plate is taken in {wait}: lock exposure and white balance, step out of the picture")

    def _ready(self, plate: Bytes) -> None:
        self._behind, self.state = self._backdrop(plate), "matting"
        self._finisher = Finisher(self._asked.finish)  # nothing is smoothed over from before
        self._before = self._since = None
        self._recent.clear()

    def _matted(self, shot: Shot) -> Bytes:
        assert self._behind is not None
        self._first = shot.when if self._first is None else self._first
        self._since = shot.when if self._since is None else self._since
        seconds = shot.when - self._first
        scene = partial(self._behind, shot.when - self._since)
        result = np.asarray(picture(shot.image, self._predictor, self._finisher, self._wanted, scene), np.uint8)
        for output in self._outputs:
            output.send(result, seconds)
        now = self._clock()
        while self._recent and now - self._recent[0] > RECENT:
            self._recent.popleft()
        late = self._late[-1] if self._late else now - shot.when
        figures = f"{len(self._recent) / RECENT:.0f} a second, {1000 * late:.0f} ms late"
        return noted(result, [AGAIN, figures] if self._doubtful else [figures], low=True)

    def _count(self, shot: Shot, started: float) -> None:
        now = self._clock()
        self._results += 1
        self._late.append(now - shot.when)
        self._recent.append(now)
        self._spent += now - (started if self._before is None else self._before)
        self._before = now

    def _prepared(self, shot: Shot) -> Bytes:
        """What is shown of a frame while there is no plate."""
        for output in self._outputs:
            output.cover(np.full_like(shot.image, GREY))
        if self.state == "waiting":
            return noted(shot.image, HINT)
        left = self._until - self._clock()
        if self.state == "countdown" and left > 0:
            return counted(noted(shot.image, (HINT[0], "step out of the picture")), int(np.ceil(left)))
        self.state = "capturing"
        self._frames.append(shot.image)
        if len(self._frames) >= self._asked.frames:
            self._capture()
        return noted(shot.image, ["stay out of the picture"])

    def _capture(self) -> None:
        plate, restless = median_plate(self._frames)
        self._frames = []
        self._predictor.set_background(plate)
        self._plates += 1
        self._say(f"plate {self._plates}: median of {self._asked.frames} frames")
        self._doubtful = restless > RESTLESS
        if self._doubtful:
            self._say(
                f"{restless:.1%} of the picture moved or changed meanwhile: somebody was in it, or the exposure is not "
                "locked; press B again"
            )
        self._ready(plate)


def median_plate(frames: Sequence[Bytes]) -> tuple[Bytes, float]:
    """The median of frames (H, W, 3) of an empty scene, and the largest share of one that is far from it."""
    plate = np.asarray(np.median(np.stack(frames), axis=0), np.uint8)
    moved = [(cv2.absdiff(frame, plate).max(axis=2) >= MOVED).mean() for frame in frames]
    return plate, float(max(moved))


def noted(image: Bytes, lines: Sequence[str], low: bool = False) -> Bytes:
    """A copy of a picture with lines of text at its top, or at its bottom where ``low``."""
    shown = image.copy()
    size = max(LEAST_TEXT, image.shape[0] / 480 * (0.5 if low else 0.9))
    step = max(8, round(34 * size))
    top = image.shape[0] - step * len(lines) - step // 2 if low else step // 2
    for number, line in enumerate(lines):
        place = (step // 2, top + (number + 1) * step - step // 4)
        for colour, thick in (((0, 0, 0), 4.0), ((255, 255, 255), 1.5)):
            cv2.putText(shown, line, place, FONT, size, colour, max(1, round(thick * size)), cv2.LINE_AA)
    return shown


def counted(image: Bytes, number: int) -> Bytes:
    """A picture, written into, with a number that can be read from across the room."""
    height, width = image.shape[:2]
    size = height / 100
    (wide, high), _ = cv2.getTextSize(str(number), FONT, size, 1)
    place = ((width - wide) // 2, (height + high) // 2)
    for colour, thick in (((0, 0, 0), 8.0), ((255, 255, 255), 3.0)):
        cv2.putText(image, str(number), place, FONT, size, colour, max(1, round(thick * size)), cv2.LINE_AA)
    return image
