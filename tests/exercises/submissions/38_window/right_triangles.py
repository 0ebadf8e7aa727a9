import numpy as np


def window_mask(t, s, window, causal):
    ahead = 0 if causal else window - 1
    return np.tri(t, s, s - t + ahead, bool) & ~np.tri(t, s, s - t - window, bool)


def tile_columns(first_row, rows, t, s, window, causal):
    seen = window_mask(t, s, window, causal)[first_row : first_row + rows].any(axis=0)
    if not seen.any():
        return 0, 0
    keys = np.flatnonzero(seen)
    return keys[0], keys[-1] + 1
