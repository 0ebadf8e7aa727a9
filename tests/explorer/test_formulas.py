"""The page's formulas and source lines are those of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from npformer.explorer.formulas import blocks, chapter, explain, highlight

ROOT = Path(__file__).resolve().parents[2]
OPS = ["linear", "layer_norm", "embedding", "dropout", "attention", "relu", "gelu", "silu",
       "cross_entropy"]  # fmt: skip
COMPOSED = ["MultiHeadAttention", "FeedForward", "Layer", "Stack", "Transformer", "Residual",
            "SinusoidalPositions", "Embedding.project"]  # fmt: skip


@pytest.mark.parametrize("kind", OPS + COMPOSED)
def test_source_lines_are_the_files_own(kind):
    document = explain(kind)
    assert len(document["sources"]) == 2
    for source, way in zip(document["sources"], ("forward", "backward"), strict=True):
        file = (ROOT / source["file"]).read_text(encoding="utf-8").splitlines()
        stretch = file[source["first"] - 1 :][: len(source["lines"])]
        shown = ["".join(text for text, _ in line) for line in source["lines"]]
        assert [line.strip() for line in shown] == [line.strip() for line in stretch]
        assert any("def " in line and ("backward" in line) == (way == "backward") for line in shown)


@pytest.mark.parametrize("kind", OPS)
def test_an_operation_has_both_formulas_and_a_chapter(kind):
    document = explain(kind)
    for block in ("shapes", "forward", "backward", "reading"):
        assert document[block].strip()
        assert not document[block].startswith(" ")  # dedented as a whole
    assert document["chapter"]["path"].startswith("walkthroughs/")


def test_the_formula_of_a_backward_is_whole():
    backward = explain("layer_norm")["backward"]
    assert backward.startswith("Let g = dL/dxhat")
    assert "\n    dx      = rstd * (g - <g> - xhat * <g * xhat>)\n" in backward
    assert "Reading" not in backward


def test_a_kind_that_does_not_exist():
    with pytest.raises(LookupError, match="called Convolution"):
        explain("Convolution")


def test_a_docstring_without_blocks_is_all_title():
    assert blocks("A line.\n\nForwards it goes.") == {"title": "A line.\n\nForwards it goes."}


def test_highlighting_tells_names_words_strings_numbers_and_comments():
    (first, second) = highlight('def f(x):  # why\n    return "a" if x else 2.5')
    styles = {text: style for line in (first, second) for text, style in line}
    assert styles["def"] == styles["return"] == styles["if"] == "k"
    assert (styles["f"], styles["# why"], styles['"a"'], styles["2.5"]) == ("d", "c", "s", "n")


def test_a_string_over_several_lines_is_one_style_in_each():
    lines = highlight('x = """one\n  two\nthree"""')
    assert [line[-1] for line in lines] == [['"""one', "s"], ["  two", "s"], ['three"""', "s"]]


def test_a_chapter_from_its_path():
    assert chapter("walkthroughs/03_layer_norm.md") == {
        "number": "3",
        "name": "layer norm",
        "path": "walkthroughs/03_layer_norm.md",
    }
