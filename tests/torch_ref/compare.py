"""A trained run read by both engines: translations and log probabilities, minutes on a CPU.

    python -m tests.torch_ref.compare runs/real

Every validation pair is translated with a beam of 4 by each engine, and each gives the log
probability of every token of the vocabulary at every position of every reference.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from npformer.decode import Translator
from npformer.ops.log_softmax import log_softmax_forward
from npformer.text.tokenizer import PAD
from npformer.train.engines import load_model
from npformer.train.prepare import prepare


def main(run: str) -> None:
    """Print in how many translations the engines agree, and how far their numbers are apart."""
    ours, twin = load_model(Path(run)), load_model(Path(run), "torch")
    prepared = prepare(ours.config, ours.tokenizer)
    sources = prepared.validation_corpus.source
    written = [Translator(x.model, x.tokenizer).translate_sentences(sources) for x in (ours, twin)]
    equal = sum(a == b for a, b in zip(*written, strict=True))
    print(f"{equal:,} of {len(sources):,} translations are the same")

    largest, tokens = 0.0, 0
    for batch in prepared.validation.batches:
        logits, _ = ours.model.forward(**batch.inputs)
        device = twin.model.embedding.weight.device
        inputs = {name: torch.from_numpy(ids).to(device) for name, ids in batch.inputs.items()}
        with torch.inference_mode():
            theirs = twin.model(**inputs).log_softmax(-1).cpu().numpy()
        valid = batch.targets != PAD
        apart = np.abs(log_softmax_forward(logits)[0] - theirs)[valid]
        largest, tokens = max(largest, float(apart.max())), tokens + batch.tokens
    print(f"log probabilities at {tokens:,} positions differ by {largest:.1e} at most")


if __name__ == "__main__":
    main(*sys.argv[1:])
