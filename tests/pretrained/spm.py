"""Small models of SentencePiece, trained here, as directories of several families have them."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from npformer.data.grammar.generate import generate

SAID = [
    "The old man does not see the red car, and the red car does not see him.",
    "Der alte Mann sieht das rote Auto nicht; heute schläft er.",
    "東京は日本の首都です。 Привет, мир! Größe, Fuß, Straße.",
    "In 1889 it had 2447957 people, 3 dogs and 24 cats.",
] + [side for pair in generate("train", 150) for side in (pair.source, pair.target)]
HARD = (
    *("", " ", "  two  spaces  ", "a\nb\r\n\tc", "Größe 東京 ½ ﬁ ① 🙂 👩\u200d👩\u200d👧"),
    *("e\u0301 か\u3099 \u1112\u1161\u11ab", "\x00\x01\x7f\u200b\ufeff\u3000", "▁a▁▁b"),
    *("</s> <pad><unk>x", "<sep>a <sep>", "x" * 300),
)
"""Texts on which a reading of the files goes wrong first."""
LETTERS = "The red car 019½.,'s\n\r\té\u0301\u3099か漢🙂\u200d▁<sep>ÄßﬁＡ\u3000\x01"


@functools.cache
def trained(**settings: Any) -> bytes:
    """A model's file."""
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SAID), model_writer=out, minloglevel=2, **settings
    )
    return out.getvalue()


def as_llama() -> bytes:
    """Pairs, bytes for what they do not spell, and every space as it is."""
    return trained(
        model_type="bpe", vocab_size=480, byte_fallback=True, split_digits=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        user_defined_symbols="<sep>,▁▁▁",
    )  # fmt: skip


def as_t5() -> bytes:
    """Likely pieces, of normalised text, and no beginning."""
    return trained(model_type="unigram", vocab_size=150, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)


def as_opus(size: int) -> bytes:
    """One side's."""
    return trained(model_type="unigram", vocab_size=size, eos_id=0, unk_id=1, bos_id=-1)


def as_fairseq(kind: str) -> bytes:
    """One whose ids are another's: pairs are NLLB's kind, likely pieces XLM-RoBERTa's."""
    return trained(model_type=kind, vocab_size=400)


def pieces(model: bytes) -> list[str]:
    """A model's pieces, in order."""
    import sentencepiece

    read = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [read.id_to_piece(i) for i in range(read.piece_size())]


def numbered(first: Iterable[str], *more: Iterable[str]) -> dict[str, int]:
    """A table of ids, each of the tokens once."""
    tokens = dict.fromkeys([*first, *(token for each in more for token in each)])
    return {token: n for n, token in enumerate(tokens)}


def opus(directory: Path, *, languages: Iterable[str] = (), two: bool = False) -> dict[str, int]:
    """The files of an OPUS-MT directory; the table of what is written.

    ``two`` has a table for each side.
    """
    source, target = as_opus(150), as_opus(130)
    (directory / "source.spm").write_bytes(source)
    (directory / "target.spm").write_bytes(target)
    codes = [f">>{language}<<" for language in languages]
    sides = (pieces(source)[2:], pieces(target)[2:])
    marks = ["</s>", "<unk>"]
    tables = [numbered(marks, side, codes, ["<pad>"]) for side in sides] if two else []
    tables = tables or [numbered(marks, *sides, codes, ["<pad>"])]
    # Not every piece is in the table of ids, and then it is unknown.
    tables[0].pop("▁the", None)
    names = ("vocab.json", "target_vocab.json")
    for name, table in zip(names, tables, strict=False):
        (directory / name).write_text(json.dumps(numbered(table)), encoding="utf-8")
    said = {"separate_vocabs": two, "tokenizer_class": "MarianTokenizer"}
    (directory / "tokenizer_config.json").write_text(json.dumps(said))
    return numbered(tables[-1])
