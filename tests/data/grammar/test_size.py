from __future__ import annotations

from npformer.data.grammar import size
from npformer.data.grammar.entries import ACCUSATIVE, NOUNS
from npformer.data.grammar.leaves import spell
from npformer.data.grammar.size import family, family_size
from tests.data.grammar.builders import verb


def test_the_count_of_the_family_is_exact():
    """Written out in full for two verbs and a few nouns, no two sentences are equal."""
    subjects, objects = NOUNS["p"][:3], NOUNS["w"][:2] + NOUNS["b"][:1]
    seen = set()
    for name in ("open", "look for"):
        made = list(family(verb(ACCUSATIVE, name), subjects, objects))
        assert len(made) == family_size(subjects, objects)
        seen |= {spell(clause.english(), ".")[0] for clause in made}
    assert len(seen) == 2 * family_size(subjects, objects)


def test_over_a_million_pairs():
    assert size() > 100_000_000
