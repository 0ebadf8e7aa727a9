"""Which files of SentencePiece a source has, and what else its texts are made of.

Most models have one file, whose pieces have their places for ids. Translators have a table of ids
beside it, and OPUS-MT a file for each side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from npformer.errors import TokenizerError
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

LANGUAGES = """
af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he
hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no
ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo
zh zu
"""
"""M2M-100's, in the order of their ids, which not all of its files list."""


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

    Raises as ``of_language``.
    """
    table = read_table(source, TABLE)
    if not table:
        raise TokenizerError(f"there is no {TABLE} beside it, which has the ids")
    marks = {token: table[token] for token in ("<s>", "<pad>", "</s>", "<unk>") if token in table}
    tokens = _tokens(source, len(table))
    special = {**marks, **tokens.special}
    for n, language in enumerate(LANGUAGES.split()):
        special.setdefault(f"__{language}__", len(table) + n)
    language = read_table(source, TOKENIZER_CONFIG).get("src_lang") or "en"
    layout = Layout(
        name,
        table=TABLE,
        special=special,
        added=tokens.added,
        first=_ids(special, f"__{language}__", TOKENIZER_CONFIG),
        last=_ids(table, "</s>", TABLE),
    )
    return SentencePieceVocabulary(source.files, layout)


FILES: dict[tuple[str, tuple[str, ...]], Callable[[Source, str], SentencePieceVocabulary]] = {
    ("tokenizer.model", ("llama", "mistral", "gemma2", "gemma3_text", "gemma3", "phi3")): (
        of_language
    ),
    ("spiece.model", ("t5", "mt5")): of_t5,
    ("source.spm", ("marian",)): of_sides,
    ("sentencepiece.bpe.model", ("m2m_100",)): of_many_languages,
}
"""A file, the types of models that have it, and what makes a vocabulary of it."""


class _Tokens(NamedTuple):
    special: dict[str, int]
    added: dict[str, int]


def _tokens(source: Source, size: int) -> _Tokens:
    """Tokens that come beside the pieces, which have ids up to ``size``.

    Files say their ids, or list them in order.
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
            if token not in found.special:
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
