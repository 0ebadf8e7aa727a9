"""Attention in tiles over long rows: ``python -m tests.ops.attention_lengths [LENGTH ...]``.

Forward and backward, batch 1, 8 heads of 64, causal, float32, one thread: processor seconds, the
best of turns taken one after another, of PyTorch's fused kernel, of plain attention up to 4,096
tokens, of attention in tiles, and of that with a window of 512; and the most memory that the tiles
took, inputs left out. The last line has the exponents of a power of the length through the first
and the last.
"""

from __future__ import annotations

import math
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits

from npformer.ops import (
    attention_backward,
    attention_forward,
    tiled_attention_backward,
    tiled_attention_forward,
)
from npformer.seam import quiet

LENGTHS = (1024, 2048, 4096, 8192, 16384)
HEADS, SIZE, WINDOW = 8, 64, 512
PLAIN = 4096
"""The longest row of plain attention, whose probabilities are 0.5 GiB there."""


def ways(length: int) -> dict[str, Callable[[], object]]:
    """What is compared, each a forward and backward of the same arrays."""
    rng = np.random.default_rng(0)
    q, k, v, dy = rng.standard_normal((4, 1, length, HEADS, SIZE)).astype(np.float32)
    tensors = [torch.from_numpy(x).transpose(1, 2) for x in (q, k, v, dy)]
    for tensor in tensors[:3]:
        tensor.requires_grad_()

    def fused() -> object:
        y = F.scaled_dot_product_attention(*tensors[:3], is_causal=True)
        return torch.autograd.grad(y, tensors[:3], tensors[3])

    def plain() -> object:
        return attention_backward(dy, attention_forward(q, k, v, causal=True)[1])

    def tiled(window: int | None = None) -> object:
        _, cache = tiled_attention_forward(q, k, v, causal=True, window=window)
        return tiled_attention_backward(dy, cache)

    found = {"fused": fused, "tiles": tiled, "window": lambda: tiled(WINDOW)}
    return {**found, "plain": plain} if length <= PLAIN else found


def measured(length: int) -> dict[str, float]:
    """Seconds of each way, and bytes of the tiles."""
    every = ways(length)
    times: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(2 if length > PLAIN else 4):
        for name, run in every.items():
            began = time.process_time()
            run()
            times[name].append(time.process_time() - began)
    tracemalloc.start()
    every["tiles"]()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {**{name: min(seconds) for name, seconds in times.items()}, "bytes": peak}


def main(lengths: tuple[int, ...]) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("| tokens | fused, s | plain / fused | tiles / fused | window of 512, s | tiles, MiB |")
    print("|--:|--:|--:|--:|--:|--:|")
    rows = {}
    with threadpool_limits(1), quiet():
        for length in lengths:
            row = rows[length] = measured(length)
            plain = f"{row['plain'] / row['fused']:.2f}" if "plain" in row else "-"
            tiles = row["tiles"] / row["fused"]
            print(
                f"| {length:,} | {row['fused']:.3f} | {plain} | {tiles:.2f} | "
                f"{row['window']:.3f} | {row['bytes'] / 2**20:.1f} |",
                flush=True,
            )
    first, last = lengths[0], lengths[-1]
    for name in ("bytes", "window"):
        power = math.log(rows[last][name] / rows[first][name]) / math.log(last / first)
        print(f"{name} grow with the length to the power of {power:.2f}")


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or LENGTHS)
