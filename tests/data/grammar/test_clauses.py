"""Sentences written and checked by hand, one group for each phenomenon of word order."""

from __future__ import annotations

import pytest

from tests.data.grammar.builders import (
    BE_VERB,
    HAVE_VERB,
    LINKS,
    MODAL,
    WHO,
    Both,
    Couple,
    Infinitive,
    Relative,
    adv,
    clause,
    dates,
    de,
    entries,
    final,
    fixed_choices,
    fronted,
    links_of,
    np,
    pp,
    question,
    statement,
    text,
    verb,
)

A, D, DI = entries.ACCUSATIVE, entries.DATIVE, entries.DITRANSITIVE
I, M, P, R = entries.INTRANSITIVE, entries.MOTION, entries.PREPOSITIONAL, entries.REST  # noqa: E741
YESTERDAY, TODAY, TOMORROW = "yesterday = gestern", "today = heute", "tomorrow = morgen"
HOME = "home = nach Hause"


def garden(case: int = de.DATIVE) -> Both:
    return pp("in" if case == de.DATIVE else "to", "in", case, np("the garden"))


def described(head, relative):
    head.relative = relative
    return head


CASES = {
    # Verb second, with and without inversion
    "plain": (
        lambda: statement(clause(np("the man"), verb(A, "open"), accusative=np("the door"))),
        ("The man opens the door.", "Der Mann öffnet die Tür."),
    ),
    "time in the middle": (
        lambda: statement(
            clause(np("the man"), verb(A, "open"), accusative=np("the door"), time=adv(TODAY))
        ),
        ("The man opens the door today.", "Der Mann öffnet heute die Tür."),
    ),
    "time in front": (
        lambda: statement(
            clause(np("the man"), verb(A, "open"), accusative=np("the door"), front=adv(TODAY))
        ),
        ("Today the man opens the door.", "Heute öffnet der Mann die Tür."),
    ),
    "time, manner, place": (
        lambda: statement(
            clause(
                np("she"), verb(I, "work"), time=adv(TODAY), place=garden(),
                manner=adv("alone = allein"),
            )
        ),
        ("She works alone in the garden today.", "Sie arbeitet heute allein im Garten."),
    ),
    "indefinite object after the place": (
        lambda: statement(
            clause(np("he"), verb(A, "read"), accusative=np("a book"), place=garden())
        ),
        ("He reads a book in the garden.", "Er liest im Garten ein Buch."),
    ),
    "definite object before the place": (
        lambda: statement(
            clause(np("he"), verb(A, "read"), accusative=np("the book"), place=garden())
        ),
        ("He reads the book in the garden.", "Er liest das Buch im Garten."),
    ),
    "frequency": (
        lambda: statement(
            clause(
                np("she"), verb(A, "drink"), accusative=np("- tea"),
                middle=adv("never = nie"), middle_slot="frequency",
            )
        ),
        ("She never drinks tea.", "Sie trinkt nie Tee."),
    ),
    "gladly": (
        lambda: statement(
            clause(
                np("I"), verb(A, "drink"), accusative=np("- coffee"),
                middle=adv("gladly = gern"), middle_slot="manner",
            )
        ),
        ("I gladly drink coffee.", "Ich trinke gern Kaffee."),
    ),
    "attitude": (
        lambda: statement(
            clause(
                np("he"), verb(I, "come"), time=adv(TOMORROW), tense="future",
                middle=adv("probably = wahrscheinlich"), middle_slot="attitude",
            )
        ),
        ("He will probably come tomorrow.", "Er wird wahrscheinlich morgen kommen."),
    ),
    # Separable verbs: apart, at the end, joined
    "prefix at the end": (
        lambda: statement(clause(np("the woman"), verb(A, "call"), accusative=np("my sister"))),
        ("The woman calls my sister.", "Die Frau ruft meine Schwester an."),
    ),
    "prefix after an inversion": (
        lambda: statement(
            clause(np("the train"), verb(I, "arrive"), front=adv(TODAY))
        ),
        ("Today the train arrives.", "Heute kommt der Zug an."),
    ),
    "prefix joined in a verb-final clause": (
        lambda: final(
            "because = weil",
            clause(np("she"), verb(I, "laugh")),
            clause(np("the man"), verb(A, "turn off"), accusative=np("the lamp")),
        ),
        (
            "She laughs because the man turns off the lamp.",
            "Sie lacht, weil der Mann die Lampe ausschaltet.",
        ),
    ),
    "prefix and ge": (
        lambda: statement(
            clause(np("we"), verb(A, "close"), accusative=np("the window"), tense="past")
        ),
        ("We closed the window.", "Wir haben das Fenster zugemacht."),
    ),
    "prefix without ge": (
        lambda: statement(
            clause(np("they"), verb(A, "prepare"), accusative=np("the party"), tense="perfect")
        ),
        ("They have prepared the party.", "Sie haben das Fest vorbereitet."),
    ),
    "particle around a pronoun": (
        lambda: statement(
            clause(np("I"), verb(A, "pick up"), accusative=np("she"), tense="future")
        ),
        ("I will pick her up.", "Ich werde sie abholen."),
    ),
    # Perfect with haben and sein
    "haben": (
        lambda: statement(
            clause(np("the boy"), verb(A, "eat"), accusative=np("a apple"),
                   tense="past")
        ),
        ("The boy ate an apple.", "Der Junge hat einen Apfel gegessen."),
    ),
    "sein": (
        lambda: statement(
            clause(np("the guest", plural=True), verb(M, "drive"),
                   complement=adv(HOME), tense="past")
        ),
        ("The guests drove home.", "Die Gäste sind nach Hause gefahren."),
    ),
    "already": (
        lambda: statement(
            clause(np("she"), verb(A, "read"), accusative=np("the letter"), tense="perfect",
                   middle=adv("already = schon"), middle_slot="aspect")
        ),
        ("She has already read the letter.", "Sie hat den Brief schon gelesen."),
    ),
    "not yet": (
        lambda: statement(
            clause(np("he"), verb(I, "get up"), tense="perfect", negated=True, yet=True)
        ),
        ("He has not got up yet.", "Er ist noch nicht aufgestanden."),
    ),
    "was": (
        lambda: statement(
            clause(np("the king"), BE_VERB, tense="past", complement=adv("very|old = sehr|alt"))
        ),
        ("The king was very old.", "Der König war sehr alt."),
    ),
    "had": (
        lambda: statement(
            clause(np("the king"), HAVE_VERB, tense="past", accusative=np("a lion"))
        ),
        ("The king had a lion.", "Der König hatte einen Löwen."),
    ),
    # Modals and the future
    "can": (
        lambda: statement(
            clause(np("you"), verb(I, "swim"), modal=MODAL["can"])
        ),
        ("You can swim.", "Du kannst schwimmen."),
    ),
    "want to": (
        lambda: statement(
            clause(np("the girl"), verb(A, "sell"), accusative=np("her boat"), modal=MODAL["want"])
        ),
        ("The girl wants to sell her boat.", "Das Mädchen will ihr Boot verkaufen."),
    ),
    "wanted to": (
        lambda: statement(
            clause(np("they"), verb(D, "help"), dative=np("he"), modal=MODAL["want"], tense="past")
        ),
        ("They wanted to help him.", "Sie wollten ihm helfen."),
    ),
    "had to, verb-final": (
        lambda: final(
            "because = weil",
            clause(np("she"), verb(I, "cry")),
            clause(np("she"), verb(I, "get up"), modal=MODAL["have to"], tense="past"),
        ),
        ("She cries because she had to get up.", "Sie weint, weil sie aufstehen musste."),
    ),
    "must, negated": (
        lambda: statement(
            clause(np("she"), verb(I, "work"), modal=MODAL["must"], negated=True)
        ),
        ("She does not have to work.", "Sie muss nicht arbeiten."),
    ),
    "cannot": (
        lambda: statement(
            clause(np("he"), verb(A, "open"), accusative=np("the box"), modal=MODAL["can"],
                   negated=True)
        ),
        ("He cannot open the box.", "Er kann die Kiste nicht öffnen."),
    ),
    "should": (
        lambda: statement(
            clause(np("you"), verb(D, "trust"), dative=np("the doctor"), modal=MODAL["should"])
        ),
        ("You should trust the doctor.", "Du solltest dem Arzt vertrauen."),
    ),
    "will, verb-final": (
        lambda: final(
            "that = dass",
            clause(np("I"), verb(entries.SAYING, "hope")),
            clause(np("he"), verb(I, "come back"), tense="future"),
        ),
        ("I hope that he will come back.", "Ich hoffe, dass er zurückkommen wird."),
    ),
    # Negation
    "nicht after a definite object": (
        lambda: statement(
            clause(np("he"), verb(A, "see"), accusative=np("the dog"), negated=True)
        ),
        ("He does not see the dog.", "Er sieht den Hund nicht."),
    ),
    "nicht before a prepositional object": (
        lambda: statement(
            clause(np("he"), verb(P, "wait for"), negated=True,
                   complement=pp("for", "auf", de.ACCUSATIVE, np("the bus")))
        ),
        ("He does not wait for the bus.", "Er wartet nicht auf den Bus."),
    ),
    "nicht before a predicate": (
        lambda: statement(
            clause(np("the house"), BE_VERB, negated=True, complement=adv("new = neu"))
        ),
        ("The house is not new.", "Das Haus ist nicht neu."),
    ),
    "nicht before prefix": (
        lambda: statement(
            clause(np("she"), verb(A, "invite"), accusative=np("he"), negated=True)
        ),
        ("She does not invite him.", "Sie lädt ihn nicht ein."),
    ),
    "kein": (
        lambda: statement(
            clause(np("we"), HAVE_VERB, accusative=np("a car"), negated=True)
        ),
        ("We do not have a car.", "Wir haben kein Auto."),
    ),
    "kein without article": (
        lambda: statement(
            clause(np("he"), verb(A, "eat"), accusative=np("- fresh bread"), negated=True)
        ),
        ("He does not eat fresh bread.", "Er isst kein frisches Brot."),
    ),
    "noch kein": (
        lambda: statement(
            clause(np("she"), verb(A, "buy"), accusative=np("a red dress"), negated=True,
                   yet=True, tense="perfect")
        ),
        ("She has not bought a red dress yet.", "Sie hat noch kein rotes Kleid gekauft."),
    ),
    "no as a subject": (
        lambda: statement(clause(np("no child"), verb(I, "sleep"))),
        ("No child sleeps.", "Kein Kind schläft."),
    ),
    # Cases of objects
    "dative": (
        lambda: statement(clause(np("I"), verb(D, "help"), dative=np("the old woman"))),
        ("I help the old woman.", "Ich helfe der alten Frau."),
    ),
    "dative and accusative": (
        lambda: statement(
            clause(np("he"), verb(DI, "give"), dative=np("the child"),
                   accusative=np("a small gift"))
        ),
        ("He gives the child a small gift.", "Er gibt dem Kind ein kleines Geschenk."),
    ),
    "pronoun before time": (
        lambda: statement(
            clause(np("she"), verb(DI, "show"), dative=np("we"), accusative=np("the picture"),
                   time=adv(TODAY))
        ),
        ("She shows us the picture today.", "Sie zeigt uns heute das Bild."),
    ),
    "sein with a dative": (
        lambda: statement(
            clause(np("the cat"), verb(D, "follow"), dative=np("the mouse"), tense="past")
        ),
        ("The cat followed the mouse.", "Die Katze ist der Maus gefolgt."),
    ),
    "weak nouns": (
        lambda: statement(
            clause(np("the student"), verb(A, "know"), accusative=np("the president"))
        ),
        ("The student knows the president.", "Der Student kennt den Präsidenten."),
    ),
    "dative plural": (
        lambda: statement(
            clause(np("she"), verb(D, "thank"), dative=np("the good neighbor", plural=True))
        ),
        ("She thanks the good neighbors.", "Sie dankt den guten Nachbarn."),
    ),
    "where to, where": (
        lambda: statement(
            clause(
                np("he"), verb(entries.PLACING, "throw"), accusative=np("the hat"),
                complement=pp("under", "unter", de.ACCUSATIVE, np("the table")),
            )
        ),
        ("He throws the hat under the table.", "Er wirft den Hut unter den Tisch."),
    ),
    "where": (
        lambda: statement(
            clause(np("the dog"), verb(R, "sleep"),
                   complement=pp("under", "unter", de.DATIVE, np("the table")))
        ),
        ("The dog sleeps under the table.", "Der Hund schläft unter dem Tisch."),
    ),
    # Reflexive verbs
    "reflexive after a pronoun": (
        lambda: statement(clause(np("I"), verb(I, "hurry up"), front=adv(TODAY))),
        ("Today I hurry up.", "Heute beeile ich mich."),
    ),
    "reflexive before a noun": (
        lambda: statement(
            clause(np("the boy"), verb(P, "look forward"), front=adv(TODAY),
                   complement=pp("to", "auf", de.ACCUSATIVE, np("the trip")))
        ),
        ("Today the boy looks forward to the trip.", "Heute freut sich der Junge auf die Reise."),
    ),
    # Verb-final clauses
    "if, in front": (
        lambda: fronted(
            "if = wenn",
            clause(np("we"), verb(R, "stay"), complement=adv("at|home = zu|Hause")),
            clause(np("the boss"), verb(A, "call"), accusative=np("we")),
        ),
        (
            "If the boss calls us, we stay at home.",
            "Wenn der Chef uns anruft, bleiben wir zu Hause.",
        ),
    ),
    "although, perfect": (
        lambda: final(
            "although = obwohl",
            clause(np("he"), verb(I, "wait"), tense="past"),
            clause(np("the bus"), verb(I, "arrive"), tense="past"),
        ),
        (
            "He waited although the bus arrived.",
            "Er hat gewartet, obwohl der Bus angekommen ist.",
        ),
    ),
    "when, past": (
        lambda: fronted(
            "when = als",
            clause(np("she"), verb(I, "sleep"), tense="past"),
            clause(np("I"), verb(I, "come"), tense="past"),
        ),
        ("When I came, she slept.", "Als ich gekommen bin, hat sie geschlafen."),
    ),
    "whether": (
        lambda: final(
            "whether = ob",
            clause(np("he"), verb(entries.ASKING, "know"), negated=True),
            clause(np("she"), verb(A, "love"), accusative=np("he")),
        ),
        ("He does not know whether she loves him.", "Er weiß nicht, ob sie ihn liebt."),
    ),
    "comparison after the verb": (
        lambda: final(
            "that = dass",
            clause(np("she"), verb(entries.SAYING, "say")),
            clause(np("the dog"), BE_VERB, complement=adv("bigger = größer"),
                   comparison=pp("than", "als", de.NOMINATIVE, np("the fox"))),
        ),
        (
            "She says that the dog is bigger than the fox.",
            "Sie sagt, dass der Hund größer ist als der Fuchs.",
        ),
    ),
    # Relative clauses
    "subject relative": (
        lambda: statement(
            clause(
                described(
                    np("the man"),
                    Relative(
                        clause(None, verb(A, "know"), accusative=np("Anna")),
                        LINKS.take(), "who", de.NOMINATIVE, 0,
                    ),
                ),
                verb(I, "sing"),
            )
        ),
        ("The man who knows Anna sings.", "Der Mann, der Anna kennt, singt."),
    ),
    "object relative after the bracket": (
        lambda: statement(
            clause(
                np("she"), verb(A, "read"), tense="perfect",
                accusative=described(
                    np("the book"),
                    Relative(
                        clause(np("he"), verb(A, "write"), tense="past"),
                        LINKS.take(), "that", de.ACCUSATIVE, 2,
                    ),
                ),
            )
        ),
        (
            "She has read the book that he wrote.",
            "Sie hat das Buch gelesen, das er geschrieben hat.",
        ),
    ),
    "dative relative, plural": (
        lambda: statement(
            clause(
                np("he"), verb(A, "greet"),
                accusative=described(
                    np("the child", plural=True),
                    Relative(
                        clause(np("we"), verb(D, "help")), LINKS.take(), "whom", de.DATIVE,
                        de.PLURAL,
                    ),
                ),
            )
        ),
        ("He greets the children whom we help.", "Er begrüßt die Kinder, denen wir helfen."),
    ),
    "whose": (
        lambda: statement(
            clause(
                described(
                    np("the woman"),
                    Relative(
                        clause(np("- dog"), BE_VERB, complement=adv("sick = krank")),
                        LINKS.take(), "whose", de.GENITIVE, 1,
                    ),
                ),
                verb(I, "cry"),
            )
        ),
        ("The woman whose dog is sick cries.", "Die Frau, deren Hund krank ist, weint."),
    ),
    # Infinitives
    "zu inside the prefix": (
        lambda: statement(
            clause(
                np("he"), verb(entries.TRYING, "try"), tense="past",
                afterwards=Infinitive(
                    clause(None, verb(A, "turn on"), accusative=np("the radio")),
                    LINKS.take(), False,
                ),
            )
        ),
        ("He tried to turn on the radio.", "Er hat versucht, das Radio einzuschalten."),
    ),
    "um zu": (
        lambda: statement(
            clause(
                np("we"), verb(M, "go"), complement=adv(HOME),
                afterwards=Infinitive(
                    clause(None, verb(I, "rest"), person=3), LINKS.take(), True
                ),
            )
        ),
        ("We go home to rest.", "Wir gehen nach Hause, um uns auszuruhen."),
    ),
    # Questions
    "yes or no": (
        lambda: question(clause(np("the queen"), verb(A, "drink"), accusative=np("- milk"))),
        ("Does the queen drink milk?", "Trinkt die Königin Milch?"),
    ),
    "yes or no, past": (
        lambda: question(
            clause(np("you"), verb(M, "go"), complement=garden(de.ACCUSATIVE), tense="past")
        ),
        ("Did you go to the garden?", "Bist du in den Garten gegangen?"),
    ),
    "is": (
        lambda: question(clause(np("they"), BE_VERB, complement=adv("tired = müde"))),
        ("Are they tired?", "Sind sie müde?"),
    ),
    "wen": (
        lambda: question(
            clause(np("the farmer"), verb(A, "look for")),
            Both(WHO.english(False), WHO.german(de.ACCUSATIVE)),
        ),
        ("Who does the farmer look for?", "Wen sucht der Bauer?"),
    ),
    "wem": (
        lambda: question(
            clause(np("she"), verb(D, "listen to"), tense="past"),
            Both(WHO.english(False), WHO.german(de.DATIVE)),
        ),
        ("Who did she listen to?", "Wem hat sie zugehört?"),
    ),
    "when": (
        lambda: question(
            clause(np("the concert"), verb(entries.HAPPENING, "take place")),
            adv("when = wann"),
        ),
        ("When does the concert take place?", "Wann findet das Konzert statt?"),
    ),
    # Time
    "two people": (
        lambda: statement(
            clause(Couple(LINKS, np("Anna"), np("my brother")), verb(M, "travel"),
                   complement=adv("to|Vienna = nach|Wien"), tense="past", front=adv(YESTERDAY))
        ),
        (
            "Yesterday Anna and my brother traveled to Vienna.",
            "Gestern sind Anna und mein Bruder nach Wien gereist.",
        ),
    ),
    "half past": (
        lambda: statement(
            clause(np("the train"), verb(entries.HAPPENING, "depart"),
                   time=dates.at_clock(LINKS, fixed_choices(2, 1)))
        ),
        ("The train departs at half past three.", "Der Zug fährt um halb vier ab."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_hand_checked_sentences(name):
    build, expected = CASES[name]
    assert build() == expected


def test_imperatives_speak_to_one_person():
    made = clause(None, verb(A, "close"), accusative=np("the door"), person=1)
    please = adv("please = bitte")
    assert text(please.english + made.english_infinitive(), ".") == "Please close the door."
    assert text(made.german_imperative(please.german), ".") == "Bitte mach die Tür zu."
    reflexive = clause(None, verb(I, "hurry up"), person=1)
    assert text(reflexive.german_imperative([]), "!") == "Beeil dich!"
    negated = clause(None, verb(A, "take along"), accusative=np("the dog"), person=1, negated=True)
    assert text(negated.german_imperative([]), "!") == "Nimm den Hund nicht mit!"


def test_a_separated_verb_is_linked_with_both_of_its_parts():
    made = clause(np("the woman"), verb(A, "call"), accusative=np("Peter"))
    assert links_of(made.english(), made.german()) == {
        ("The", "Die"), ("woman", "Frau"), ("calls", "ruft"), ("calls", "an"), ("Peter", "Peter"),
    }  # fmt: skip


def test_auxiliaries_negation_and_contractions_are_linked():
    made = clause(
        np("he"), verb(A, "buy"), accusative=np("a car"), tense="past", negated=True,
        place=pp("in", "in", de.DATIVE, np("the city")), front=adv(YESTERDAY),
    )  # fmt: skip
    links = links_of(made.english(), made.german())
    assert {("did", "hat"), ("buy", "gekauft"), ("not", "kein"), ("a", "kein")} <= links
    contracted = pp("in", "in", de.DATIVE, np("the garden"))
    assert links_of(contracted.english, contracted.german) == {
        ("In", "Im"), ("the", "Im"), ("garden", "Garten"),
    }  # fmt: skip
