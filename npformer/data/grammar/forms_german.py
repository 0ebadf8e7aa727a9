"""German inflection: endings of articles and adjectives, forms of nouns and verbs.

Indices, everywhere: case 0 nominative, 1 accusative, 2 dative, 3 genitive; gender 0 masculine,
1 feminine, 2 neuter, 3 plural of any; person 0 ich, 1 du, 2 er/sie/es, 3 wir, 4 sie (plural).
"""

from __future__ import annotations

NOMINATIVE, ACCUSATIVE, DATIVE, GENITIVE = range(4)
CASES = {"accusative": ACCUSATIVE, "dative": DATIVE}
GENDERS = {"der": 0, "die": 1, "das": 2}
PLURAL = 3


def _table(text: str) -> tuple[tuple[str, ...], ...]:
    """Rows are cases, columns are genders; a dash is an empty ending."""
    return tuple(
        tuple(cell.replace("-", "") for cell in line.split()) for line in text.strip().splitlines()
    )


THE = _table("der die das die\nden die das die\ndem der dem den\ndes der des der")
RELATIVE = _table("der die das die\nden die das die\ndem der dem denen\ndessen deren dessen deren")
# dieser, jeder, welcher
STRONG_DETERMINER = _table("er e es e\nen e es e\nem er em en\nes er es er")
# ein, kein, mein
EIN = _table("- e - e\nen e - e\nem er em en\nes er es er")

# The adjective's ending after der, dieser, jeder; after ein, kein, mein; and without article.
WEAK_ADJECTIVE = _table("e e e en\nen e e en\nen en en en\nen en en en")
MIXED_ADJECTIVE = _table("er e es en\nen e es en\nen en en en\nen en en en")
STRONG_ADJECTIVE = _table("er e es e\nen e es e\nem er em en\nen er en er")

CONTRACTIONS = {
    ("in", "dem"): "im",
    ("in", "das"): "ins",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
}


def noun_forms(gender: int, singular: str, genitive: str, plural: str | None):
    """(singular, plural), each the tuple of its four case forms; plural None if uncountable.

    Masculine nouns of the n-declension take the genitive's -n in every case but the nominative.
    """
    oblique = singular
    if gender == 0 and not singular.endswith("n"):
        if genitive.endswith("n"):
            oblique = genitive
        elif genitive.endswith("ens"):
            oblique = genitive[:-1]
    forms = (singular, oblique, oblique, genitive)
    if plural is None:
        return forms, None
    dative = plural if plural[-1] in "ns" else plural + "n"
    return forms, (plural, plural, dative, plural)


UNSTRESSED = ("be", "ge", "emp", "ent", "er", "miss", "ver", "zer")


def _stem(infinitive: str) -> str:
    return infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]


def _needs_e(stem: str) -> bool:
    """Whether an -e- goes between stem and -t: arbeitet, öffnet, but lernt."""
    return stem[-1] in "td" or (stem[-1] in "nm" and stem[-2] not in "aeiouäöülrnmh")


def weak_participle(infinitive: str) -> str:
    stem = _stem(infinitive)
    ge = "" if infinitive.startswith(UNSTRESSED) or infinitive.endswith("ieren") else "ge"
    return ge + stem + ("et" if _needs_e(stem) else "t")


def present(infinitive: str, er: str | None) -> tuple[str, ...]:
    """ich, du, er, wir, sie; ``er`` is given where the stem's vowel changes (du, er liest)."""
    stem = _stem(infinitive)
    if er == "weiß":
        return "weiß", "weißt", "weiß", infinitive, infinitive
    if er is None:
        stem_e = stem + "e" if _needs_e(stem) else stem
        changed, er = stem_e, stem_e + "t"
    else:
        changed = er[:-1]
    du = er if changed[-1] in "sßzx" else changed + "st"
    return stem + "e", du, er, infinitive, infinitive


def imperative(infinitive: str, er: str | None) -> str:
    """The form for "du": nimm, lies; fahr, kauf; öffne, reise."""
    stem = _stem(infinitive)
    if er is not None and not set(er) & set("äö"):
        return er[:-1]
    return stem + "e" if _needs_e(stem) or stem.endswith(("er", "s", "ß", "z")) else stem


SEIN = ("bin", "bist", "ist", "sind", "sind")
WAR = ("war", "warst", "war", "waren", "waren")
HABEN = ("habe", "hast", "hat", "haben", "haben")
WERDEN = ("werde", "wirst", "wird", "werden", "werden")
REFLEXIVE = ("mich", "dich", "sich", "uns", "sich")
