import math

import pytest
import torch

from training import export
from training.export.inputs import Pair
from training.network import RefineOutput


def output(pha: float, chosen: list[int], err: float = 0.5) -> RefineOutput:
    """A frame of 8 x 8 pixels, four patches."""
    ref = torch.zeros(1, 1, 2, 2)
    ref.view(-1)[chosen] = 1
    frame = torch.full((1, 1, 8, 8), 0.25)
    for patch in chosen:
        row, column = divmod(patch, 2)
        frame[..., 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = pha
    errors = torch.tensor([[err, 0.5], [0.5, 0.9]])[None, None].repeat_interleave(2, 2).repeat_interleave(2, 3)
    return RefineOutput(frame, frame.expand(1, 3, 8, 8), frame, frame.expand(1, 3, 8, 8), errors, ref)


def test_a_patch_chosen_between_equals_is_no_difference():
    found = export.difference(output(1.0, [3, 0]), output(1.0, [3, 1]))
    assert found.pha_max == found.fgr_max == 0
    assert found.other_patches == 0.5  # one more, one less, of four


def test_a_patch_chosen_against_its_error_is_a_difference():
    found = export.difference(output(1.0, [3, 0]), output(1.0, [3, 1], err=0.1))
    assert found.pha_max == found.fgr_max == 0.75
    assert found.other_patches == 0.25  # the other patch had the error of the last one chosen


def test_differences_outside_tied_patches_count():
    found = export.difference(output(0.75, [3, 0]), output(1.0, [3, 1]))
    assert found.pha_max == 0.25
    assert found.pha_mean == pytest.approx(0.125)  # one of the two patches that count


def test_a_mean_above_the_bound_is_refused_with_its_key():
    found = export.Difference(0.002, 0.5, 0.0005, 0.5, 0.0)
    export.check_difference("refine.onnx", found, 0.002, "fp16", "raise it")
    with pytest.raises(export.ExportError, match=r"refine\.onnx differs.*tolerance\.fp16 = 0\.001; raise it"):
        export.check_difference("refine.onnx", found, 0.001, "fp16", "raise it")


def test_nan_is_refused():
    with pytest.raises(export.ExportError):
        export.check_difference("x", export.Difference(math.nan, 0, 0, 0, 0), 1.0, "float32", "")


def answer(value: float) -> RefineOutput:
    alpha, colour, cells = torch.full((1, 1, 8, 8), value), torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 2, 2)
    return RefineOutput(alpha, colour, alpha, colour, alpha, cells)


def pair(name: str, truth: float | None) -> Pair:
    picture = torch.full((1, 3, 8, 8), 0.0 if truth is None else truth)
    return Pair(name, picture, picture, None if truth is None else torch.full((1, 1, 8, 8), truth))


def test_measured_is_what_it_costs_against_truth_and_the_worst_against_pytorch():
    found = export.measure(
        lambda src, bgr: answer(src.mean().item() + 0.1),  # type: ignore[arg-type]
        lambda src, bgr: answer(2 * src.mean().item()),
        [pair("a", 0.2), pair("b", 0.3)],
    )
    assert found.inputs == 2
    assert found.mad_pytorch == pytest.approx(100, abs=1e-3)
    assert found.mad == pytest.approx(250, abs=1e-3)
    assert found.difference.pha_mean == pytest.approx(0.2, abs=1e-6)


def test_measuring_needs_composites():
    network = lambda src, bgr: answer(0.5)  # noqa: E731
    with pytest.raises(ValueError, match="'noise' has no true alpha"):
        export.measure(network, network, [pair("noise", None)])
    with pytest.raises(ValueError, match=r"plan\.test\.count"):
        export.measure(network, network, [])
