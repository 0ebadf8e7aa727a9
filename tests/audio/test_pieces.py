"""A long recording is cut where it is quiet."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from npformer.audio.log_mel import RATE
from npformer.audio.pieces import SEARCHED, pieces
from tests.examples import examples


@examples(0.5)
@given(st.integers(0, 9), st.integers(0, 40_000), st.integers(400, 9000))
def test_pieces_are_the_recording_and_none_is_too_long(seed, count, longest):
    samples = np.random.default_rng(seed).standard_normal(count)
    found = list(pieces(samples, longest))
    assert found[0][0] == 0 and found[-1][1] == count
    assert all(end == begin for (_, end), (begin, _) in zip(found, found[1:], strict=False))
    assert all(begin < end <= begin + longest for begin, end in found) or not count


def test_a_piece_ends_in_a_pause():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(20 * RATE).astype(np.float32)
    for at in (3.0, 7.5, 9.0, 13.0):  # of the first ten seconds the last five are searched
        samples[int(at * RATE) : int((at + 0.3) * RATE)] *= 0.5 if at == 7.5 else 0.01
    (first, second, *_) = pieces(samples, 10 * RATE)
    assert 9.0 * RATE < first[1] < 9.3 * RATE
    assert second[0] == first[1]
    assert second[1] > second[0] + 10 * RATE - SEARCHED * RATE


def test_a_short_recording_is_one_piece():
    assert list(pieces(np.zeros(100), 100)) == [(0, 100)]
    assert list(pieces(np.zeros(0), 100)) == [(0, 0)]
