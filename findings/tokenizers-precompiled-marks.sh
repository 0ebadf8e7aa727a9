#!/usr/bin/env bash
# tokenizers: SentencePiece's map of characters, read as Precompiled, loses a mark over a letter that it maps.
#
# Versions    tokenizers 0.23.3, sentencepiece 0.2.3, Python 3.11
# Behaviour   SentencePiece replaces the longest run of characters that its map has, from left to right. Precompiled looks
#             up a whole grapheme of up to 5 bytes, takes the first key that it begins with, and puts that key's value
#             in place of all of it: an accent over a letter of full width is gone. Longer graphemes are looked up a character
#             at a time, so that syllables of Korean that are written in parts are not composed, as the map would have it.
#             A model's ids and its text are others than those it was trained on, without a word.
# Seen        tokenizers 0.23.3, sentencepiece 0.2.3, the map of nmt_nfkc
#             'Ａ' and an accent: 'Á' by sentencepiece, 'A' by Precompiled
#             '한' in three parts: 1 character by sentencepiece, 3 by Precompiled
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tokenizers==0.23.3 sentencepiece==0.2.3 protobuf==7.36.2
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import io

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import normalizers

print(f"tokenizers {tokenizers.__version__}, sentencepiece {sentencepiece.__version__}, the map of nmt_nfkc")
out = io.BytesIO()
texts = [f"a few words of a text, number {n}" for n in range(99)]
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(texts), model_writer=out, vocab_size=30, minloglevel=2, add_dummy_prefix=False
)
proto = sentencepiece_model_pb2.ModelProto()
proto.ParseFromString(out.getvalue())
own = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
other = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)

wide, parts = "\uff21\u0301", "\u1112\u1161\u11ab"
found = [(own.normalize(text), other.normalize_str(text)) for text in (wide, parts)]
print(f"'Ａ' and an accent: {found[0][0]!r} by sentencepiece, {found[0][1]!r} by Precompiled")
print(f"'한' in three parts: {len(found[1][0])} character by sentencepiece, {len(found[1][1])} by Precompiled")
if found[0] != ("\u00c1", "A") or found[1] != ("\ud55c", parts):
    raise SystemExit("no longer as stated")
print("as stated: a mark is lost, and a syllable is not composed")
PY
