"""A sentence tokenizer: regular expressions find the stops, a few rules decide which ones end.

Text is cut in two steps. ``split_paragraphs`` first finds the lines that belong together: a line
break counts as wrapping, and becomes a space, only where the next word would not have fitted in
the paragraph's longest line; every other line break and every blank line is kept. Each block is
then cut into sentences at runs of ``. ! ? …`` (with the quotes and brackets that close after
them) that white space follows, unless a rule of ``_ends_here`` says that the sentence goes on.

Nothing but white space is ever lost. Every pattern is possessive or bounded and the look around
a stop is limited to a fixed number of characters, so the time is linear in the length of the
text. Where a stop could be read both ways ("Er ist 25. Peter ...", where 25. may be an ordinal)
the text is left in one piece: a model translates two sentences better than two halves of one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

from npformer.errors import ConfigError, NpformerError, install, nearest
from npformer.text.abbreviations import Rules, rules_for

Splitter = Literal["regex", "spacy"]

_STOP = re.compile(r"([.!?…]++)([.!?…\"'”’“‘»«›‹)\]}*_]*+)(?:\[\d{1,3}\])*+")
_OPENING = re.compile(r"(?:[\"'“”„‚‘’»«›‹(\[{*_¿¡]|[-–—]\s)*+")
_WORD = re.compile(r"[\w'’]{0,40}+")
_OPENING_MARKS = "\"'“”„‚‘’»«›‹([{*_-–—/"
_MARKER = re.compile(r"[(\"']?(?:\d{1,3}(?:\.\d{1,3})*+|[A-Za-z]|[ivxIVX]{1,5})")
_ITEM = re.compile(r"\s*+(?:[-*+•‣▪–—]\s|[(]?(?:\d{1,3}|[A-Za-z])[.)]\s)")
_FOOTNOTE = re.compile(r"\[\d{1,3}\]")
_ROMAN = re.compile(r"[IVXLC]{1,7}")
_ORDINAL = re.compile(
    r"\d{1,3}|[IVXLC]{1,7}|(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])"  # 3. XIV. 24.12.
)
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_SPACED = re.compile(r"(?:(?<!\w)\w\.\s?)+\w{1,3}\Z")

_BULLETS = frozenset(("", "-", "*", "+", "•", "‣", "▪", "–", "—", "(", '"'))
_LOOK_BACK = 48  # characters before a stop: longer than any abbreviation
_NARROWEST, _WIDEST = 40, 120  # columns at which people's editors wrap text


def split_sentences(text: str, language: str = "en", *, engine: Splitter = "regex") -> list[str]:
    """The sentences of ``text``, stripped; together they hold all of its non-space characters.

    ``engine="spacy"`` asks spaCy's rule-based sentencizer instead and needs the extra ``spacy``
    (``NpformerError`` without it).
    """
    paragraphs = split_paragraphs(text, language, engine=engine)
    return [sentence for paragraph in paragraphs for sentence in paragraph]


def split_paragraphs(
    text: str, language: str = "en", *, engine: Splitter = "regex"
) -> list[list[str]]:
    """The sentences of each paragraph; an empty list stands for a blank line.

    A paragraph is a line, or several that were one line before an editor wrapped them.
    ``join_paragraphs`` puts the text back together.
    """
    rules = rules_for(language)
    split = _splitter(language, engine, rules)
    return [list(split(block)) if block else [] for block in _blocks(text, rules)]


def join_paragraphs(paragraphs: list[list[str]]) -> str:
    """One line per paragraph, its sentences separated by spaces; an empty one is a blank line."""
    return "\n".join(" ".join(sentences) for sentences in paragraphs)


def _splitter(language: str, engine: str, rules: Rules) -> Callable[[str], Iterator[str]]:
    if engine == "regex":
        return lambda block: _cut(block, rules)
    if engine == "spacy":
        pipeline = _spacy_pipeline(language)
        return lambda block: (s for span in pipeline(block).sents if (s := span.text.strip()))
    raise ConfigError(
        f"sentence engine {engine!r} does not exist; choose regex or spacy"
        + nearest(engine, ["regex", "spacy"])
    )


@functools.lru_cache(maxsize=4)
def _spacy_pipeline(language: str) -> Any:
    try:
        import spacy
    except ImportError as error:
        raise NpformerError(f"the spacy sentence engine needs spaCy; {install('spacy')}") from error
    try:
        pipeline = spacy.blank(language)
    except ImportError as error:
        raise NpformerError(
            f"spaCy has no language {language!r}; give a code such as en or de"
        ) from error
    pipeline.add_pipe("sentencizer")
    pipeline.max_length = 1 << 40  # its limit is for parsers; splitting needs little memory
    return pipeline


def _blocks(text: str, rules: Rules) -> Iterator[str]:
    """Every line, stripped, with wrapped lines joined; a blank line is an empty block."""
    paragraph: list[str] = []
    for line in text.splitlines():
        if line.strip():
            paragraph.append(line.rstrip())
            continue
        yield from _unwrap(paragraph, rules)
        paragraph = []
        yield ""
    yield from _unwrap(paragraph, rules)


def _unwrap(lines: list[str], rules: Rules) -> Iterator[str]:
    width = max(map(len, lines), default=0)
    may_be_wrapped = _NARROWEST <= width <= _WIDEST
    block: list[str] = []
    for number, line in enumerate(lines):
        block.append(line.strip())
        following = lines[number + 1] if number + 1 < len(lines) else None
        if (
            following is None
            or not may_be_wrapped
            or len(line) + 1 + len(following.split(None, 1)[0]) <= width
            or _ITEM.match(following)
            or _line_ends_sentence(line, following, rules)
        ):
            yield " ".join(block)
            block = []


def _line_ends_sentence(line: str, following: str, rules: Rules) -> bool:
    joined = line.strip() + " " + following.strip()
    ends = len(line.strip())
    return any(m.end() == ends and _ends_here(joined, 0, m, rules) for m in _STOP.finditer(joined))


def _cut(block: str, rules: Rules) -> Iterator[str]:
    begin = 0
    for stop in _STOP.finditer(block):
        end = stop.end()
        if end < len(block) and block[end].isspace() and _ends_here(block, begin, stop, rules):
            yield block[begin:end].strip()
            begin = end
    if rest := block[begin:].strip():
        yield rest


def _ends_here(text: str, begin: int, stop: re.Match[str], rules: Rules) -> bool:
    """Whether the sentence that began at ``begin`` ends at ``stop``, which a space follows."""
    at = stop.end()
    while at < len(text) and text[at].isspace():
        at += 1
    start = at
    at = _OPENING.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too
    first = text[at : at + 1]
    word = _WORD.match(text, at).group().rstrip("'’")  # type: ignore[union-attr]
    if first.islower() and not word[1:2].isupper():  # iPhone and eBay open sentences
        return False
    if not first or first in ".!?…" or _FOOTNOTE.match(text, start):
        return False  # what follows is not a sentence
    stops, closing = stop.group(1), stop.group(2)
    before = text[max(begin, stop.start() - _LOOK_BACK) : stop.start()]
    if "!" in stops or "?" in stops or not {".", "!", "?", "…"}.isdisjoint(closing):
        return True
    if "…" in stops or len(stops) > 1 or not before or before[-1].isspace():
        if text[start] in "-–—":
            return False  # a menu's path: File – Open… – Recent
        return first.isupper() and word != "I"  # an ellipsis, perhaps a spaced one
    opens = word in rules.openers and text[at + len(word) : at + len(word) + 1] != "."
    number = first.isdigit() or _ROMAN.fullmatch(word) is not None
    whole = stop.start() - begin <= _LOOK_BACK
    return _full_stop_ends(before, whole=whole, opens=opens, number=number, rules=rules)


def _full_stop_ends(before: str, *, whole: bool, opens: bool, number: bool, rules: Rules) -> bool:
    """Whether a single full stop ends the sentence whose last characters are ``before``.

    ``whole``: they are all of it; ``opens``: the next word is one that opens sentences;
    ``number``: the next word is a number.
    """
    token = before.split()[-1].lstrip(_OPENING_MARKS)
    lead = before[: len(before) - len(token)].strip()
    is_first = whole and lead in _BULLETS
    if _MARKER.fullmatch(token) and (is_first or lead.endswith((":", ";"))):
        return False  # the marker of a list item
    if spaced := _SPACED.search(before):  # "z. B", "v. Chr"
        joined = "".join(spaced.group().split())
        token = joined if any(joined in known for known in rules[:4]) else token
    names = {token, token[:1].lower() + token[1:]} if is_first else {token}
    if not names.isdisjoint(rules.never):
        return False
    if not names.isdisjoint(rules.before_number) or token.endswith(rules.streets):
        return not number
    if not names.isdisjoint(rules.often_end):
        return True
    if not names.isdisjoint(rules.may_end):
        return opens
    if (len(token) == 1 and token.isalpha()) or _DOTTED.fullmatch(token):  # J. and N.A.S.A.
        return opens
    if rules.ordinals and _ORDINAL.fullmatch(token):
        return opens
    return True
