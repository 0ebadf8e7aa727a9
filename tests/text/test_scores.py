"""Scores against values counted by hand, and at the edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.errors import CorpusError
from npformer.text.scores import caution, intervals, is_short, scores

REFERENCES = ["the cat sat on the mat", "es war einmal ein König", "yes"]


def test_perfect_translations():
    found = scores(REFERENCES, REFERENCES)
    assert found == pytest.approx(dict(bleu=100, chrf=100, cer=0, wer=0, exact=100))


def test_errors_are_counted_per_unit_of_the_reference():
    found = scores(["the cat sat on mat", "es war einmal ein Koenig", "yes"], REFERENCES)
    assert found["wer"] == pytest.approx(100 * 2 / 12)  # one word missing, one wrong
    assert found["cer"] == pytest.approx(100 * (4 + 2) / (22 + 23 + 3))
    assert found["exact"] == pytest.approx(100 / 3)
    assert 0 < found["bleu"] < 100
    assert 0 < found["chrf"] < 100


def test_bleu_of_one_known_sentence():
    # Precisions 5/5, 3/4, 2/3, 1/2 and a brevity penalty of exp(1 - 6/5).
    found = scores(["the cat sat on mat"], ["the cat sat on the mat"])
    assert found["bleu"] == pytest.approx(100 * 0.25**0.25 * 2.718281828459045 ** (1 - 6 / 5))


SHORT = ["Danke.", "Bis morgen!", "Ja"]


def test_bleu_of_short_references_goes_as_far_as_they_do():
    exact = scores(SHORT, SHORT)["bleu"]
    assert exact == pytest.approx(100)
    longer = scores(["Danke.", "Bis morgen früh!", "Ja"], SHORT)["bleu"]
    # Runs of one and two tokens of 7, 4; the longest reference has three.
    assert longer == pytest.approx(100 * (6 / 7 * 2 / 4 * 1 / 4) ** (1 / 3))


def test_what_bleu_is_worth():
    assert is_short(SHORT)
    assert "no run of four tokens; go by chrF and exact" in caution(SHORT)
    assert "1 run of four tokens" in caution([*SHORT, "Wir gehen heim."])
    assert not is_short(REFERENCES[:2])
    assert caution(REFERENCES[:2]).startswith("2 pairs: ")
    assert caution(REFERENCES[:2] * 20) == ""


def test_an_interval_is_narrower_for_more_pairs():
    hypotheses, references = ["the cat sat on mat", REFERENCES[1]], REFERENCES[:2]
    few, many = (intervals(hypotheses * n, references * n) for n in (15, 300))
    assert intervals(hypotheses, references) == {}
    assert set(few) == set(many) == {"bleu", "chrf"}
    assert all(0 < many[name] < few[name] / 3 for name in few)
    assert intervals(references * 15, references * 15)["bleu"] == pytest.approx(0, abs=1e-9)


def test_empty_translations_are_all_wrong():
    found = scores(["", "", ""], REFERENCES)
    assert found == pytest.approx(dict(bleu=0, chrf=0, cer=100, wer=100, exact=0))


@pytest.mark.parametrize(
    ("hypotheses", "references", "wer", "exact"),
    [
        ([""], [""], 0, 100),
        (["a b"], [""], 100, 0),
        (["a b", "c d"], ["", "c d"], 100, 50),  # two words inserted, two words of reference
        (["", "c d"], [" ", "c  d "], 0, 100),
    ],
)
def test_empty_references(hypotheses, references, wer, exact):
    found = scores(hypotheses, references)
    assert found["wer"] == pytest.approx(wer)
    assert found["exact"] == pytest.approx(exact)


def test_lists_that_do_not_match():
    with pytest.raises(CorpusError, match="2 translations but 3 references"):
        scores(["a", "b"], REFERENCES)
    with pytest.raises(CorpusError, match="nothing to score"):
        scores([], [])


words = st.text(st.sampled_from("ab ü.\t\u00a0\x85!"), max_size=12)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=5))
def test_any_texts_have_scores(pairs):
    found = scores([h for h, _ in pairs], [r for _, r in pairs])
    assert set(found) == {"bleu", "chrf", "cer", "wer", "exact"}
    assert all(value >= 0 for value in found.values())
    assert max(found["bleu"], found["chrf"], found["exact"]) <= 100 + 1e-9
    assert (found["exact"] == 100) == (found["cer"] == 0)
