"""Distinct sentence pairs for a split, from a seed."""

from __future__ import annotations

import hashlib
import random
from typing import Literal, get_args

from npformer.data.grammar.draw_sentences import SentenceDraw
from npformer.data.grammar.leaves import Pair, align, spell
from npformer.errors import CorpusError, nearest

Split = Literal["train", "validation", "test"]
_TENTHS: dict[int, Split] = {0: "test", 1: "validation"}
MOST_PAIRS = 10_000_000  # far more than training needs, and about what memory can hold


def split_of(target: str) -> Split:
    """The split that a German sentence belongs to: a tenth each for validation and test.

    The German sentence decides, because two English ones may share it ("my friend must not
    wait", "my friend may not wait") while no English sentence has two translations.
    """
    digest = hashlib.blake2b(target.encode(), digest_size=4).digest()
    return _TENTHS.get(int.from_bytes(digest, "little") % 10, "train")


def generate(split: Split, count: int, seed: int = 0) -> list[Pair]:
    """``count`` distinct pairs of a split, the same ones for the same arguments.

    No sentence of one split, English or German, occurs in another. A smaller ``count`` gives a
    prefix of a larger one's list. Raises ``CorpusError`` for a split that does not exist, and
    for a count that is negative or above ``MOST_PAIRS``.
    """
    if split not in get_args(Split):
        raise CorpusError(
            f"split {split!r} does not exist; choose one of {', '.join(get_args(Split))}"
            + nearest(str(split), get_args(Split))
        )
    if not 0 <= count <= MOST_PAIRS:
        raise CorpusError(f"count is {count}; it must be in [0, {MOST_PAIRS}]")
    draw = SentenceDraw(random.Random(f"npformer {split} {seed}"))
    pairs: list[Pair] = []
    seen: set[str] = set()
    while len(pairs) < count:
        english, german, sign = draw.sentence()
        target, target_masks = spell(german, sign)
        if split_of(target) == split:
            source, source_masks = spell(english, sign)
            if source not in seen:
                seen.add(source)
                pairs.append(Pair(source, target, align(source_masks, target_masks)))
    return pairs
