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

Forward     PyTorch counts the products of the twin for one pair, with one layer a stack; a layer's
            count as often as the stack has layers. A projection's grow with S or T, scores with a
            product of two lengths: for a pair of S source and T target tokens the count is a
            polynomial of degree 2, which six pairs of lengths determine.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from npformer.config import ModelConfig, RunConfig
from npformer.plan.shape import Shape
from npformer.plan.twin import fake, ids, shallow, stacks, twin

LEAST = 2
"""The shortest length that is counted: at 1, PyTorch may take other products."""


class Polynomial(NamedTuple):
    """Coefficients of 1, s, t, s (s - 1) / 2, t (t - 1) / 2 and s t.

    Here s = S - LEAST, t = T - LEAST.
    """

    one: int
    s: int
    t: int
    ss: int
    tt: int
    st: int

    def __call__(self, source: int, target: int) -> int:
        """Its value for a pair of that many tokens."""
        s, t = source - LEAST, target - LEAST
        return (
            self.one
            + self.s * s
            + self.t * t
            + self.ss * (s * (s - 1) // 2)
            + self.tt * (t * (t - 1) // 2)
            + self.st * s * t
        )


@functools.lru_cache(maxsize=64)
def forward_flops(config: ModelConfig) -> Polynomial:
    """Operations of the forward's matrix products, for a pair of S source and T target tokens."""
    run = RunConfig(model=shallow(config, 1))
    depths = stacks(twin(RunConfig(model=config), "meta"))
    with fake("cpu"), torch.no_grad():
        objective = twin(run)  # in training, for the losses that it has beside the tokens'

        def count(source: int, target: int) -> int:
            counter = FlopCounterMode(display=False, custom_mapping=UNCOUNTED)
            with counter:
                objective(*ids(Shape(1, LEAST + source, LEAST + target), objective))
            counts = counter.get_flop_counts()
            layers = {name.partition(".")[2]: sum(c.values()) for name, c in counts.items()}
            if not config.alike:  # all layers were counted
                return counter.get_total_flops()
            more = ((depth - 1) * layers.get(f"{stack}.0", 0) for stack, depth in depths.items())
            return counter.get_total_flops() + sum(more)

        one, s, t = count(0, 0), count(1, 0), count(0, 1)
        return Polynomial(
            one=one,
            s=s - one,
            t=t - one,
            ss=count(2, 0) - 2 * s + one,
            tt=count(0, 2) - 2 * t + one,
            st=count(1, 1) - s - t + one,
        )


def batch_flops(
    config: ModelConfig, source_lengths: Iterable[int], target_lengths: Iterable[int]
) -> int:
    """Operations of forward and backward of one batch, its valid tokens alone.

    Each length is the number of tokens of a row that are not padding, EOS (or BOS) included, as in
    ``(batch.targets != PAD).sum(axis=1)``. Raises ValueError if the two differ in number.
    """
    # Python's own integers, whatever came in: a square must not overflow.
    source, target = list(map(int, source_lengths)), list(map(int, target_lengths))
    if len(source) != len(target):
        raise ValueError(f"{len(source)} source lengths and {len(target)} target lengths")
    forward = forward_flops(config)
    return 3 * sum(forward(s, t) for s, t in zip(source, target, strict=True))


def update_flops(config: ModelConfig, pairs: int, source_length: int, target_length: int) -> int:
    """Operations of forward and backward of ``pairs`` pairs of that many tokens a side."""
    return pairs * batch_flops(config, [source_length], [target_length])


def _attention(q: Any, k: Any, v: Any, *_: object, **__: object) -> int:
    return int(sdpa_flop_count(q, k, v))


UNCOUNTED = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""Products that FlopCounterMode does not know: it takes the CPU's fused attention for none."""
