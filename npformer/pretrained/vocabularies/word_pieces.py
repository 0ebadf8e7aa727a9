"""WordPiece (Schuster & Nakajima, 2012): a word is cut into the longest pieces that there are."""

from __future__ import annotations

from collections.abc import Sequence

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from npformer.errors import TokenizerError
from npformer.pretrained.vocabularies.added import add_tokens, put_around

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def word_pieces(
    pieces: Sequence[str], *, lowercase: bool, strip_accents: bool | None = None
) -> tokenizers.Tokenizer:
    """BERT's tokenizer of pieces, in which ``##`` goes on with a word: [CLS], the text, [SEP].

    Accents are stripped where words are lowercased, unless told. Raises TokenizerError without the
    special tokens.
    """
    for token in SPECIAL:
        if token not in pieces:
            raise TokenizerError(f"its vocabulary has no {token}")
    core = tokenizers.Tokenizer(
        models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    core.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    add_tokens(core, SPECIAL)
    put_around(core, "[CLS]", "[SEP]")
    return core
