"""Several texts in one row, one after the other, so that little of a batch is padding.

Longer texts are placed before shorter ones, each in the first row that has room for it. A row is
then written down as the order of its texts alone: filled one after the other, in that order, rows
come out no more than they were. That a model keeps the texts of a row apart is told it by
``documents``: the number of each token's text in its row, from 1, and 0 for padding.
"""

from __future__ import annotations

import numpy as np


def packed_rows(texts: np.ndarray, lengths: np.ndarray, width: int) -> list[np.ndarray]:
    """Put ``texts`` (n,) of these lengths (n,) into rows of ``width`` tokens: the texts of each.

    None of the lengths is more than ``width``; of equal ones the first comes first.
    """
    rows: list[list[int]] = []
    room = np.full(len(texts), width)
    for place in np.argsort(-lengths, kind="stable"):
        row = int((room[: len(rows) + 1] >= lengths[place]).argmax())
        if row == len(rows):
            rows.append([])
        rows[row].append(texts[place])
        room[row] -= lengths[place]
    return [np.array(row) for row in rows]


def packed_places(lengths: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texts one after the other -> of each the row, the first column, the number in the row from 1.

    A text that does not go into a row of ``width`` tokens any more begins the next.
    """
    places = np.zeros((3, len(lengths)), np.int64)
    row, column, number = 0, 0, 0
    for text, length in enumerate(lengths.tolist()):
        if column + length > width:
            row, column, number = row + 1, 0, 0
        number += 1
        places[:, text] = row, column, number
        column += length
    return places[0], places[1], places[2]
