"""Every chapter has the same parts in the same order, and its links lead somewhere."""

from __future__ import annotations

import re

import pytest

from tests.walkthroughs.chapters import CELL, WALKTHROUGHS, Chapter, chapters

CHAPTERS = chapters()
NUMBERED = [c for c in CHAPTERS if c.name[:2].isdigit()]
EXPECTED = [
    "00_how_to_read",
    "01_linear",
    "02_softmax_cross_entropy",
    "03_layer_norm",
    "04_activations",
    "05_embeddings_positions",
    "06_attention",
    "07_multi_head_attention",
    "08_dropout_residuals",
    "09_whole_model",
    "10_optimizers",
    "11_lockstep",
    "12_decoding",
    "13_looking_inside",
    "14_how_we_know",
    "15_norms_without_a_mean",
    "16_positions_that_rotate",
    "17_fewer_keys",
    "18_gates",
    "19_attention_in_tiles",
    "20_loss_without_logits",
    "21_memory_against_arithmetic",
    "22_decoder_only",
    "23_steps_that_are_matrices",
    "24_a_model_from_elsewhere",
    "25_choosing_experts",
    "26_attention_through_a_narrow_door",
    "27_memory_as_a_matrix",
    "28_streams",
    "29_learning_from_preferences",
    "30_numbers_with_few_bits",
    "playground",
]
FRONT_MATTER = """---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
  language: python
---

# """
DERIVATION = ["The question", "Forward", "Backward", "The source", "Check", "Exercises"]
STUDY = ["The question", "Check", "Exercises"]

every = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
numbered = pytest.mark.parametrize("chapter", NUMBERED, ids=lambda chapter: chapter.name)


def test_all_chapters_are_there_and_in_the_table_of_contents():
    assert [chapter.name for chapter in CHAPTERS] == EXPECTED
    index = Chapter(WALKTHROUGHS / "index.md")
    shown = [link for link in index.links if link.endswith(".md")]
    assert shown == [f"{name}.md" for name in EXPECTED]
    (tree,) = (block for block in index.blocks if block.info == "{toctree}")
    assert tree.code.split() == [":hidden:", *EXPECTED]


@every
def test_a_chapter_is_a_notebook_with_a_title(chapter):
    assert chapter.text.startswith(FRONT_MATTER)
    assert len(re.findall(r"^# ", chapter.prose, re.MULTILINE)) == 1
    assert any(block.info == CELL for block in chapter.blocks)


@numbered
def test_the_title_has_the_number_of_the_file_and_the_files_come_next(chapter):
    assert re.match(rf"{int(chapter.name[:2])}\. [A-Z]", chapter.title)
    assert re.search(r"^# .*\n\n\*\*Files:\*\* ", chapter.text, re.MULTILINE)
    assert chapter.files


@numbered
def test_the_sections_stand_in_order(chapter):
    wanted = DERIVATION if int(chapter.name[:2]) < 10 else STUDY
    assert [section for section in chapter.sections if section in wanted] == wanted
    assert chapter.sections[0] == wanted[0]
    assert chapter.sections[-1] == wanted[-1]


@numbered
def test_there_are_three_exercises_each_with_a_folded_answer(chapter):
    exercises = chapter.text.partition("\n## Exercises\n")[2]
    parts = re.split(r"^(\d)\. ", exercises, flags=re.MULTILINE)
    assert parts[1::2] == ["1", "2", "3"]
    for part in parts[2::2]:
        question, opening, rest = part.partition("\n<details>\n<summary>Answer</summary>\n\n")
        answer, closing, _ = rest.partition("\n\n</details>\n")
        assert question.strip()
        assert opening
        assert closing
        assert answer.strip()
        assert "<details>" not in answer


@numbered
def test_the_last_line_leads_to_the_next_chapter(chapter):
    after = EXPECTED[EXPECTED.index(chapter.name) + 1]
    (found,) = [c for c in CHAPTERS if c.name == after]
    assert chapter.text.rstrip().splitlines()[-1] == f"Next: [{found.title}]({after}.md)"


@every
def test_every_link_leads_to_a_file(chapter):
    links = [link for link in chapter.links if not link.startswith("_generated/")]
    missing = [link for link in links if not (WALKTHROUGHS / link).is_file()]
    assert not missing


@every
def test_alt_text_describes_the_picture_in_words(chapter):
    for block in chapter.blocks:
        if "mystnb" in block.options:
            assert len(block.alt.split()) >= 6, f"line {block.line}: {block.alt!r}"
            assert block.info == CELL
