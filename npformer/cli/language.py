"""What ``npformer evaluate`` measures of a model of language: how well it foretells a text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rich.console import Console

from npformer.cli.common import named
from npformer.cli.figures import tracked, write_figures
from npformer.errors import counted
from npformer.models import family
from npformer.models.loss import NO_TARGET
from npformer.text.batches import Batch, evaluation_batches
from npformer.text.corpus import ParallelCorpus
from npformer.text.masking import masked_evaluation
from npformer.text.pairs import encode_texts
from npformer.train.data_record import record_of
from npformer.train.engines import EngineName, Loaded, make_scorer
from npformer.train.prepare import masked_texts


def foretold(
    loaded: Loaded, corpus: ParallelCorpus, engine: EngineName, console: Console
) -> dict[str, Any]:
    """Loss in nats a token, perplexity, and bits for each byte of the texts, the corpus's targets.

    The end of a text is a token that is foretold too, but for published models whose texts come
    without it, unless they were trained further here; its bits count, and it has no byte. A text
    longer than the model takes is cut into pieces, of each of which the model sees no more.
    """
    tokenizer, longest = loaded.tokenizer, loaded.config.model.max_length
    if not family(loaded.config.model.family).decodes:
        return _found(loaded, corpus, engine, console)
    close = tokenizer.close if record_of(loaded.checkpoint) is None else tokenizer.last
    pieces = encode_texts(corpus, tokenizer, longest, close)
    budget = max(loaded.config.data.batch_tokens, longest)
    # An id that fills a batch may be one that texts have too, as where a published model has none.
    batches = evaluation_batches(pieces, budget, loaded.model.streams, no_target=NO_TARGET)
    nats, figures = _measured(loaded, batches, engine, console)
    size = sum(len(text.encode()) for text in corpus.target)
    return {
        "documents": len(corpus),
        "pieces": len(pieces),
        "bytes": size,
        **figures,
        "bits_per_byte": nats / math.log(2) / size if size else math.nan,
    }


def _found(
    loaded: Loaded, corpus: ParallelCorpus, engine: EngineName, console: Console
) -> dict[str, Any]:
    """The same of hidden tokens, by a model that sees a text whole; the same ones every time."""
    config, longest = loaded.config, loaded.config.model.max_length
    texts, masking = masked_texts(config, loaded.tokenizer, corpus, longest)
    batches = masked_evaluation(texts, max(config.data.batch_tokens, longest), masking)
    _, figures = _measured(loaded, batches, engine, console)
    size = sum(len(text.encode()) for text in corpus.target)
    return {"documents": len(corpus), "pieces": len(texts), "bytes": size, **figures}


def _measured(
    loaded: Loaded, batches: list[Batch], engine: EngineName, console: Console
) -> tuple[float, dict[str, Any]]:
    """The loss of all tokens together, in nats, and the figures of one."""
    scorer = make_scorer(loaded, engine)
    nats, tokens = 0.0, 0
    for batch in tracked(batches, "reading", console):
        loss, count = scorer.evaluate(batch)
        nats, tokens = nats + loss, tokens + count
    loss = nats / tokens
    # exp overflows just above.
    return nats, {
        "tokens": tokens,
        "loss": loss,
        "perplexity": math.exp(loss) if loss < 709 else math.inf,
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
    asked = "tokens" if family(loaded.config.model.family).decodes else "hidden tokens"
    lines = [
        f"{what}, read by {named(loaded)}",
        f"{counted(figures['documents'], 'document')}, {figures['tokens']:,} {asked}, "
        f"{figures['bytes']:,} bytes"
        + (f", in {figures['pieces']:,} pieces of what the model takes" if cut else ""),
        f"loss           {figures['loss']:.4f} nats a token",
        f"perplexity     {figures['perplexity']:.2f} a token",
    ]
    if "bits_per_byte" in figures:
        lines.append(f"bits per byte  {figures['bits_per_byte']:.4f}")
    try:
        write_figures(json, "evaluate", {**settings, **figures})
    finally:  # a full disk takes only one of the two
        console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
    return 0
