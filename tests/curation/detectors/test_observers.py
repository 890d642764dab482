from collections.abc import Sequence

import numpy as np
import pytest

from curation.detectors import Detections
from curation.detectors.calibration import Calibration, Logistic
from curation.detectors.fusion import Fused, figures
from curation.detectors.observers import AnyOf, Confirmed, Member, agreements
from curation.images import Rgb

IMAGE = np.zeros((100, 100, 3), np.uint8)
HERE, THERE = (0.1, 0.1, 0.2, 0.4), (0.6, 0.1, 0.2, 0.4)


def found(*rows: tuple[float, ...]) -> Detections:
    """Boxes with the score last, best first."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4])


class Fixed:
    """Says the same of every image, and counts the cuts it was shown."""

    def __init__(self, name: str, *rows: tuple[float, ...]) -> None:
        self.name, self.rows, self.shown = name, rows, 0

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        self.shown += len(images)
        return [found(*self.rows) for _ in images]


def member(*rows: tuple[float, ...], name: str = "m") -> Member:
    return Member(Fixed(name, *rows), ("whole",))


def test_any_takes_the_best_of_each_and_remembers_who_said_what() -> None:
    one, two = member((*HERE, 0.4), name="one"), member((*THERE, 0.8), (*HERE, 0.3), name="two")
    (answer,) = AnyOf([one, two], 0.35).observe([IMAGE])
    assert answer.found.scores.tolist() == pytest.approx([0.8, 0.4])
    assert [(seen.detector, float(seen.found.scores[0])) for seen in answer.seen] == [
        ("one", pytest.approx(0.4)), ("two", pytest.approx(0.8)),
    ]  # fmt: skip
    assert AnyOf([one, two], 0.35).name == "any(one+two)"


def test_one_detector_is_just_itself() -> None:
    (answer,) = AnyOf([member((*HERE, 0.4))], 0.3).observe([IMAGE])
    assert (answer.look, answer.ceiling, answer.seen) == ("whole", 1.0, ())


def test_confirmation_is_asked_only_where_somebody_was_proposed() -> None:
    none, sure = member(), member((*HERE, 0.9))
    (answer,) = Confirmed(none, sure, 0.2).observe([IMAGE])
    assert not len(answer.found.scores) and answer.look == "whole"
    assert isinstance(sure.detector, Fixed) and sure.detector.shown == 0


def test_only_whom_both_see_is_a_person() -> None:
    first = member((*HERE, 0.81), (*THERE, 0.9))
    (answer,) = Confirmed(first, member((*HERE, 0.25)), 0.2).observe([IMAGE])
    assert answer.found.scores.tolist() == pytest.approx([0.45])
    assert answer.found.boxes[0].tolist() == pytest.approx(HERE)
    assert answer.look == "whole+confirmation"


def test_agreement_counts_boxes_of_the_same_person_only() -> None:
    one = found((*HERE, 0.81), (*THERE, 0.36))
    assert agreements(one, found((0.11, 0.1, 0.2, 0.4, 0.25))).max() == pytest.approx(0.45)
    assert agreements(one, found((0.4, 0.1, 0.1, 0.4, 0.9), (*THERE, 0.16))).max() == pytest.approx(0.24)
    assert figures(one, found()) == (pytest.approx(0.81), 0, 0)


SUM = Logistic(coefficients=(1.0, 1.0, 1.0), intercept=0.0)
KNOWN = Calibration(detectors=("one", "two"), whole=SUM, tiled=SUM, enough=0.97, threshold=0.4, images=0, with_people=0)


def fused(first: Fixed, second: Fixed) -> Fused:
    return Fused(first, second, KNOWN, 0.05)


def test_fusion_looks_at_tiles_only_where_the_whole_does_not_settle_it() -> None:
    first, second = Fixed("one", (*HERE, 0.9)), Fixed("two", (*HERE, 0.9))
    (settled,) = fused(first, second).observe([IMAGE])
    assert settled.found.scores[0] == pytest.approx(1 / (1 + (1 / 9) ** 3), abs=1e-6)
    assert (settled.look, settled.ceiling, second.shown) == ("whole", 0.97, 1)
    second = Fixed("two", (*HERE, 0.5))
    (open_,) = fused(first, second).observe([IMAGE])
    assert (open_.look, open_.ceiling, second.shown) == ("whole+tiles2x2", 1.0, 5)
    assert [seen.look for seen in open_.seen] == ["whole", "whole", "tiles2x2"]


def test_fusion_trusts_two_that_agree_more_than_two_that_do_not() -> None:
    (agreed,) = fused(Fixed("one", (*HERE, 0.6)), Fixed("two", (*HERE, 0.6))).observe([IMAGE])
    (apart,) = fused(Fixed("one", (*HERE, 0.6)), Fixed("two", (*THERE, 0.6))).observe([IMAGE])
    (nobody,) = fused(Fixed("one"), Fixed("two")).observe([IMAGE])
    assert agreed.found.scores[0] > 0.7
    assert not len(apart.found.scores) and not len(nobody.found.scores)


def test_an_image_among_others_is_judged_as_alone() -> None:
    class ByBrightness(Fixed):
        def detect(self, images: Sequence[Rgb]) -> list[Detections]:
            return [found((*HERE, float(image.mean()) / 255)) for image in images]

    observer = fused(ByBrightness("one"), ByBrightness("two"))
    images = [np.full((50, 50, 3), level, np.uint8) for level in (240, 90, 200, 30)]
    for image, together in zip(images, observer.observe(images), strict=True):
        (alone,) = observer.observe([image])
        assert np.array_equal(alone.found.scores, together.found.scores) and alone.look == together.look
