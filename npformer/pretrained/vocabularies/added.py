"""Tokens that are no parts of words: special ones, and those that stand around a text."""

from __future__ import annotations

from collections.abc import Iterable

import tokenizers
from tokenizers import AddedToken, processors


def add_tokens(
    core: tokenizers.Tokenizer,
    special: Iterable[str],
    plain: Iterable[str] = (),
    spelled: Iterable[str] = (),
) -> None:
    """Find tokens of the vocabulary whole in a text; ``special`` ones are no text of a model's.

    ``plain`` ones are looked for in the text as it is, ``spelled`` ones in its normalised form.
    """
    core.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    core.add_tokens([AddedToken(token, normalized=False) for token in plain])
    core.add_tokens([AddedToken(token, normalized=True) for token in spelled])


def put_around(core: tokenizers.Tokenizer, first: str | None, last: str | None) -> None:
    """Put ``first`` before a text and ``last`` after it, also after what post-processes it now."""
    if first is None and last is None:
        return
    pieces = [first] * (first is not None) + ["$A"] + [last] * (last is not None)
    ids = [(token, core.token_to_id(token)) for token in (first, last) if token is not None]
    around = processors.TemplateProcessing(single=pieces, special_tokens=ids)
    before = core.post_processor
    core.post_processor = around if before is None else processors.Sequence([before, around])
