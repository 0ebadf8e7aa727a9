"""What is printed."""

from __future__ import annotations

import json
import re

import torch
import torch.nn.functional as F

from npformer.verify import WithVJP, check, component
from npformer.verify.answer.message import number
from tests.verify.functions import LATE, Swish, WrongSwish


def test_a_failure_is_told_in_a_dozen_lines():
    text = str(check(LATE, against="layer_norm", cases=60))
    lines = text.splitlines()
    assert len(lines) <= 17
    assert re.match(r"layer_norm is wrong: dx\[\d\] is \S+, expected \S+$", lines[0])
    assert re.search(r"off by \S+ rounding units, PyTorch by \S+; float64; \d+ of 60", lines[1])
    assert "Diagnosis: this is what you get when the weight is applied outside" in text
    assert "walkthroughs/03_layer_norm.md" in text
    assert "    dx, dweight, dbias = weight_too_late(dy, cache)" in lines
    assert lines[-1] == "The same cases again: seed=0"


def test_several_wrong_results_are_listed_and_invariants_are_not():
    def late(dy, cache):
        dx, dweight, dbias = LATE[1](dy, cache)
        return dx, 3 * dweight, dbias

    text = str(check((LATE[0], late), against="layer_norm", cases=60))
    assert re.search(r"cases fail \((dweight in \d+, dx|dx in \d+, dweight) in \d+\)", text)
    assert "sums to" not in text


def test_success_is_told_in_one_line_and_the_sizes_in_another():
    text = str(check(Swish, "btd", against=F.silu, cases=40))
    assert re.fullmatch(
        r"Swish is right against silu: 40 cases, float64 and float32, seed 0; worst error of a "
        r"gradient \d\.\d\d rounding units, silu's own \d\.\d\d; the forward's own derivative "
        r"agrees in \d+\n  sizes: b 1-8, 65; t 1-8, 65; d 1-8, 65",
        text,
    )


def test_a_result_is_true_or_false():
    assert check(Swish, "btd", cases=10)
    assert not check(WrongSwish, "btd", cases=10, shrink=False)


def test_the_short_form_says_what_to_do():
    told = repr(check(Swish, "bt", cases=10))
    assert told == "<CheckResult: Swish is right in 10 cases; print it>"


def test_a_reproduction_that_nobody_would_read_is_left_out():
    def wrong(dy, x):
        return dy * (x.shape == (40, 50))

    text = str(check(WithVJP(lambda x: x + 0.0, wrong), [torch.rand(41, 50)], cases=2))
    assert "print(result.failure.reproduce)" in text
    assert len(text) < 1000


def test_a_result_is_json_with_its_diagnosis_and_code():
    found = check(LATE, against="layer_norm", cases=60).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["diagnoses"][0]["mutant"] == "layer_norm/weight-outside"
    assert "print(dx" in found["results"][0]["reproduce"]


def test_a_page_stands_alone():
    page = check(LATE, against="layer_norm", cases=60).page()
    assert page.startswith("<!doctype html>")
    assert "weight is applied outside" in page
    assert "np.array([" in page
    assert not re.search(r"https?://|<script|src=", page)


def test_a_page_escapes_what_it_shows():
    def tanh(x):
        return torch.tanh(x)

    tanh.__name__ = "<script>alert(1)</script> & more"
    page = check(WithVJP(tanh, lambda dy, x: dy[None]), "bt", cases=4).page()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_registered_component_has_the_same_message():
    wrong = component("softmax").implemented_by(backward=lambda dy, cache: 0 * dy)
    assert "softmax is wrong: dx[" in str(check(wrong, cases=20))


def test_numbers_are_short():
    assert [number(x) for x in (0.5, 12.345, 4.2e15)] == ["0.50", "12.35", "4.2e+15"]
    assert number(float("inf")) == "infinitely many"
    assert number(float("nan")) == "NaN"
