"""A long recording in pieces that a model takes, each cut where it is quiet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npformer.audio.log_mel import HOP, RATE

Array = np.ndarray

SEARCHED = 5.0
"""Seconds at the end of a piece among which the quietest place is looked for."""
AROUND = 0.1
"""Seconds over which loudness is measured: a pause between words is no shorter."""


def pieces(samples: Array, longest: int) -> Iterator[tuple[int, int]]:
    """samples (n,) -> (begin, end) of each piece; none is longer than ``longest`` samples.

    Where there is more, a piece ends in the quietest place of its last five seconds, at most half
    of it, so that no word is cut if there is any pause. All pieces together are the recording.
    """
    begin = 0
    while len(samples) - begin > longest:
        end = begin + longest
        searched = samples[end - min(int(SEARCHED * RATE), longest // 2) : end]
        end -= len(searched) - _quietest(searched)
        yield begin, end
        begin = end
    yield begin, len(samples)


def _quietest(samples: Array) -> int:
    """The middle of the stretch with the least power; of equal ones the last."""
    width = min(int(AROUND * RATE), len(samples))
    total = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    power = (total[width:] - total[:-width])[::-1][:: HOP // 2]
    last = len(samples) - width // 2
    return max(last - int(power.argmin()) * (HOP // 2), 1)
