"""Wrong ways to write this exercise."""

import numpy as np


def _mask(seen, at=lambda t, s: s - t):
    """A mask of how far a key lies behind: seen(back, window, causal)."""

    def window_mask(t, s, window, causal):
        return seen(np.arange(t)[:, None] + at(t, s) - np.arange(s), window, causal)

    return {"window_mask": window_mask}


def _right(back, window, causal):
    return (back >= 0) & (back < window) if causal else np.abs(back) < window


MASKS = [
    ("the window holds one key too many: of w keys, the last is at the query's own position",
     _mask(lambda b, w, c: (b >= 0) & (b <= w) if c else np.abs(b) <= w)),
    ("the window holds one key too few: the query's own position counts",
     _mask(lambda b, w, c: (b >= 0) & (b < w - 1) if c else np.abs(b) < w - 1)),
    ("positions are aligned at the start: the last query is where the last key is",
     _mask(_right, lambda t, s: 0)),
    ("causal is ignored: the window looks ahead", _mask(lambda b, w, c: np.abs(b) < w)),
    ("a window that is not causal looks behind alone; it has as many keys ahead",
     _mask(lambda b, w, c: (b >= 0) & (b < w))),
    ("the window looks ahead, where it should look behind",
     _mask(lambda b, w, c: (b <= 0) & (b > -w) if c else np.abs(b) < w)),
    ("what is hidden is True; True is for what may be seen", _mask(lambda *a: ~_right(*a))),
]  # fmt: skip


def _columns(ahead=lambda w, c: 1 if c else w, behind=0, all_rows=True, clipped=True):
    def tile_columns(first_row, rows, t, s, window, causal):
        here = first_row + s - t
        last = here + (rows - 1 if all_rows else 0)
        start, end = here - window + 1 + behind, last + ahead(window, causal)
        if clipped:
            start, end = max(0, start), min(s, end)
        return (start, end) if end > start else (0, 0)

    return {"tile_columns": tile_columns}


COLUMNS = [
    ("the end is that of the first row; the last row sees furthest", _columns(all_rows=False)),
    ("the end is included; it must be one beyond the last key", _columns(lambda w, c: w * (not c))),
    ("the start is one too late: a window of w begins w - 1 before the query", _columns(behind=1)),
    ("the range is not held within the keys there are", _columns(clipped=False)),
    ("a window that is not causal looks ahead too", _columns(lambda w, c: 1)),
]  # fmt: skip
