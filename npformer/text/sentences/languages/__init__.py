"""Languages by code; ``language_of`` finds one."""

from __future__ import annotations

from npformer.text.formats.languages import language_tag
from npformer.text.sentences.languages.english import ENGLISH
from npformer.text.sentences.languages.german import GERMAN
from npformer.text.sentences.languages.germanic import DANISH, DUTCH, SWEDISH
from npformer.text.sentences.languages.language import (
    BEFORE_NUMBER,
    ENDS,
    GOES_ON,
    MAY_END,
    Language,
    kinds,
    words,
)
from npformer.text.sentences.languages.others import (
    AMHARIC,
    ARABIC,
    ARMENIAN,
    CHINESE,
    GREEK,
    HINDI,
    JAPANESE,
    KHMER,
    URDU,
)
from npformer.text.sentences.languages.romance import FRENCH, ITALIAN, PORTUGUESE, SPANISH
from npformer.text.sentences.languages.slavic import POLISH, RUSSIAN

LANGUAGES = {
    "am": AMHARIC,
    "ar": ARABIC,
    "da": DANISH,
    "de": GERMAN,
    "el": GREEK,
    "en": ENGLISH,
    "es": SPANISH,
    "fr": FRENCH,
    "hi": HINDI,
    "hy": ARMENIAN,
    "it": ITALIAN,
    "ja": JAPANESE,
    "km": KHMER,
    "mr": HINDI,
    "nb": DANISH,
    "nl": DUTCH,
    "nn": DANISH,
    "no": DANISH,
    "pl": POLISH,
    "pt": PORTUGUESE,
    "ru": RUSSIAN,
    "sv": SWEDISH,
    "ur": URDU,
    "zh": CHINESE,
}

OTHER = Language(
    abbreviations=kinds(
        {
            GOES_ON: "Dr Prof St Mr Mrs Mgr Ing cf vs ca",
            BEFORE_NUMBER: "No no Nr nr p pp vol Vol fig Fig art Art",
            MAY_END: "Inc Ltd Co Jr",
            ENDS: "etc",
        }
    ),
    exclaimed=words("Yahoo"),
)
_WITH_ORDINALS = frozenset("cs sk sl hr sr bs fi et lv hu tr is fo hsb dsb".split())


def language_of(code: str) -> Language:
    """The rules of ``en``, ``de-AT``, ``deu_Latn``, ...

    Those of a language that is not listed are what most share.
    """
    main = (language_tag(code) or code.lower().replace("_", "-")).split("-")[0]
    if main in _WITH_ORDINALS:
        return OTHER._replace(ordinals=True)
    return LANGUAGES.get(main, OTHER)
