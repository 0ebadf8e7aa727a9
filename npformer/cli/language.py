"""What ``npformer evaluate`` measures of a model of language: how well it foretells a text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich.console import Console

from npformer.cli.common import named
from npformer.cli.figures import tracked, write_figures
from npformer.errors import counted
from npformer.models.loss import NO_TARGET
from npformer.text.batches import encode_texts, evaluation_batches
from npformer.text.corpus import ParallelCorpus
from npformer.train.data_record import record_of
from npformer.train.engines import EngineName, Loaded, make_scorer


def foretold(
    loaded: Loaded, corpus: ParallelCorpus, engine: EngineName, console: Console
) -> dict[str, Any]:
    """Loss in nats a token, perplexity, and bits for each byte of the texts, the corpus's targets.

    The end of a text is a token that is foretold too, but for published models whose texts come
    without it, unless they were trained further here; its bits count, and it has no byte. A text
    longer than the model takes is cut into pieces, of each of which the model sees no more.
    """
    tokenizer, longest = loaded.tokenizer, loaded.config.model.max_length
    close = tokenizer.close if record_of(loaded.checkpoint) is None else tokenizer.last
    pieces = encode_texts(corpus, tokenizer, longest, close)
    budget = max(loaded.config.data.batch_tokens, longest)
    # An id that fills a batch may be one that texts have too, as where a published model has none.
    batches = evaluation_batches(pieces, budget, loaded.model.streams, no_target=NO_TARGET)
    scorer = make_scorer(loaded, engine)
    nats, tokens = 0.0, 0
    for batch in tracked(batches, "reading", console):
        loss, count = scorer.evaluate(batch)
        nats, tokens = nats + loss, tokens + count
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
