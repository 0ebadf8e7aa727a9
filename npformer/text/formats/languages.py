"""Languages as files name them: ``de``, ``deu``, ``ger``, ``German``, ``de-AT``, ``de_DE``."""

from __future__ import annotations

import re

# ISO 639-1, the codes of ISO 639-2 and -3, the name in English, in the language, in some others.
_TABLE = """
ar ara arabic
bg bul bulgarian
bn ben bengali
ca cat catalan
cs ces cze czech
cy cym wel welsh
da dan danish dansk
de deu ger german deutsch allemand alemán tedesco
el ell gre greek
en eng english englisch anglais inglés inglese
es spa spanish español spanisch espagnol
et est estonian eesti
eu eus baq basque
fa fas per persian farsi
fi fin finnish suomi
fr fra fre french français französisch francés
ga gle irish
gl glg galician
he heb hebrew
hi hin hindi
hr hrv croatian hrvatski
hu hun hungarian magyar
id ind indonesian
is isl ice icelandic
it ita italian italiano italienisch italien
ja jpn japanese
ka kat geo georgian
ko kor korean
la lat latin
lt lit lithuanian
lv lav latvian
mk mkd mac macedonian
ms msa may malay
nl nld dut dutch nederlands
no nor norwegian norsk
nb nob
nn nno
pl pol polish polski
pt por portuguese português
ro ron rum romanian
ru rus russian
sk slk slo slovak
sl slv slovenian slovene
sq sqi alb albanian
sr srp serbian
sv swe swedish svenska
sw swa swahili
ta tam tamil
th tha thai
tr tur turkish
uk ukr ukrainian
ur urd urdu
vi vie vietnamese
zh zho chi chinese
"""
_CODES = {name: line.split()[0] for line in _TABLE.split("\n") for name in line.split()}
# A region or a script behind a code: AT, Latn, 419.
_TAG = re.compile(r"([a-z]{2,3})((?:-[a-z0-9]{2,8})*)")


def language_tag(name: str) -> str:
    """``de-at`` for ``de_AT``, ``de`` for ``German``; empty for what names no language."""
    name = name.strip().casefold().replace("_", "-").partition(".")[0].partition("@")[0]
    if name in _CODES:
        return _CODES[name]
    tag = _TAG.fullmatch(name)
    return _CODES[tag[1]] + tag[2] if tag and tag[1] in _CODES else ""


def matches(name: str, wanted: str) -> bool:
    """Whether a file's ``name`` of a language is ``wanted``: ``en-GB`` is ``en``, not ``en-US``.

    Both may be words that are not in the table; they then match if they are the same.
    """
    if name.casefold() == wanted.casefold():
        return True
    found, asked = language_tag(name), language_tag(wanted)
    return bool(found and asked) and (found == asked or found.startswith(asked + "-"))
