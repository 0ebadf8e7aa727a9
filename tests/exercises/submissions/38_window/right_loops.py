import numpy as np


def window_mask(t, s, window, causal):
    seen = np.zeros((t, s), bool)
    for i in range(t):
        here = i + s - t
        for j in range(max(0, here - window + 1), s):
            seen[i, j] = j <= here if causal else j < here + window
    return seen


def tile_columns(first_row, rows, t, s, window, causal):
    start, end = s, 0
    for i in range(first_row, first_row + rows):
        here = i + s - t
        for j in range(s):
            if here - window < j and (j <= here if causal else j < here + window):
                start, end = min(start, j), max(end, j + 1)
    return (start, end) if end > start else (0, 0)
