"""The twin or one of its baselines, timed: ``python -m npformer.bench.torch_runner``.

Its arguments are the implementation's name, the preset and a ``BenchConfig`` as JSON. It is asked
(``process.py``) to ``describe`` itself, to ``train`` for some steps, and to ``decode``. All get
the same configuration, batch and sentences. The twin runs as ``npformer train`` and ``npformer
translate`` run it. The others train as ``ModuleEngine`` says, and decode as their users would:
MarianMTModel by its ``generate``, torch.nn.Transformer, which has no cache, by npformer's search
over a decoder that reads the whole prefix at each step.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from npformer.bench.llama import LlamaEngine
from npformer.bench.process import Answer, serve
from npformer.bench.settings import BenchConfig
from npformer.bench.shapes import padded_batch, training_shape
from npformer.config import RunConfig
from npformer.decode.beam import beam as beam_search
from npformer.decode.greedy import greedy
from npformer.models import family
from npformer.text.batches import Batch
from npformer.text.tokenizer import BOS, PAD
from npformer.train.memory import peak_memory

LEARNING_RATE = 1e-4

Decoder = Callable[[Any, int, int], list[list[int]]]
"""source (B, S) ids, beam, length -> ``length`` tokens for each row, no end token among them."""


class Runner:
    """One implementation, ready to train and to decode."""

    def __init__(self, name: str, preset: str, bench: BenchConfig) -> None:
        self.name, self.config = name, bench.run(preset)
        self.engine = implementation_engine(name, self.config)
        self.cuda = self.engine.device.type == "cuda"
        shape = training_shape(preset, bench.batch, cuda=self.cuda)
        self.vocab_size = self.config.model.vocab_size
        batch = padded_batch(*shape, self.vocab_size)
        read = {name: batch.inputs[name] for name in family(bench.model).streams}
        self.batch = Batch(read, batch.targets)
        self.length = shape.length
        self._steps = 0
        self._decode: Decoder | None = None

    def describe(self) -> Answer:
        """Sizes, and what the device can do."""
        return {
            "parameters": self.engine.parameter_count,
            "rows": len(self.batch),
            "length": self.length,
            "tokens": self.batch.tokens,
            "padding": 1 - self.batch.tokens / self.batch.targets.size,
            "flops": self.engine.flops(self.batch),
            "peak_flops": self.engine.peak_flops,
            "device": str(self.engine.device),
        }

    def train(self, count: int) -> Answer:
        """Seconds of each of ``count`` steps: forward, backward, update; and the most memory."""
        times = []
        for _ in range(count):
            self._steps += 1
            began = self._now()
            self.engine.gradients(self.batch, (0, self._steps))
            self.engine.update(LEARNING_RATE)
            times.append(self._now() - began)
        return {"times": times, "peak_memory": self._memory()}

    def decode(self, beam: int, rows: int, tokens: int, repeats: int) -> Answer:
        """Seconds a sentence, ``rows`` at a time, each of ``tokens`` tokens; ``repeats`` times."""
        if self._decode is None:
            self._decode = make_decoder(self.name, self.engine, self.config)
        source = padded_batch(rows, self.length, self.vocab_size, seed=1).inputs["source"]
        times = []
        for _ in range(repeats):
            began = self._now()
            written = self._decode(source, beam, tokens)
            times.append((self._now() - began) / rows)
            assert [len(row) for row in written] == [tokens] * rows, "not as long as asked for"
        return {"times": times, "peak_memory": self._memory()}

    def _now(self) -> float:
        """Seconds, once the device has done all that it was given."""
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    def _memory(self) -> int:
        """The most bytes so far: of tensors on a GPU, of the whole process on a CPU."""
        return torch.cuda.max_memory_allocated() if self.cuda else peak_memory()


def implementation_engine(name: str, config: RunConfig) -> Any:
    """The ``Engine`` of the implementation ``name``."""
    if name == "twin":
        from torch_ref.train import TorchEngine

        return TorchEngine(config)
    if name == "marian":
        from npformer.bench.marian import MarianEngine

        return MarianEngine(config)
    if name == "llama":
        return LlamaEngine(config)
    from npformer.bench.torch_transformer import TorchTransformerEngine

    return TorchTransformerEngine(config)


def make_decoder(name: str, engine: Any, config: RunConfig) -> Decoder:
    """How the implementation translates, once its training is over.

    With --precision bf16 by weights in bfloat16, which are faster than autocast over float32 ones;
    on a GPU the twin replays its steps as CUDA graphs.
    """
    model = engine.model
    dtype = torch.bfloat16 if config.twin.precision == "bf16" else torch.float32
    if name == "twin":
        model.to(dtype).run_steps(static=engine.device.type == "cuda")
    else:
        engine.module.to(dtype)

    def search(source: Any, beam: int, tokens: int) -> list[list[int]]:
        # PAD is never chosen, so with PAD for an end token no sentence ends early.
        ends: dict[str, Any] = dict(bos=BOS, eos=PAD, pad=PAD, max_length=tokens)
        if beam == 1:
            return greedy(model, source, **ends)
        return beam_search(model, source, beam=beam, **ends)

    def generate(source: Any, beam: int, tokens: int) -> list[list[int]]:
        return engine.generate(source, num_beams=beam, eos_token_id=None, max_new_tokens=tokens)

    return generate if name == "marian" else search


def main(arguments: list[str]) -> None:
    """Answer requests until standard input ends."""
    name, preset, settings = arguments
    bench = BenchConfig.from_json(settings)
    torch.set_num_threads(bench.workers)
    runner = Runner(name, preset, bench)

    def answer(what: str, **request: Any) -> Answer:
        return getattr(runner, what)(**request)

    serve(answer)


if __name__ == "__main__":
    main(sys.argv[1:])
