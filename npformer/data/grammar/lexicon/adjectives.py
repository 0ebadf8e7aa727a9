"""Adjectives: ``english  german [comparative superlative] : kinds of noun they describe``.

A German comparative and superlative that are not given are regular: -er, -st (-est after d, t,
s, ß, z). A form in parentheses is the stem that takes endings (teuer, ein teures Auto). English
takes -er and -est on words of one syllable and on those in -y; others take more and most.
"""

from __future__ import annotations

# p person, a animal, f food, d drink, t text, o object, c clothes, h place, v vehicle, e event
ADJECTIVES = """
old        alt älter ältest : p a o c h v t
young      jung jünger jüngst : p a
big        groß größer größt : a f o c h v
small      klein : p a f o c h v
tall       groß größer größt : p
new        neu : t o c h v
beautiful  schön : p a o c h t e
ugly       hässlich : a o c h v
good       gut besser best : p f d t o e
bad        schlecht : f d t e
long       lang länger längst : t e
short      kurz kürzer kürzest : t e
expensive  teuer (teur) : o c v f
cheap      billig : o c v f
heavy      schwer : o c
light      leicht : o c
warm       warm wärmer wärmst : f d c
cold       kalt kälter kältest : f d h
strong     stark stärker stärkst : p a d
rich       reich : p
poor       arm ärmer ärmst : p
clever     klug klüger klügst : p a
friendly   freundlich : p
polite     höflich : p
quiet      ruhig : p h e
loud       laut : e v
fast       schnell : v a
slow       langsam : v a
tired      müde (müd) : p a
happy      glücklich : p
sad        traurig : p t
sick       krank kränker kränkst : p a
healthy    gesund gesünder gesündest : p f
red        rot : o c v
blue       blau : o c v
green      grün : o c v
white      weiß : a o c h
black      schwarz : a o c v
yellow     gelb : o c
empty      leer : h
clean      sauber : o c h
dirty      schmutzig : a o c h v
dark       dunkel (dunkl) : h c
famous     berühmt : p h t
important  wichtig : p t e
interesting interessant : p t e h
dangerous  gefährlich : a v
modern     modern : h v
fresh      frisch : f
sweet      süß : f d
honest     ehrlich : p
brave      mutig : p
lazy       faul : p a
"""

IRREGULAR_ENGLISH = {"good": ("better", "best"), "bad": ("worse", "worst")}
# Two-syllable words that, against the rule, sound better with more and most.
PERIPHRASTIC = {
    "tired", "modern", "honest", "famous", "polite",
    "expensive", "beautiful", "important", "interesting", "dangerous",
}  # fmt: skip
# Not compared: nothing is redder or emptier than something else here.
ABSOLUTE = frozenset("red blue green white black yellow empty".split())
# The ones that the grammar uses in the superlative before a noun.
SUPERLATIVES = frozenset("old young big small beautiful good expensive strong rich clever".split())
