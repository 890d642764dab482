import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositing.mattes.levels import clean_levels, luma_to_alpha

EVERY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_limited_range_is_rescaled_exactly():
    alpha = luma_to_alpha(EVERY).ravel()
    expected = [min(255, max(0, int(np.floor((luma - 16) * 255 / 219 + 0.5)))) for luma in range(256)]
    assert alpha.tolist() == expected
    assert (alpha[16], alpha[235], alpha[0], alpha[255]) == (0, 255, 0, 255)


def test_ten_bits_have_their_own_black_and_white():
    luma = np.array([[0, 64, 502, 940, 1023]], np.uint16)
    assert luma_to_alpha(luma, bits=10).tolist() == [[0, 0, 128, 255, 255]]


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (16, 65535)])
def test_full_range_is_only_brought_to_eight_bits(bits, top):
    luma = np.array([[0, top]], np.uint16)
    assert luma_to_alpha(luma, bits, full_range=True).tolist() == [[0, 255]]


def test_eight_bit_full_range_is_unchanged():
    assert np.array_equal(luma_to_alpha(EVERY, full_range=True), EVERY)


@given(st.floats(0, 0.4), st.floats(0.6, 1))
def test_ends_are_clamped_and_the_middle_is_untouched(black, white):
    cleaned = clean_levels(EVERY, black, white).ravel()
    for value, result in enumerate(cleaned.tolist()):
        share = value / 255
        assert result == (0 if share <= black else 255 if share >= white else value)


def test_no_cleaning_keeps_everything():
    assert np.array_equal(clean_levels(EVERY, 0, 1), EVERY)
