"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

import numpy as np


def _forward(ids, weight, padding_idx=None):
    return weight[ids], (ids, len(weight), padding_idx)


def _scatter(dy, ids, entries):
    dweight = np.zeros((entries, dy.shape[-1]))
    np.add.at(dweight, ids, dy)
    return dweight


def _zero_is_no_padding(dy, cache):
    ids, entries, padding_idx = cache
    dweight = _scatter(dy, ids, entries)
    if padding_idx:
        dweight[padding_idx] = 0
    return dweight


def _padding_at_every_row_but_its_own(dy, cache):
    ids, entries, padding_idx = cache
    dweight = _scatter(dy, ids, entries)
    if padding_idx is not None:
        dweight[np.arange(entries) != padding_idx] = 0
    return dweight


def _repeats_lost_and_padding_trained(dy, cache):
    ids, entries, _ = cache
    dweight = np.zeros((entries, dy.shape[-1]))
    dweight[ids] += dy
    return dweight


MISTAKES = [
    (sentence, {"embedding_forward": _forward, "embedding_backward": backward})
    for sentence, backward in (
        ("`if padding_idx` takes a padding_idx of 0 for none", _zero_is_no_padding),
        ("every row but the padding's is set to 0", _padding_at_every_row_but_its_own),
        ("grad[ids] += dy: of a repeated id, one occurrence counts; and the padding row gets a "
         "gradient", _repeats_lost_and_padding_trained),
    )
]  # fmt: skip
