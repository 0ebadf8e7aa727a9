"""The characters that end, close, open and number sentences, by script."""

from __future__ import annotations

import re

ASCII_STOPS = ".!?…‼⁇⁈⁉"  # a space or a closing mark follows where they end a sentence
IDEOGRAPHIC_STOPS = "。．｡！？"  # no space follows
SHADS = "།༎༏༐༑"  # Tibetan; one may follow another after a space
# Unicode's Sentence_Terminal property, but for those above, the archaic scripts, and Myanmar's
# section sign, which writers use as a comma.
OTHER_STOPS = (
    "؝؞؟۔"  # Arabic
    "܀܁܂߹"  # Syriac, N'Ko
    "।॥"  # Devanagari and its neighbours
    "။"  # Myanmar
    "።፧፨"  # Ethiopic
    "។៕"  # Khmer
    "։\u037e"  # Armenian, the Greek question mark
    "᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᰻᰼᱾᱿꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫"  # Mongolian to Meetei Mayek
    "\u2024"  # the one dot leader, which Armenian uses after an abbreviation
)
SCRIPT_STOPS = IDEOGRAPHIC_STOPS + SHADS + OTHER_STOPS

CLOSING = "\"'”’“‘»«›‹)]}*_`†‡」』）》】〉〕］｝＂＇"
CLOSING_QUOTES = frozenset("\"'”’“»«›‹」』＂＇")
OPENING_MARKS = "\"'“”„‚‘’»«›‹([{*_-–—/`⁃「『（《"
BULLETS = "•‣▪◦⁃●∙■◆➢➤►"

# What notes hang on: [4] (also after a space), [note 2], superscripts.
NOTES = (
    r"(?:[⁰¹²³⁴-⁹]++|\[[^\]\[\s][^\]\[]{0,24}\]|\s\[\d{1,3}(?:[,–-]\s?\d{1,3})*+\](?=[\s\[]|\Z))*+"
)

OPENING = re.compile(r"(?:[\"'“”„‚‘’»«›‹(\[{*_`¿¡「『（《]|[-–—]\s)*+")
WORD = re.compile(r"[\w'’]{0,40}+(?:\.\w{1,3}\b){0,6}+")
OMISSION = re.compile(r"[\[(]\s?(?:\.\s?\.\s?\.|…)\s?[\])]\s*")
BRACKETED = re.compile(r"[(\[]\w{1,4}[)\]]\s+(?=[^\W\d_])")  # (vii) [z]
MARKER = re.compile(r"[(\"']?(?:\d{1,3}(?:\.\d{1,3})*+|[A-Za-z]|[ivxIVX]{1,5})[)]?")
NUMBERED = re.compile(r"\d.*|[A-Z]{0,2}-?\d{1,4}|[IVXLC]{1,7}")
ORDINAL = re.compile(
    r"\d{1,3}|[IVXLC]{1,7}|(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])"  # 3. XIV. 24.12.
)
NUMBER = re.compile(r"[(]?[\d.,½¼¾]*[\d½¼¾](?:st|nd|rd|th)?")
DOTTED = re.compile(r"(?:[^\W\d_]\.-?)+[^\W\d_]")
SPACED = re.compile(r"(?:(?<!\w)\w{1,3}\.\s?)+\w{1,4}\Z")
VERSE = re.compile(r"\d{1,3}:\d")


def stop_pattern(more: str, *, ascii_only: bool = False) -> re.Pattern[str]:
    """Groups: the stops, what closes after them; then notes. ``more``: a language's own stops.

    ``ascii_only``: for text that has no other characters, which is searched faster with it.
    """
    stops, closing = (_one_of(text, ascii_only) for text in (_stops(more), CLOSING))
    spaced = r"(?:(?<=\.)(?:[ \u00a0]\.)++"
    if not ascii_only:
        spaced += rf"|(?<=[{SHADS}])(?:\s?[{SHADS}])++"
    return re.compile(
        rf"([{stops}]{spaced})?[{stops}]*+)"
        rf"([{stops}{closing}]*+(?:[ \u00a0\u202f]»(?=[\s.,;:]|\Z))?){NOTES}"
    )


def inside_pattern(more: str, *, ascii_only: bool = False) -> re.Pattern[str]:
    """Found in every text of two sentences or list items, unless a bullet is its first character.

    A stop that a small letter, a digit or the end of the text follows separates nothing.
    """
    stops = _one_of(_stops(more), ascii_only)
    return re.compile(rf"[{stops})](?![a-z/@=]|(?<=\.)[0-9]|(?<=\))\S|\Z)")


def _stops(more: str) -> str:
    return ASCII_STOPS + SCRIPT_STOPS + more


def _one_of(characters: str, ascii_only: bool) -> str:
    return re.escape("".join(c for c in characters if c.isascii() or not ascii_only))
