r"""How much arithmetic a batch is: the floating-point operations of its matrix products.

Convention  A product (m, k) @ (k, n) is 2 m k n operations: multiplications and additions both
            counted. Only matrix products count; soft-max, layer norm, activations, dropout and the
            embedding's look-up are left out, the output projection is in. This is "model FLOPs" of
            PaLM (Chowdhery et al., 2022, appendix B): what the mathematics needs, however it is
            done. So nothing is added for what activation checkpointing computes twice, nothing for
            padding, and the scores of causal attention count whole, masked half included.

Backward    y = x weight^T has two products in its backward, dx = dy weight and dweight = dy^T x,
            each as large as the forward's one; so have q k^T and probs v. Forward and backward
            together are 3 times the forward.

Forward     For a pair of S source and T target tokens, with K = N d_k and W = N d_v:

            attention of t queries over s keys    2 t D K + 2 s D (K + W) + 2 t W D   projections
                                                + 2 t s (K + W)                scores, mixing
            feed-forward at t positions           4 t D F
            output projection                     2 T D V

            An encoder layer attends S over S, a decoder layer T over T and T over S.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import mul
from typing import NamedTuple

from npformer.models.transformer import TransformerConfig


class Work(NamedTuple):
    """What a batch's arithmetic depends on: sums over its pairs of S source, T target tokens."""

    source: int  # sum of S
    target: int  # sum of T
    source_source: int  # sum of S^2
    target_target: int  # sum of T^2
    target_source: int  # sum of T S

    @classmethod
    def of(cls, source_lengths: Iterable[int], target_lengths: Iterable[int]) -> Work:
        """The sums over pairs, given the tokens of each pair's two sides.

        Raises ValueError unless there are as many of one as of the other.
        """
        # Python's own integers, whatever came in: a sum of squares must not overflow.
        source, target = list(map(int, source_lengths)), list(map(int, target_lengths))
        if len(source) != len(target):
            raise ValueError(f"{len(source)} source lengths and {len(target)} target lengths")
        return cls(
            sum(source),
            sum(target),
            sum(map(mul, source, source)),
            sum(map(mul, target, target)),
            sum(map(mul, target, source)),
        )


def forward_flops(config: TransformerConfig, work: Work) -> int:
    """Operations of the forward's matrix products."""
    c, w = config, work
    k, v = c.heads * c.head_k, c.heads * c.head_v

    def attention(queries: int, keys: int, scores: int) -> int:
        projections = queries * c.d_model * (k + v) + keys * c.d_model * (k + v)
        return 2 * (projections + scores * (k + v))

    encoder = attention(w.source, w.source, w.source_source) + 4 * w.source * c.d_model * c.d_ff
    decoder = (
        attention(w.target, w.target, w.target_target)
        + attention(w.target, w.source, w.target_source)
        + 4 * w.target * c.d_model * c.d_ff
    )
    output = 2 * w.target * c.d_model * c.vocab_size
    return c.encoder_layers * encoder + c.decoder_layers * decoder + output


def batch_flops(
    config: TransformerConfig, source_lengths: Iterable[int], target_lengths: Iterable[int]
) -> int:
    """Operations of forward and backward of one batch, its valid tokens alone.

    Each length is the number of tokens of a row that are not padding, EOS (or BOS) included, as in
    ``(batch.source != PAD).sum(axis=1)``. Raises ValueError if the two differ in number.
    """
    return 3 * forward_flops(config, Work.of(source_lengths, target_lengths))


def update_flops(
    config: TransformerConfig, pairs: int, source_length: int, target_length: int
) -> int:
    """Operations of forward and backward of ``pairs`` pairs of that many tokens a side."""
    return batch_flops(config, [source_length] * pairs, [target_length] * pairs)
