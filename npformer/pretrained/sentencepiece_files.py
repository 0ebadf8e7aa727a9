"""Which files of SentencePiece a source has, and what else its texts are made of.

Most models have one file, whose pieces have their places for ids, those of fairseq one more.
Translators have a table of ids beside it, and OPUS-MT a file for each side.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from npformer.errors import TokenizerError
from npformer.pretrained.fairseq_languages import M2M_100, NLLB
from npformer.pretrained.names import (
    ADDED_TOKENS,
    SPECIAL_TOKENS,
    TABLE,
    TARGET_TABLE,
    TOKENIZER_CONFIG,
)
from npformer.pretrained.small_files import read_table
from npformer.pretrained.source import Source
from npformer.text.sentencepiece_vocabulary import Layout, SentencePieceVocabulary

CODE = r">>.*?<<"
"""How the language of a translation is written before its source, by OPUS-MT."""
SENTINELS = 100
"""T5's tokens for what is left out of a text, where nothing says how many."""
MARKS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
"""fairseq's, in place of the three that a file begins with; its pieces come one later."""


def of_language(source: Source, name: str) -> SentencePieceVocabulary:
    """That of a model of language (Llama, Gemma): a text begins with BOS unless the files say not.

    Raises TokenizerError as ``SentencePieceVocabulary``, and for files beside it that are damaged.
    """
    said = read_table(source, TOKENIZER_CONFIG)
    found = SentencePieceVocabulary(source.files, Layout(name))
    tokens = _tokens(source, found.size)
    ids = {**found.ids(), **tokens.special}

    def marked(which: str, usual: bool, names: tuple[str, ...]) -> tuple[int, ...]:
        own = _text(said.get(f"{which}_token"))
        named = next((n for n in (own, *names) if n in ids), None)
        wanted = said.get(f"add_{which}_token", usual)
        return (ids[named],) if wanted and named is not None else ()

    layout = Layout(
        name,
        **tokens._asdict(),
        first=marked("bos", True, ("<s>", "<bos>")),
        last=marked("eos", False, ("</s>", "<eos>")),
    )
    return SentencePieceVocabulary(source.files, layout)


def of_t5(source: Source, name: str) -> SentencePieceVocabulary:
    """T5's: the end after a text, and tokens for what is left out of it, the last of them first.

    Raises as ``of_language``.
    """
    found = SentencePieceVocabulary(source.files, Layout(name))
    tokens, said = _tokens(source, found.size), read_table(source, TOKENIZER_CONFIG)
    known = {**found.ids(), **tokens.special, **tokens.added}
    count = said.get("extra_ids", SENTINELS)
    sentinels = {
        f"<extra_id_{n}>": found.size + count - 1 - n
        for n in range(count)
        if f"<extra_id_{n}>" not in known
    }
    layout = Layout(
        name,
        special={**tokens.special, **sentinels},
        added=tokens.added,
        last=_ids(known, "</s>", name),
    )
    return SentencePieceVocabulary(source.files, layout)


def of_sides(source: Source, name: str) -> SentencePieceVocabulary:
    """OPUS-MT's: a file for each side, and a table of ids, or one for each side too.

    Raises as ``of_language``.
    """
    both = read_table(source, TOKENIZER_CONFIG).get("separate_vocabs")
    table = read_table(source, TABLE)
    layout = Layout(
        name,
        target="target.spm",
        table=TABLE,
        target_table=TARGET_TABLE if both else "",
        special={token: table[token] for token in ("</s>", "<unk>", "<pad>") if token in table},
        code=CODE,
        last=_ids(table, "</s>", TABLE),
    )
    return SentencePieceVocabulary(source.files, layout)


def of_many_languages(source: Source, name: str) -> SentencePieceVocabulary:
    """M2M-100's: a table of ids, after which languages follow, and the end after a text.

    NLLB's have fairseq's places for ids, and no table. Raises as ``of_language``.
    """
    said = read_table(source, TOKENIZER_CONFIG)
    kind = said.get("tokenizer_class") or source.config.get("tokenizer_class") or ""
    if str(kind).startswith("Nllb"):
        return _of_nllb(source, name, said)
    table = read_table(source, TABLE)
    if not table:
        raise TokenizerError(f"there is no {TABLE} beside it, which has the ids")
    marks = {token: table[token] for token in ("<s>", "<pad>", "</s>", "<unk>") if token in table}
    tokens = _tokens(source, len(table))
    special = {**marks, **tokens.special}
    for n, language in enumerate(M2M_100):
        special.setdefault(f"__{language}__", len(table) + n)
    language = said.get("src_lang") or "en"
    layout = Layout(
        name,
        table=TABLE,
        special=special,
        added=tokens.added,
        first=_ids(special, f"__{language}__", TOKENIZER_CONFIG),
        last=_ids(table, "</s>", TABLE),
    )
    return SentencePieceVocabulary(source.files, layout)


def _of_nllb(source: Source, name: str, said: Mapping[str, Any]) -> SentencePieceVocabulary:
    """Languages and a mask follow; a text begins with its language, of old it ended with it."""
    layout = _fairseq(source, name, [*NLLB, "<mask>"])
    language = _ids(layout.special, said.get("src_lang") or "eng_Latn", TOKENIZER_CONFIG)
    end = (MARKS["</s>"],)
    if said.get("legacy_behaviour"):
        layout = replace(layout, last=end + language)
    else:
        layout = replace(layout, first=language, last=end)
    return SentencePieceVocabulary(source.files, layout)


def of_xlm_roberta(source: Source, name: str) -> SentencePieceVocabulary:
    """XLM-RoBERTa's: fairseq's places for ids, then a mask; ``<s>`` and ``</s>`` around a text.

    Raises as ``of_language``.
    """
    layout = _fairseq(source, name, ["<mask>"])
    around = replace(layout, first=(MARKS["<s>"],), last=(MARKS["</s>"],))
    return SentencePieceVocabulary(source.files, around)


def _fairseq(source: Source, name: str, following: Iterable[str]) -> Layout:
    """Its marks before the pieces of a file, and other tokens after them."""
    layout = Layout(name, offset=1, special=MARKS)
    size = SentencePieceVocabulary(source.files, layout).size
    special = {**MARKS, **{token: size + n for n, token in enumerate(following)}}
    tokens = _tokens(source, 1 + max(special.values()), special)
    return replace(layout, special={**special, **tokens.special}, added=tokens.added)


FILES: dict[tuple[str, tuple[str, ...]], Callable[[Source, str], SentencePieceVocabulary]] = {
    ("tokenizer.model", ("llama", "mistral", "gemma2", "gemma3_text", "gemma3", "phi3")): (
        of_language
    ),
    ("spiece.model", ("t5", "mt5")): of_t5,
    ("source.spm", ("marian",)): of_sides,
    ("sentencepiece.bpe.model", ("m2m_100",)): of_many_languages,
    ("sentencepiece.bpe.model", ("xlm-roberta",)): of_xlm_roberta,
}
"""A file, the types of models that have it, and what makes a vocabulary of it."""


class _Tokens(NamedTuple):
    special: dict[str, int]
    added: dict[str, int]


def _tokens(source: Source, size: int, known: Container[str] = ()) -> _Tokens:
    """Tokens that come beside the pieces, which have ids up to ``size``.

    Files say their ids, or list them in order; those that are ``known`` need none.
    """
    said = read_table(source, TOKENIZER_CONFIG)
    found = _Tokens({}, {})
    try:
        for i, token in (said.get("added_tokens_decoder") or {}).items():
            where = found.special if token.get("special") else found.added
            where[str(_text(token))] = int(i)
        for token, i in read_table(source, ADDED_TOKENS).items():
            if token not in found.added:
                found.special[token] = int(i)
        for token in _listed(source):
            if token not in found.special and token not in known:
                found.special[token] = max((size - 1, *found.special.values())) + 1
    except (AttributeError, TypeError, ValueError) as error:
        raise TokenizerError(f"its added tokens cannot be understood: {error}") from error
    return found


def _listed(source: Source) -> Iterator[str]:
    for name in (SPECIAL_TOKENS, TOKENIZER_CONFIG):
        said = read_table(source, name)
        for key in ("additional_special_tokens", "extra_special_tokens"):
            each = said.get(key) or []
            yield from (str(_text(token)) for token in each if not isinstance(each, dict))


def _text(token: Any) -> Any:
    """A token's text, which may be in a table with how it is found."""
    return token["content"] if isinstance(token, dict) else token


def _ids(known: Any, token: str, name: str) -> tuple[int, ...]:
    if token not in known:
        raise TokenizerError(f"{name} has no {token}, which stands around a text")
    return (known[token],)
