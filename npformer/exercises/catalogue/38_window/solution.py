"""Exercise 38: a window of keys."""

import numpy as np


def window_mask(t, s, window, causal):
    """(t, s) of booleans: whether query i sees key j."""
    here = np.arange(t)[:, None] + s - t  # the position of query i: the last one is at the last key
    back = here - np.arange(s)  # how far key j lies behind it
    if causal:
        return (back >= 0) & (back < window)
    return np.abs(back) < window


def tile_columns(first_row, rows, t, s, window, causal):
    """The first key that one of these rows sees, and the one after the last; 0, 0 for none."""
    here, last = first_row + s - t, first_row + rows - 1 + s - t
    start = max(0, here - window + 1)
    end = min(s, last + (1 if causal else window))
    return (start, end) if end > start else (0, 0)
