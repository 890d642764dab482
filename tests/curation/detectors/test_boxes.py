"""What any detector's boxes go through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.detectors import Detections, arrange, suppress

boxes_of = arrays(np.float64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-0.5, 1.5, width=32))


@given(boxes_of, st.data())
def test_boxes_lie_in_the_image_and_scores_fall(boxes: np.ndarray, data: st.DataObject) -> None:
    scores = np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(boxes), max_size=len(boxes))))
    found = arrange(boxes, scores)
    assert found.boxes.min(initial=0) >= 0 and (found.boxes[:, :2] + found.boxes[:, 2:]).max(initial=0) <= 1 + 1e-6
    assert np.all(found.boxes[:, 2:] > 0) and np.all(np.diff(found.scores) <= 0)
    again = arrange(boxes[::-1], scores[::-1])
    assert np.array_equal(found.boxes, again.boxes) and np.array_equal(found.scores, again.scores)


def test_suppression_keeps_the_best_of_each_person() -> None:
    boxes = np.array([[0.1, 0.1, 0.3, 0.6], [0.12, 0.1, 0.3, 0.6], [0.1, 0.1, 0.3, 0.3], [0.6, 0.1, 0.3, 0.6]])
    found = Detections(boxes.astype(np.float32), np.array([0.9, 0.8, 0.7, 0.6], np.float32))
    assert suppress(found, iou=0.5).scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert suppress(found, iou=0.5, inside=0.8).scores.tolist() == pytest.approx([0.9, 0.6])
