"""Pair by pair, head by head."""

import numpy as np


def interleaved_order(head, width):
    order = []
    for i in range(width // 2):
        order += [i, i + width // 2]
    return np.array(order + list(range(width, head)))


def interleaved_rows(weight, heads, width):
    parts = np.split(weight, heads)
    order = interleaved_order(len(parts[0]), width)
    return np.concatenate([part[order] for part in parts])
