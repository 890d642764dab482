import numpy as np
import pytest

from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_display
from curation.identity import rng
from training.realtime.over import over

DRAWS = rng(2, "over")
ALPHA = DRAWS.integers(0, 256, (90, 70)).astype(np.uint8)
FGR, BGR = DRAWS.integers(0, 256, (2, 90, 70, 3)).astype(np.uint8)
DARK = (FGR // 16, BGR // 32)
"""Where a step of 8 bits is the smallest step of light."""


@pytest.mark.parametrize("space", ["linear", "display"])
@pytest.mark.parametrize(("fgr", "bgr"), [(FGR, BGR), DARK])
def test_gives_the_nearest_byte(space, fgr, bgr):
    light = composite_in(space, bytes_to_linear(fgr), ALPHA.astype(np.float32) / np.float32(255), bytes_to_linear(bgr))
    found = over(space, ALPHA, fgr, bgr)
    assert np.abs(found - 255 * to_display(light)).max() <= 0.505
    assert found.std() > 0.5


@pytest.mark.parametrize("space", ["linear", "display"])
def test_all_and_nothing_are_kept_as_they_are(space):
    for level, layer in ((255, FGR), (0, BGR)):
        assert np.array_equal(over(space, np.full_like(ALPHA, level), FGR, BGR), layer)
    for level in (1, 128, 254):  # over itself a picture stays itself
        assert np.array_equal(over(space, np.full_like(ALPHA, level), FGR, FGR), FGR)


def test_takes_slices_and_refuses_another_space():
    turned = over("linear", ALPHA[::2, ::2], FGR[::2, ::2], BGR[::2, ::2])
    assert np.array_equal(turned, over("linear", ALPHA, FGR, BGR)[::2, ::2])
    with pytest.raises(ValueError, match="'log'"):
        over("log", ALPHA, FGR, BGR)
