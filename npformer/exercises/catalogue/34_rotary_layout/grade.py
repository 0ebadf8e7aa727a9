"""Two functions of arrays, each beside the solution's; the rows of a weight are all different."""

from pathlib import Path

import numpy as np

from npformer.cards.strategies import draw_rng
from npformer.exercises.grading import against_function, first_failure
from npformer.exercises.load import load_python

SOLUTION = load_python(Path(__file__).parent / "solution.py")
WIDTHS = [(4, 4), (6, 4), (8, 8), (6, 6), (2, 2), (8, 4), (5, 2), (12, 8), (3, 0)]


def _order(source):
    head, width = source.choice(WIDTHS)
    return {"head": head, "width": width}


def _rows(source):
    head, width = source.choice(WIDTHS)
    heads = source.choice((1, 2, 3))
    shape = (heads * head, source.choice((1, 3)))[: source.choice((2, 1))]
    weight = 1.0 + draw_rng(source).permutation(int(np.prod(shape))).reshape(shape)
    return {"weight": weight, "heads": heads, "width": width}


def _halves(head, width):
    order = np.arange(head)
    order[:width] = np.arange(width).reshape(width // 2, 2).T.reshape(-1)
    return order


def _whole(head, width):
    return SOLUTION.interleaved_order(head, head // 2 * 2)


def _not_reordered(head, width):
    return np.arange(head)


def _b_first(head, width):
    order = SOLUTION.interleaved_order(head, width)
    order[:width] = order[:width].reshape(width // 2, 2)[:, ::-1].reshape(-1)
    return order


def _across_heads(weight, heads, width):
    return weight[SOLUTION.interleaved_order(len(weight), width * heads)]


def _head_last(weight, heads, width):
    head = len(weight) // heads
    rows = weight.reshape(head, heads, *weight.shape[1:])
    return rows[SOLUTION.interleaved_order(head, width)].reshape(weight.shape)


def _first_head(weight, heads, width):
    head = len(weight) // heads
    return np.concatenate([weight[:head][SOLUTION.interleaved_order(head, width)], weight[head:]])


def _back(weight, heads, width):
    head = len(weight) // heads
    rows = weight.reshape(heads, head, *weight.shape[1:])
    return rows[:, _halves(head, width)].reshape(weight.shape)


ORDER = [
    ("this is the way back: it takes interleaved columns to halves", _halves),
    ("the whole head is reordered; only its first `width` columns turn", _whole),
    ("nothing is reordered", _not_reordered),
    ("the partners stand side by side in the wrong order: b before a", _b_first),
]
ROWS = [
    ("the rows of all heads are reordered as if they were one head", _across_heads),
    ("the rows are read as (H, N, D); those of one head stand together, so they are (N, H, D)",
     _head_last),
    ("only the first head is reordered", _first_head),
    ("this is the way back: it takes interleaved rows to halves", _back),
]  # fmt: skip


def grade(submission, cases, seed):
    def question(name, draw, wrong):
        def ask():
            mistakes = [(sentence, {name: function}) for sentence, function in wrong]
            return against_function(
                submission, name, getattr(SOLUTION, name), draw,
                cases=cases // 2, seed=seed, mistakes=mistakes,
            )  # fmt: skip

        return ask

    return first_failure(
        question("interleaved_order", _order, ORDER), question("interleaved_rows", _rows, ROWS)
    )
