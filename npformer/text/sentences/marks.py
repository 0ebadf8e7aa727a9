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


def stop_pattern(more: str) -> re.Pattern[str]:
    """Groups: the stops, what closes after them; then notes. ``more``: a language's own stops."""
    stops = re.escape(ASCII_STOPS + SCRIPT_STOPS + more)
    closing = re.escape(CLOSING)
    return re.compile(
        rf"([{stops}](?:(?<=\.)(?:[ \u00a0]\.)++|(?<=[{SHADS}])(?:\s?[{SHADS}])++)?[{stops}]*+)"
        rf"([{stops}{closing}]*+(?:[ \u00a0\u202f]»(?=[\s.,;:]|\Z))?){NOTES}"
    )
