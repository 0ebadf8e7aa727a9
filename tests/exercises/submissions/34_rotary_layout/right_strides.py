"""By where each column goes, and one index for all rows."""

import numpy as np


def interleaved_order(head, width):
    order = np.arange(head)
    order[0:width:2] = np.arange(width // 2)
    order[1:width:2] = np.arange(width // 2, width)
    return order


def interleaved_rows(weight, heads, width):
    head = len(weight) // heads
    index = np.arange(heads)[:, None] * head + interleaved_order(head, width)
    return weight[index.reshape(-1)]
