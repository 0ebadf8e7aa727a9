from __future__ import annotations

from npformer.data.grammar.leaves import Links, align, spell, words


def test_words_split_off_every_sign():
    assert words("Am 3. März, um elf.") == ["Am", "3", ".", "März", ",", "um", "elf", "."]
    assert words("Anna's twenty-one o'clock") == ("Anna ' s twenty - one o ' clock".split())


def test_links_are_fresh():
    links = Links()
    first, pair, last = links.take(), links.take(2), links.take()
    assert (first, pair, last) == (1, 2, 8)


def test_spelling_glues_signs_and_drops_idle_commas():
    phrase = [("he", 1), (",", 0), (",", 0), ("who", 2), ("sings", 4), (",", 0)]
    text, masks = spell(phrase, ".")
    assert text == "He, who sings."
    assert masks == [1, 0, 2, 4, 0]
    assert len(words(text)) == len(masks)


def test_a_leaf_of_several_words_links_them_all():
    text, masks = spell([("twenty-one", 1), ("books", 2)], "!")
    assert words(text) == ["Twenty", "-", "one", "books", "!"]
    assert masks == [1, 1, 1, 2, 0]


def test_alignment_is_where_masks_meet():
    assert align([1, 2, 4, 0], [4, 3, 0, 0]) == ((0, 1), (1, 1), (2, 0), (3, 3))
