"""One picture for each attention of a model, for one sentence and its translation.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from npformer.inspect.alignment import token_alignment
from npformer.inspect.attention import attention_maps
from npformer.inspect.plots import attention_figure
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
    ``attention_maps``.
    """
    source_ids = tokenizer.source(tokenizer.encode(source))
    whole = tokenizer.whole(tokenizer.encode_written([target])[0])
    target_ids = whole[: len(whole) - len(tokenizer.close)] if model.decodes else whole
    sources = tokenizer.tokens(source_ids)
    read = tokenizer.tokens(target_ids)
    ending = tokenizer.close or sorted(tokenizer.ends)
    written = tokenizer.tokens([*target_ids, *ending][1 : len(target_ids) + 1])
    links = None if alignment is None else token_alignment(alignment, sources, written)
    sources, read, written = _shown(sources), _shown(read), _shown(written)
    figures = {}
    for path, probs in attention_maps(model, source_ids, target_ids).items():
        if path.endswith("cross_attn"):
            title = f"{path}: each target token, as it is written, looks at the source"
            figures[path] = attention_figure(probs, written, sources, title=title, alignment=links)
        elif not model.decodes:
            title = f"{path}: each token looks at the text"
            figures[path] = attention_figure(probs, read, read, title=title)
        elif path.startswith("decoder"):
            title = f"{path}: each target token, once read, looks back at the target"
            figures[path] = attention_figure(probs, read, read, title=title)
        else:
            title = f"{path}: each source token looks at the source"
            figures[path] = attention_figure(probs, sources, sources, title=title)
    return figures


def _shown(tokens: list[str]) -> list[str]:
    """Without the mark of the space before a word, which would stand before nearly all."""
    return [token.removeprefix("▁") or token for token in tokens]
