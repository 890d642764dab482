"""``classical`` as a method: the best of the classical rivals, tuned on ``valid`` for each strength."""

from collections.abc import Sequence

from compositing.shards.reader import Sample
from training.evaluation import baseline
from training.evaluation.methods import Prediction, Remembered, colour
from training.evaluation.tuning import Classical

UNKNOWN_STRENGTH = "mild"
"""Whose settings a sample has that was not rendered here: a camera that stood still, and was not nailed down."""


class ClassicalMethod:
    """The frozen baseline (``training.evaluation.baseline``); its foreground is the source itself."""

    name = "classical"

    def __init__(self, classical: Classical) -> None:
        """What it said of the last samples is kept, for the methods that go on from there."""
        self._classical = classical
        self._answers = Remembered(lambda samples: [self._one(sample) for sample in samples])

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """The matte with the settings of each sample's strength."""
        return self._answers(samples)

    def _one(self, sample: Sample) -> Prediction:
        tuned = settings(self._classical, sample)
        alpha = baseline.matte(sample.src, sample.bgr, tuned, self._classical.mean)
        return Prediction(alpha, colour(sample.src))


def settings(classical: Classical, sample: Sample) -> baseline.Tuned:
    """The settings for a sample: its strength's, or those of ``mild`` where it has none that was tuned."""
    known = classical.tuned
    strength = str(sample.recipe.get("strength"))
    if strength not in known:
        strength = UNKNOWN_STRENGTH if UNKNOWN_STRENGTH in known else next(iter(known))
    return known[strength]
