"""One picture for each attention of a model, for a sentence, a pair of them, or a recording.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from npformer.inspect.alignment import Links, token_alignment
from npformer.inspect.attention import maps_of
from npformer.inspect.plots import attention_figure
from npformer.inspect.reading import Reading, read_pair, shown
from npformer.models.model import Model
from npformer.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from npformer.inspect.picture import Picture


def sentence_figures(
    model: Model,
    tokenizer: Tokenizer,
    source: str,
    target: str,
    *,
    alignment: Iterable[tuple[int, int]] | None = None,
) -> dict[str, Picture]:
    """Module path -> figure of all its heads, for ``source`` and its translation ``target``.

    A row of cross-attention is named by the token that is being written, which is what the
    alignment speaks of; a row of self-attention by the token that was read. ``alignment`` holds
    (source, target) word links, as ``token_alignment`` takes them; they are ringed in the
    cross-attention, with the share of attention on them behind a head's name. Raises as
    ``read_pair``.
    """
    reading = read_pair(model, tokenizer, source, target)
    links = None
    if alignment is not None:
        inputs, targets = reading.batch.inputs, reading.batch.targets
        tokens = [tokenizer.tokens(ids[0].tolist()) for ids in (inputs["source"], targets)]
        links = token_alignment(alignment, *tokens)
    return reading_figures(model, tokenizer, reading, links)


def reading_figures(
    model: Model, tokenizer: Tokenizer, reading: Reading, links: Links | None = None
) -> dict[str, Picture]:
    """The same of what is read (``read_pair``, ``read_recording``), with links between tokens.

    Columns of a recording are stretches of time, with all the attention on them; a row of them is
    their mean.
    """
    inputs = reading.batch.inputs
    read = shown(tokenizer, inputs["target"][0])
    written = shown(tokenizer, reading.batch.targets[0]) if model.decodes else read
    sources, first = reading.sources, next(iter(model.streams.values()))
    whose = "source" if reading.starts is None else "sound"
    figures = {}
    for path, probs in maps_of(model, inputs).items():
        if path.endswith("cross_attn"):
            title = f"{path}: each target token, as it is written, looks at the {whose}"
            found = reading.looked_at(probs)
            figures[path] = attention_figure(found, written, sources, title=title, alignment=links)
        elif sources and path.startswith(first):
            each = "source token" if reading.starts is None else "stretch"
            title = f"{path}: each {each} looks at the {whose}"
            found = reading.looking(reading.looked_at(probs))
            figures[path] = attention_figure(found, sources, sources, title=title)
        else:
            title = (
                f"{path}: each target token, once read, looks back at the target"
                if model.decodes
                else f"{path}: each token looks at the text"
            )
            figures[path] = attention_figure(probs, read, read, title=title)
    return figures
