"""What ``npformer evaluate`` measures of a model of language: how well it foretells a text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from npformer.cli.common import named
from npformer.cli.figures import write_figures
from npformer.errors import counted
from npformer.ops.array import Array
from npformer.text.batches import encode_texts, evaluation_batches
from npformer.text.corpus import ParallelCorpus
from npformer.text.tokenizer import KINDS
from npformer.train.engines import EngineName, Loaded, make_scorer


def foretold(
    loaded: Loaded, corpus: ParallelCorpus, engine: EngineName, console: Console
) -> dict[str, Any]:
    """Loss in nats a token, perplexity, and bits for each byte of the texts, the corpus's targets.

    The end of a text is a token that is foretold too, but for published models that were trained
    without it; its bits count, and it has no byte. A text longer than the model takes is cut into
    pieces, of each of which the model sees no more.
    """
    pieces = encode_texts(corpus, loaded.tokenizer, loaded.config.model.max_length)
    budget = max(loaded.config.data.batch_tokens, loaded.config.model.max_length)
    # A published model may have no id for padding, or use one that texts have too.
    padding, even = loaded.config.model.padding_id, loaded.tokenizer.kind not in KINDS
    batches = evaluation_batches(pieces, budget, loaded.model.streams, even=even)
    scorer = make_scorer(loaded, engine)
    nats, tokens = 0.0, 0
    for batch in track(
        batches, "reading", console=console, transient=True, disable=not console.is_terminal
    ):
        loss, _ = scorer.evaluate(batch)
        nats, tokens = nats + loss, tokens + counted_in(batch.targets, padding)
    size = sum(len(text.encode()) for text in corpus.target)
    loss = nats / tokens
    return {
        "documents": len(corpus),
        "pieces": len(pieces),
        "tokens": tokens,
        "bytes": size,
        "loss": loss,
        "perplexity": math.exp(loss) if loss < 709 else math.inf,  # exp overflows just above
        "bits_per_byte": nats / math.log(2) / size if size else math.nan,
    }


def counted_in(targets: Array, padding: int | None) -> int:
    """Of how many targets a loss is the sum."""
    return targets.size if padding is None else int(np.count_nonzero(targets != padding))


def report(
    loaded: Loaded,
    corpus: ParallelCorpus,
    what: str,
    engine: EngineName,
    console: Console,
    json: Path | None,
    settings: dict[str, Any],
) -> int:
    """Measure, print and write the figures; ``what`` names the texts, ``settings`` are written."""
    figures = foretold(loaded, corpus, engine, console)
    cut = len(corpus) < figures["pieces"]
    lines = [
        f"{what}, read by {named(loaded)}",
        f"{counted(figures['documents'], 'document')}, {figures['tokens']:,} tokens, "
        f"{figures['bytes']:,} bytes"
        + (f", in {figures['pieces']:,} pieces of what the model takes" if cut else ""),
        f"loss           {figures['loss']:.4f} nats a token",
        f"perplexity     {figures['perplexity']:.2f} a token",
        f"bits per byte  {figures['bits_per_byte']:.4f}",
    ]
    try:
        write_figures(json, "evaluate", {**settings, **figures})
    finally:  # a full disk takes only one of the two
        console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
    return 0
