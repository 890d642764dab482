"""``difference`` as a method: the colour difference of source and captured background and nothing else.

No alignment, no tone, nothing learned or tuned: what the probes are there to unmask.
"""

from collections.abc import Sequence

import numpy as np

from compositing.shards.reader import Sample
from training.evaluation.baseline import distance, response
from training.evaluation.methods import Prediction, colour

LOW, HIGH = 16, 48
"""8-bit colour distances at which alpha leaves 0 and reaches 1: noise and JPEG stay below, most clothes are above."""


class PlainDifference:
    """A ramp on the Euclidean distance of colours; its foreground is the source."""

    name = "difference"

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Matte samples, in their order."""
        ramp = response(LOW, HIGH)
        return [
            Prediction(
                np.asarray(ramp[distance(sample.src, sample.bgr, "rgb", 0)], np.float32),
                colour(sample.src),
            )
            for sample in samples
        ]
