"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

import numpy as np

from npformer.ops import embedding_backward, embedding_forward


def _zero_is_no_padding(dy, cache):
    return embedding_backward(dy, cache._replace(padding_idx=cache.padding_idx or None))


def _padding_at_every_row_but_its_own(dy, cache):
    _, entries, padding_idx = cache
    dweight = embedding_backward(dy, cache._replace(padding_idx=None))
    if padding_idx is not None:
        dweight[np.arange(entries) != padding_idx] = 0
    return dweight


def _repeats_lost_and_padding_trained(dy, cache):
    ids, entries, _ = cache
    dweight = np.zeros((entries, dy.shape[-1]))
    dweight[ids] += dy
    return dweight


MISTAKES = [
    (sentence, {"embedding_forward": embedding_forward, "embedding_backward": backward})
    for sentence, backward in (
        ("`if padding_idx` takes a padding_idx of 0 for none", _zero_is_no_padding),
        ("every row but the padding's is set to 0", _padding_at_every_row_but_its_own),
        ("grad[ids] += dy: of a repeated id, one occurrence counts; and the padding row gets a "
         "gradient", _repeats_lost_and_padding_trained),
    )
]  # fmt: skip
