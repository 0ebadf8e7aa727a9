"""The twin's decoding by static steps, graphs on a GPU, beside its plain one.

    python -m tests.gpu.decoding base cuda

Both write the same tokens, or this ends with status 1: greedy and beam 4, in float64. Then
tokens a second of greedy decoding by turns, in bfloat16 on a GPU.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import torch

from npformer.bench.settings import BenchConfig
from npformer.bench.shapes import padded_batch
from npformer.decode.beam import beam
from npformer.decode.greedy import greedy
from npformer.text.tokenizer import BOS, PAD
from torch_ref.train import TorchEngine

ENDS: dict[str, Any] = dict(bos=BOS, eos=PAD, pad=PAD)
"""PAD is never chosen, so that no sentence ends early."""


def same_tokens(model: Any, source: Any, tokens: int) -> bool:
    """Whether static steps write what plain ones do."""
    written = []
    for static in (False, True):
        model.run_steps(static=static)
        written.append(
            (
                greedy(model, source, **ENDS, max_length=tokens),
                beam(model, source, beam=4, **ENDS, max_length=tokens),
            )
        )
    return written[0] == written[1]


def tokens_per_second(model: Any, source: Any, tokens: int, rounds: int) -> list[float]:
    """Medians of plain and of static greedy decoding, by turns after a first that is not counted.

    Every step ends with the tokens on the host, so the clock waits for the device.
    """
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds + 1):
        for static in times:
            model.run_steps(static=static)
            greedy(model, source, **ENDS, max_length=2)  # a graph is recorded once
            began = time.perf_counter()
            greedy(model, source, **ENDS, max_length=tokens)
            times[static].append(time.perf_counter() - began)
    return [len(source) * tokens / statistics.median(each[1:]) for each in times.values()]


def main(preset: str, device: str) -> int:
    """Print the figures; the exit status."""
    config = BenchConfig(engine="torch", device=device, compile=False).run(preset)  # type: ignore[arg-type]
    cuda = device == "cuda"
    tokens, rounds = (100, 5) if cuda else (4, 1)
    model = TorchEngine(config).model.eval()
    status = 0
    for rows in (1, 64 if cuda else 3):
        source = padded_batch(rows, 32, config.model.vocab_size, seed=1).inputs["source"]
        model.double()
        same = same_tokens(model, source, tokens)
        status |= not same
        model.to(torch.bfloat16 if cuda else torch.float32)
        plain, static = tokens_per_second(model, source, tokens, rounds)
        print(f"{rows} sentences: {'the same' if same else 'OTHER'} tokens", end="; ")
        print(f"{plain:,.0f} tokens/s, static {static:,.0f}, {static / plain:.2f} times as many")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
