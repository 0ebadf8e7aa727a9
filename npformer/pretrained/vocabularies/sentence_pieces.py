"""SentencePiece's pairs (Kudo & Richardson, 2018): the pair that makes the best piece is merged.

Its own files say no merges. Every way to make a piece of two others is one, and pieces of a higher
score come first.
"""

from __future__ import annotations

from collections.abc import Sequence

import tokenizers
from tokenizers import decoders, models, normalizers

from npformer.errors import TokenizerError

SPACE = "▁"


def sentence_pieces(
    pieces: Sequence[str],
    scores: Sequence[float],
    unknown: str | None,
    *,
    bytes_too: bool,
    prefix: bool,
) -> tokenizers.Tokenizer:
    """The tokenizer of pieces with their scores, in which a space is ``▁``.

    ``bytes_too`` has a piece for each byte of what no other spells, ``<0x0A>``; ``prefix`` puts a
    space before a text. Raises TokenizerError if there is not a score for each piece.
    """
    if len(scores) != len(pieces):
        raise TokenizerError(f"it has {len(pieces)} pieces and {len(scores)} scores")
    spelled = [SPACE * len(piece) if piece and not piece.strip(" ") else piece for piece in pieces]
    vocabulary = {piece: n for n, piece in enumerate(spelled)}
    try:
        core = tokenizers.Tokenizer(
            models.BPE(
                vocabulary,
                _merges(vocabulary, scores),
                unk_token=unknown,
                fuse_unk=True,
                byte_fallback=bytes_too,
            )
        )
    except Exception as error:  # the library raises plain Exception
        raise TokenizerError(f"its pieces cannot be understood: {error}") from error
    written = [normalizers.Replace(" ", SPACE)]
    core.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE)] * prefix + written)
    spaced = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    core.decoder = decoders.Sequence(spaced + [decoders.Strip(" ", 1, 0)] * prefix)
    return core


def _merges(vocabulary: dict[str, int], scores: Sequence[float]) -> list[tuple[str, str]]:
    found = []
    for piece, n in vocabulary.items():
        for at in range(1, len(piece)):
            left, right = piece[:at], piece[at:]
            if left in vocabulary and right in vocabulary:
                found.append((-scores[n], n, vocabulary[left], left, right))
    return [(left, right) for *_, left, right in sorted(found)]
