"""What a check says of each kind of mistake, in this process."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.cards.strategies import draw_rng
from npformer.exercises.catalogue import catalogue, find
from npformer.exercises.grade import grade
from npformer.exercises.grading import against_component, against_function, first_failure
from npformer.exercises.load import load_python, load_submission
from npformer.exercises.outcome import Outcome
from npformer.nn import Layer
from npformer.ops import attention_forward
from tests.exercises.files import FORWARD, RIGHT, backward, written

LINEAR = find("linear_backward", catalogue())
DW = "dy.reshape(-1, dy.shape[-1]).T @ x.reshape(-1, x.shape[-1])"
DB = "dy.reshape(-1, dy.shape[-1]).sum(axis=0)"

SENTENCES = {
    "two gradients": (
        backward(f"return dy @ weight, {DW}"),
        "broken",
        "linear_backward returns a tuple of 2; it must return 3 gradients: dx, dweight, dbias",
    ),
    "nothing": (backward("dx = dy @ weight"), "broken", "linear_backward returns None"),
    "a gradient is None": (
        backward(f"return dy @ weight, {DW}, None"),
        "broken",
        "dbias, from linear_backward, is None; it must be an array",
    ),
    "a list": (
        backward(f"return dy @ weight, {DW}, list({DB})"),
        "broken",
        "dbias, from linear_backward, is a list of",
    ),
    "single precision": (
        backward(f"return dy @ weight, ({DW}).astype('f4'), {DB}"),
        "broken",
        "dweight, from linear_backward, is float32",
    ),
    "a shape": (
        backward(f"return dy @ weight, ({DW}).T, {DB}"),
        "wrong",
        "dweight has the shape (1, 2); it must be (2, 1)",
    ),
    "writing to dy": (
        backward(
            f"dweight, dbias = {DW}, {DB}",
            "dx = dy @ weight",
            "dy *= 0",
            "return dx, dweight, dbias",
        ),
        "wrong",
        "the call changes dy, which is its input",
    ),
    "writing to x": (
        backward("x += 1", f"return dy @ weight, {DW}, {DB}"),
        "wrong",
        "the call changes x",
    ),
    "an exception": (
        backward("return dy @ weight.T"),
        "broken",
        "line 10 of mine.py stops with ValueError: matmul",
    ),
    "sys.exit": (
        backward("import sys", "sys.exit()"),
        "broken",
        "line 11 of mine.py ends the program",
    ),
    "a blank": (
        backward("raise NotImplementedError('the three')"),
        "blank",
        "line 10 of mine.py is still blank (the three)",
    ),
    "a blank at the top": ("raise NotImplementedError\n", "blank", "line 1 of mine.py is still"),
    "no such function": (FORWARD, "blank", "the file defines no function linear_backward"),
    "the package's own": (
        FORWARD + "from npformer.ops import linear_backward\n",
        "blank",
        "linear_backward is imported from npformer.ops.linear; write your own",
    ),
    "no cache": (
        RIGHT.replace("+ bias, (x, weight)", "+ bias"),
        "broken",
        "linear_forward returns one array; it must return y, cache",
    ),
    "a list of both": (
        RIGHT.replace(
            "return x @ weight.T + bias, (x, weight)", "return [x @ weight.T + bias, (x, weight)]"
        ),
        "broken",
        "linear_forward returns a list where a tuple was asked for; it must return y, cache",
    ),
    "other names": (
        RIGHT.replace("weight, bias)", "weight, b)").replace("+ bias", "+ b"),
        "broken",
        "linear_forward takes x, weight, b; it must take x, weight, bias, by these names",
    ),
    "another forward": (RIGHT.replace("+ bias", "- bias"), "wrong", "y["),
    "a syntax error": ("def f(:\n", "broken", "line 1 of mine.py is not valid Python"),
    "an import error": (
        "import numpy\nimport numpyy\n",
        "broken",
        "line 2 of mine.py imports what is not there: No module named 'numpyy'",
    ),
    "an error at the top": ("1 / 0\n", "broken", "line 1 of mine.py stops with ZeroDivisionError"),
    "zeros in the file": ("x = '\0'\n", "broken", "null bytes"),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_mistake_is_one_plain_sentence(tmp_path, name):
    text, kind, said = SENTENCES[name]
    found = load_submission(written(tmp_path, text))
    outcome = found if isinstance(found, Outcome) else grade(LINEAR, found)
    assert outcome.kind == kind, outcome
    assert said in outcome.verdict
    assert "\n" not in outcome.verdict


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "mine.py"
    path.write_bytes(b"x = '\xff'\n")
    outcome = load_submission(path)
    assert isinstance(outcome, Outcome)
    assert outcome.kind == "broken"


def test_a_correct_file_passes_whatever_the_seed(tmp_path):
    submission = load_python(written(tmp_path, RIGHT))
    for seed in range(20):
        assert grade(LINEAR, submission, cases=200, seed=seed).passed


def test_the_example_shows_the_mistake_when_it_is_run(tmp_path, capsys):
    path = written(tmp_path, backward(f"return dy @ weight, {DW}, {DB} / dy[..., 0].size"))
    submission = load_python(path)
    outcome = grade(LINEAR, submission)
    assert outcome.verdict.startswith("dbias[0] is 0.5 and should be 1; dx and dweight are right")
    exec(outcome.example, vars(submission))
    assert capsys.readouterr().out == "0.5\n"
    assert "averaged over the batch" in outcome.diagnosis


def test_the_same_seed_gives_the_same_answer(tmp_path):
    submission = load_python(written(tmp_path, backward(f"return dy @ weight, -{DW}, {DB}")))
    first, second = (grade(LINEAR, submission, seed=3) for _ in range(2))
    assert str(first) == str(second)


class Given:
    """A submission made of functions."""

    def __init__(self, **functions) -> None:
        vars(self).update(functions)


ENCODER = {"settings": {"cross_attention": False}}


def test_a_modules_backward_takes_the_place_of_the_method():
    right = Layer.backward
    own = Given(layer_backward=lambda layer, dy, cache: right(layer, dy, cache))
    assert against_component(own, "Layer", "backward", cases=10).passed
    assert Layer.backward is right


def test_a_modules_example_can_be_run(capsys):
    right = Layer.backward

    def doubled(layer, dy, cache):
        return 2 * right(layer, dy, cache)

    outcome = against_component(
        Given(layer_backward=doubled), "Layer", "backward", static=ENCODER, cases=10
    )
    assert outcome.kind == "wrong"
    assert "factor 2" in outcome.diagnosis
    exec(outcome.example, {"np": np, "layer_backward": doubled})
    printed = float(capsys.readouterr().out)
    assert outcome.verdict.split(" is ")[1].split()[0] == f"{printed:.7g}"


def test_a_module_returns_too_few_gradients():
    def backward(layer, dy, cache):
        return dy, dy

    outcome = against_component(
        Given(layer_backward=backward), "Layer", "backward", static=ENCODER, cases=3
    )
    assert "returns a tuple of 2; it must return dx" in outcome.verdict


def test_a_forward_alone_may_leave_the_cache_out():
    def own(q, k, v, mask=None, causal=False):
        return attention_forward(q, k, v, mask=mask, causal=causal)[0]

    asked = {"static": {"scale": None}}
    assert against_component(Given(attention_forward=own), "attention", "forward", **asked).passed
    outcome = against_component(
        Given(attention_forward=lambda q, k, v, mask=None, causal=False: own(q, k, v, mask)),
        "attention",
        "forward",
        **asked,
    )
    assert outcome.kind == "wrong"
    assert "causal=True" in outcome.example


def several(x, n):
    return x * n, [1, 2, n], {"a": None}


def draw(source):
    return {"x": draw_rng(source).standard_normal(3), "n": source.integer(1, 6)}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda x, n: (x * n, [1, 2, 7], {"a": None}), "the result[1][2] is 7 and should be "),
        (lambda x, n: (x * n, [1, 2, n], {"a": 3}), "the result[2]['a'] is "),
        (lambda x, n: (x * n, [1, 2, n]), "the number of entries of the result is 2"),
        (lambda x, n: None, "the number of entries of the result is missing"),
        (lambda x, n: (x, [1, 2, n], {"a": None}), "the result[0][0] is "),
        (lambda x, n: object(), "the result is an object"),
    ],
)
def test_results_of_a_function_are_compared_entry_by_entry(other, said):
    assert against_function(Given(several=several), "several", several, draw).passed
    outcome = against_function(Given(several=other), "several", several, draw)
    assert not outcome.passed
    assert said in outcome.verdict


def test_a_functions_known_mistake_is_named():
    def doubled(x, n):
        return 2 * x

    def once(x, n):
        return x

    outcome = against_function(
        Given(once=doubled), "once", once, draw, mistakes=[("x is doubled", {"once": doubled})]
    )
    assert outcome.diagnosis == "this is what you get when x is doubled"


def test_questions_are_asked_in_turn():
    passed = Outcome("passed", "", cases=3)
    wrong = Outcome("wrong", "no")
    assert first_failure(lambda: passed, lambda: passed).cases == 6
    assert first_failure(lambda: passed, lambda: wrong, lambda: 1 / 0) is wrong
