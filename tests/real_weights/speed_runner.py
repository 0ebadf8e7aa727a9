"""One implementation of SmolLM2 in a process of its own, timed: see ``speed.py``.

``python -m tests.real_weights.speed_runner NAME PATH THREADS`` is asked to do one thing at a time,
and answers with its seconds on the clock and of CPU (see ``npformer/bench/process.py``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npformer.bench.process import Answer, serve
from npformer.train.memory import peak_memory

PROMPT = 64
"""Tokens before those that are written."""


def some_ids(count: int) -> np.ndarray:
    """(1, count) ids."""
    return np.random.default_rng(0).integers(5, 40_000, (1, count))


class Npformer:
    """This package, in float32."""

    def __init__(self, path: str, threads: int) -> None:
        from npformer.pretrained import from_pretrained
        from npformer.train.memory import keep_freed_memory

        keep_freed_memory()  # as the command line does
        self.model = from_pretrained(path).model
        self.model.run_layers(checkpointed=False, freed=True)  # as training does
        self.model.lay_by_columns()  # as the command line does

    def start(self, ids: np.ndarray) -> Callable[[], int]:
        """ids (1, T) -> what writes the next token."""
        from npformer.seam import quiet

        state, newest = self.model.start(), ids

        def write() -> int:
            nonlocal newest
            with quiet():
                newest = self.model.step(newest, state).argmax(axis=1)
            return int(newest[0])

        return write

    def gradients(self, ids: np.ndarray) -> None:
        """Forward, loss and backward."""
        from npformer.models.loss import LOSS
        from npformer.seam import quiet

        for parameter in self.model.parameters():
            parameter.grad = None  # as after an update
        with quiet():
            logits, cache = self.model.forward(ids[:, :-1])
            _, loss = LOSS.forward(logits, ids[:, 1:])
            del logits
            self.model.backward(LOSS.backward(1.0, loss), cache)


class Transformers:
    """The transformers library, eager, in float32."""

    def __init__(self, path: str, threads: int) -> None:
        import torch
        import transformers

        torch.set_num_threads(threads)
        self.torch = torch
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, attn_implementation="eager"
        )

    def start(self, ids: np.ndarray) -> Callable[[], int]:
        """ids (1, T) -> what writes the next token."""
        newest, kept = self.torch.from_numpy(ids), None

        def write() -> int:
            nonlocal newest, kept
            with self.torch.inference_mode():
                found = self.model(newest, past_key_values=kept, use_cache=True, logits_to_keep=1)
            newest, kept = found.logits[:, -1].argmax(-1, keepdim=True), found.past_key_values
            return int(newest)

        return write

    def gradients(self, ids: np.ndarray) -> None:
        """Forward, loss and backward."""
        self.model.zero_grad()  # to None
        tokens = self.torch.from_numpy(ids)
        self.model(tokens, labels=tokens, use_cache=False).loss.backward()


class LlamaCpp:
    """llama.cpp by its Python package, which has no backward, in float32."""

    def __init__(self, path: str, threads: int) -> None:
        from llama_cpp import Llama

        settings = {"n_ctx": 1024, "n_batch": 512, "verbose": False}
        self.model = Llama(path, n_threads=threads, n_threads_batch=threads, **settings)

    def start(self, ids: np.ndarray) -> Callable[[], int]:
        """ids (1, T) -> what writes the next token."""
        import llama_cpp

        self.model.reset()
        newest, size = ids[0].tolist(), self.model.n_vocab()

        def write() -> int:
            nonlocal newest
            self.model.eval(newest)
            logits = llama_cpp.llama_get_logits(self.model.ctx)
            newest = [int(np.ctypeslib.as_array(logits, (size,)).argmax())]
            return newest[0]

        return write


class Products:
    """A step's products alone, by BLAS, on the same bytes of weights: the floor of decoding."""

    def __init__(self, path: str, threads: int) -> None:
        from npformer.files.array_file import ArrayFile

        found = ArrayFile(Path(path, "model.safetensors"))
        self.weights = [found[name] for name in found if len(found.form(name).shape) == 2]
        self.rows = {w.shape[1]: np.ones(w.shape[1], w.dtype) for w in self.weights}

    def start(self, ids: np.ndarray) -> Callable[[], int]:
        """What makes all products once."""

        def write() -> int:
            return sum(len(w @ self.rows[w.shape[1]]) for w in self.weights)

        return write


ENGINES: dict[str, Any] = {
    "npformer": Npformer,
    "transformers": Transformers,
    "llama.cpp": LlamaCpp,
    "matrix-vector products": Products,
}


def main(arguments: list[str]) -> None:
    """Answer requests until standard input ends."""
    name, path, threads = arguments
    engine = ENGINES[name](path, int(threads))

    def answer(what: str, count: int) -> Answer:
        """``first`` token of a prompt, ``decode`` so many, ``prefill`` or ``gradients`` of them."""
        if what == "first":
            token = engine.start(some_ids(5))()
            return {"token": token, "cpu": time.process_time(), "peak": peak_memory()}
        if what == "gradients":
            run, times = (lambda: engine.gradients(some_ids(count))), 1
        elif what == "prefill":
            run, times = engine.start(some_ids(count)), 1
        else:
            run, times = engine.start(some_ids(PROMPT)), count
            run()
        each = []
        for _ in range(times):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            each.append((time.perf_counter() - wall, time.process_time() - cpu))
        wall, cpu = np.median(each, axis=0)
        return {"wall": wall, "cpu": cpu, "peak": peak_memory()}

    serve(answer)


if __name__ == "__main__":
    main(sys.argv[1:])
