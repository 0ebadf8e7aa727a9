"""Agreement inside noun phrases, against declension tables written by hand."""

from __future__ import annotations

import pytest

from npformer.data.grammar.phrases import PRONOUNS, Pronoun
from tests.data.grammar.builders import LINKS, NounPhrase, de, noun, np, pp, text

# nominative, accusative, dative, genitive
DECLENSIONS = {
    "the old man": "der alte Mann, den alten Mann, dem alten Mann, des alten Mannes",
    "the old woman": "die alte Frau, die alte Frau, der alten Frau, der alten Frau",
    "the small child": "das kleine Kind, das kleine Kind, dem kleinen Kind, des kleinen Kindes",
    "the good boy": "der gute Junge, den guten Jungen, dem guten Jungen, des guten Jungen",
    "a old man": "ein alter Mann, einen alten Mann, einem alten Mann, eines alten Mannes",
    "a old woman": "eine alte Frau, eine alte Frau, einer alten Frau, einer alten Frau",
    "a small child": "ein kleines Kind, ein kleines Kind, einem kleinen Kind, eines kleinen Kindes",
    "no tired dog": "kein müder Hund, keinen müden Hund, keinem müden Hund, keines müden Hundes",
    "our white cat": "unsere weiße Katze, unsere weiße Katze, unserer weißen Katze, "
    "unserer weißen Katze",
    "this expensive car": "dieses teure Auto, dieses teure Auto, diesem teuren Auto, "
    "dieses teuren Autos",
    "every important tourist": "jeder wichtige Tourist, jeden wichtigen Touristen, "
    "jedem wichtigen Touristen, jedes wichtigen Touristen",
    "- cold water": "kaltes Wasser, kaltes Wasser, kaltem Wasser, kalten Wassers",
    "- warm milk": "warme Milch, warme Milch, warmer Milch, warmer Milch",
    "- strong coffee": "starker Kaffee, starken Kaffee, starkem Kaffee, starken Kaffees",
    "the name": "der Name, den Namen, dem Namen, des Namens",
}
PLURALS = {
    "the old man": "die alten Männer, die alten Männer, den alten Männern, der alten Männer",
    "my dark hat": "meine dunklen Hüte, meine dunklen Hüte, meinen dunklen Hüten, "
    "meiner dunklen Hüte",
    "- small car": "kleine Autos, kleine Autos, kleinen Autos, kleiner Autos",
    "many young queen": "viele junge Königinnen, viele junge Königinnen, vielen jungen Königinnen, "
    "vieler junger Königinnen",
    "this child": "diese Kinder, diese Kinder, diesen Kindern, dieser Kinder",
    "her garden": "ihre Gärten, ihre Gärten, ihren Gärten, ihrer Gärten",
}


@pytest.mark.parametrize(
    ("english", "plural", "expected"),
    [(e, False, t) for e, t in DECLENSIONS.items()] + [(e, True, t) for e, t in PLURALS.items()],
)
def test_declension(english, plural, expected):
    phrase = np(english, plural=plural)
    assert [" ".join(w for w, _ in phrase.german(case)) for case in range(4)] == expected.split(
        ", "
    )


def test_not_becomes_kein_with_the_endings_of_ein():
    assert [w for w, _ in np("a old man").german(de.ACCUSATIVE, 1)] == ["keinen", "alten", "Mann"]
    assert [w for w, _ in np("- red cup", plural=True).german(0, 1)] == ["keine", "roten", "Tassen"]


def test_pronouns():
    forms = [" ".join(Pronoun(LINKS, p).german(case)[0][0] for case in range(3)) for p in PRONOUNS]
    assert forms == [
        "ich mich mir", "du dich dir", "er ihn ihm", "sie sie ihr", "wir uns uns",
        "sie sie ihnen",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "english", "german"),
    [
        (pp("in", "in", de.DATIVE, np("the house")), "In the house.", "Im Haus."),
        (pp("to", "in", de.ACCUSATIVE, np("the park")), "To the park.", "In den Park."),
        (pp("to", "in", de.ACCUSATIVE, np("the museum")), "To the museum.", "Ins Museum."),
        (pp("to", "zu", de.DATIVE, np("the school")), "To the school.", "Zur Schule."),
        (pp("to", "zu", de.DATIVE, np("this lake")), "To this lake.", "Zu diesem See."),
        (pp("of", "von", de.DATIVE, np("the cake")), "Of the cake.", "Vom Kuchen."),
        (
            pp("because of", "wegen", de.GENITIVE, np("the rain")),
            "Because of the rain.",
            "Wegen des Regens.",
        ),
        (pp("without", "ohne", de.ACCUSATIVE, np("he")), "Without him.", "Ohne ihn."),
    ],
)
def test_prepositions_govern_a_case_and_contract(made, english, german):
    assert (text(made.english, "."), text(made.german, ".")) == (english, german)


def test_possessors():
    dog = noun("dog")
    boys = NounPhrase(LINKS, dog, "'s", possessor=np("the boy"))
    assert text(boys.english(), ".") == "The boy's dog."
    assert text(boys.german(de.NOMINATIVE), ".") == "Der Hund des Jungen."
    annas = NounPhrase(
        LINKS, dog, "'s", adjective=np("the old dog").adjective, possessor=np("Anna")
    )
    assert text(annas.english(), ".") == "Anna's old dog."
    assert text(annas.german(de.DATIVE), ".") == "Annas altem Hund."
    price = NounPhrase(LINKS, noun("price"), "of", possessor=np("the house"))
    assert text(price.english(), ".") == "The price of the house."
    assert text(price.german(de.ACCUSATIVE), ".") == "Den Preis des Hauses."


def test_numbers_and_superlatives():
    books = NounPhrase(LINKS, noun("book"), "number", True, number=21)
    assert text(books.english(), ".") == "Twenty-one books."
    assert text(books.german(de.DATIVE), ".") == "Einundzwanzig Büchern."
    oldest = NounPhrase(LINKS, noun("house"), "the",
                        adjective=np("the old house").adjective, superlative=True)  # fmt: skip
    assert text(oldest.english(), ".") == "The oldest house."
    assert text(oldest.german(de.DATIVE), ".") == "Dem ältesten Haus."
