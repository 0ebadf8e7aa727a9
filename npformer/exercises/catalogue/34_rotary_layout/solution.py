"""Exercise 34: from one rotary layout to the other."""

import numpy as np


def interleaved_order(head, width):
    """order (head,), so that ``x[..., order]`` is interleaved where x is of halves."""
    order = np.arange(head)
    # Two halves as two rows; read by columns, partners stand side by side.
    order[:width] = np.arange(width).reshape(2, width // 2).T.reshape(-1)
    return order


def interleaved_rows(weight, heads, width):
    """weight (N H, D) or (N H,), whose queries are of halves -> that of interleaved ones."""
    head = len(weight) // heads
    # A head of its own axis, or rows would move from one head to another.
    rows = weight.reshape(heads, head, *weight.shape[1:])
    return rows[:, interleaved_order(head, width)].reshape(weight.shape)
