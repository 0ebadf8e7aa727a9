"""Source that is shown is the source that runs."""

from pathlib import Path

import pytest

import npformer.ops.layer_norm
from npformer.errors import NpformerError
from npformer.inspect import show_derivation, show_source
from npformer.ops import layer_norm_backward, linear_forward

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "function", [layer_norm_backward, linear_forward], ids=lambda f: f.__name__
)
def test_a_function_is_shown_from_its_file(function):
    [source] = show_source(function)
    lines = (ROOT / source.file).read_text(encoding="utf-8").splitlines()
    assert source.text.splitlines() == lines[source.first - 1 : source.last]
    assert f"def {function.__name__}(" in source.text
    assert source.where in str(source)


def test_several_are_shown_one_below_the_other():
    shown = show_source(layer_norm_backward, linear_forward)._repr_markdown_()
    assert shown.count("```python") == 2
    assert shown.index("def layer_norm_backward") < shown.index("def linear_forward")


def test_a_derivation_is_the_docstring_of_its_file():
    source = show_derivation(npformer.ops.layer_norm)
    text = (ROOT / source.file).read_text(encoding="utf-8")
    assert source.text in text
    assert all(block in source.text for block in ("Shapes", "Forward", "Backward", "Reading"))


def test_what_has_no_source_is_refused():
    with pytest.raises(NpformerError, match="no Python source"):
        show_source(len)
    with pytest.raises(NpformerError, match="not a module"):
        show_derivation(layer_norm_backward)
