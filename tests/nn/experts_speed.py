"""A mixture of experts beside a dense network with the arithmetic of the experts that are active.

    python -m tests.nn.experts_speed

Forward and backward of both take turns in one process, on one thread; the figures are ratios of CPU
time, medians of nine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from npformer.nn import GatedFeedForward, MixtureOfExperts

SIZES = ((2048, 256, 512, 8, 2), (2048, 512, 1024, 8, 2), (4096, 256, 256, 32, 4))
"""Tokens, width, width of an expert, experts, experts of a token."""


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def ratio(tokens: int, d_model: int, d_ff: int, experts: int, k: int) -> float:
    """The mixture's CPU time as a multiple of the dense network's."""
    rng = np.random.default_rng(0)
    mixture = MixtureOfExperts(d_model, d_ff, experts=experts, experts_per_token=k, rng=rng)
    dense = GatedFeedForward(d_model, k * d_ff, bias=False, rng=rng)
    x = rng.standard_normal((1, tokens, d_model)).astype(np.float32)

    def step(network: Any) -> None:
        y, cache = network.forward(x)
        network.backward(y, cache)

    pairs = [[seconds(lambda n=n: step(n)) for n in (mixture, dense)] for _ in range(10)]
    return statistics.median(ours / theirs for ours, theirs in pairs[1:])


if __name__ == "__main__":
    with threadpool_limits(1):
        for sizes in SIZES:
            print("{} tokens, width {}, experts of {}, {} of which {}".format(*sizes), end=": ")
            print(f"{ratio(*sizes):.2f}", flush=True)
