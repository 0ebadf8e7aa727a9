"""A wrong gradient is named: the catalogue's, written otherwise than there, and several at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from npformer.cards.strategies import GeneratorSource
from npformer.ops import (
    LayerNormCache,
    attention_backward,
    layer_norm_backward,
    softmax_backward,
)
from npformer.verify import WithVJP, check
from npformer.verify.components.registry import COMPONENTS
from npformer.verify.diagnosis import diagnose, diagnose_implementation
from npformer.verify.diagnosis.evidence import Evidence, observe
from npformer.verify.mutants import MUTANTS
from npformer.verify.tally import check_component


def first_failure(wrong, cases=100):
    """The first case that the checker does not accept."""
    return check_component(wrong, cases, stop_at_failure=True).failure.case


def diagnosed(name, backward):
    """What is said of a backward in the place of the registered one."""
    wrong = COMPONENTS[name].implemented_by(backward=backward)
    return diagnose_implementation(wrong, first_failure(wrong))


def of_layer_norm(change):
    """A layer norm whose three gradients go through ``change`` (dy, cache, dx, dweight, dbias)."""
    return lambda dy, cache: change(dy, cache, *layer_norm_backward(dy, cache))


def bfloat16(array):
    """Rounded to bfloat16, whose numbers within float16's range are all float16's too."""
    return (
        torch.from_numpy(array.astype(np.float64)).bfloat16().double().numpy().astype(array.dtype)
    )


def weight_outside(dy, cache):
    """The weight applied outside the mean terms, in sums where the catalogue has means."""
    xhat, rstd, weight = cache
    d = dy.shape[-1]
    inner = dy.sum(-1, keepdims=True) + xhat * (dy * xhat).sum(-1, keepdims=True)
    dx = weight * rstd / d * (d * dy - inner)
    _, dweight, dbias = layer_norm_backward(dy, cache)
    return dx.astype(dy.dtype), dweight, dbias


def test_a_mistake_of_the_catalogue_is_named_however_it_is_written():
    first = diagnosed("layer_norm", weight_outside)[0]
    assert first.mutant == "layer_norm/weight-outside"
    assert first.result == "dx"
    assert first.chapter == "walkthroughs/03_layer_norm.md"
    assert first.score == 1
    assert str(first) == (
        "dx: this is what you get when the weight is applied outside the mean terms: right at 1 "
        "(see walkthroughs/03_layer_norm.md)"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda dy, c, dx, dw, db: (-dx, dw, db), "dx has the wrong sign"),
        (lambda dy, c, dx, dw, db: (dx, 2 * dw, db), "dweight is off by the factor 2"),
        (lambda dy, c, dx, dw, db: (dx, dw, 0 * db), "dbias is zero"),
        (lambda dy, c, dx, dw, db: (dx, db, dw), "dbias stands where dweight belongs"),
        (lambda dy, c, dx, dw, db: (dy, dw, db), "dx is dy itself"),
        (lambda dy, c, dx, dw, db: (dx, dy * c.xhat, dy), "are not summed over dy's leading axes"),
        (
            lambda dy, c, dx, dw, db: (dx, dw, dy.reshape(-1, dy.shape[-1])[-1:].sum(0)),
            "dbias holds the share of dy's last row alone",
        ),
        (
            lambda dy, c, dx, dw, db: (dx, (dw / np.sqrt(len(dw))).astype(dw.dtype), db),
            "dweight is off by the factor 1/sqrt(D)",
        ),
        (
            lambda dy, c, dx, dw, db: (dx, dw, db.astype(np.float32).astype(db.dtype)),
            "dbias is computed in float32",
        ),
        (
            lambda dy, c, dx, dw, db: (dx, dw, bfloat16(db)),
            "dbias is computed in bf16",
        ),
        (
            lambda dy, c, dx, dw, db: (dx, dw, db.astype(np.float16).astype(db.dtype)),
            "dbias is computed in float16",
        ),
        (
            lambda dy, c, dx, dw, db: (dx, 0 * dw, 2 * db),
            "dweight is zero; dbias is off by the factor 2",
        ),
        (lambda dy, c, dx, dw, db: (dx * 0.37, dw, db), "dx is 0.37 times what it should be"),
        (lambda dy, c, dx, dw, db: (dx * dx.dtype.type(np.nan), dw, db), "dx is NaN"),
    ],
)
def test_a_mistake_that_any_gradient_can_have_is_named(change, sentence):
    assert sentence in diagnosed("layer_norm", of_layer_norm(change))[0].sentence


@pytest.mark.parametrize(
    ("which", "factor", "sentence"),
    [
        (0, lambda q, k: 1 / np.sqrt(q.shape[-1]), "dq is off by the factor 1/sqrt(H)"),
        (1, lambda q, k: 1 / q.shape[1], "dk is off by the factor 1/T"),
        (2, lambda q, k: 1 / max(len(q), 1), "dv is off by the factor 1/B"),
        (0, lambda q, k: q.shape[2] * q.shape[3], None),
    ],
)
def test_a_factor_is_named_by_the_axis_that_it_is_the_size_of(which, factor, sentence):
    def backward(dy, cache):
        gradients = list(attention_backward(dy, cache))
        gradients[which] = gradients[which] * dy.dtype.type(factor(cache.q, cache.k))
        return tuple(gradients)

    found = diagnosed("attention", backward)
    assert not found if sentence is None else sentence in found[0].sentence


def test_exchanged_axes_are_named():
    def backward(dy, cache):
        dq, dk, dv, *others = attention_backward(dy, cache)
        return dq, dk, dv.swapaxes(1, 2).reshape(dv.shape), *others

    first = diagnosed("attention", backward)[0]
    assert (
        first.sentence
        == "dv has the axes in the order 0, 2, 1, 3, and is then reshaped to its shape"
    )


def test_a_function_of_ones_own_is_recognised_by_its_output():
    def forward(z, gain, shift):
        mu, std = z.mean(-1, keepdims=True), np.sqrt(z.var(-1, keepdims=True) + 1e-5)
        zhat = (z - mu) / std
        return zhat * gain + shift, LayerNormCache(zhat, 1 / std, gain)

    result = check((forward, weight_outside), "btd, d, d", cases=30, shrink=False)
    first = result.diagnoses[0]
    assert first.mutant == "layer_norm/weight-outside"
    assert first.result == "dz"


@pytest.mark.parametrize(
    ("backward", "mutants", "sentence"),
    [
        (
            lambda dy, c: (*weight_outside(dy, c)[:2], -weight_outside(dy, c)[2]),
            ("layer_norm/weight-outside",),
            "and besides dbias has the wrong sign",
        ),
        (
            lambda dy, c: (
                weight_outside(dy, c)[0],
                weight_outside(dy, c)[1] * c.weight,
                weight_outside(dy, c)[2],
            ),
            ("layer_norm/weight-outside", "layer_norm/weight-gradient-of-y"),
            "and besides dweight is summed with dy * weight",
        ),
        (
            lambda dy, c: (weight_outside(dy, c)[0] / c.rstd, *weight_outside(dy, c)[1:]),
            ("layer_norm/weight-outside", "layer_norm/rstd-missing"),
            "lacks the factor rstd",
        ),
        (
            lambda dy, c: (2 * weight_outside(dy, c)[0], *weight_outside(dy, c)[1:]),
            ("layer_norm/weight-outside",),
            "and besides dx is off by the factor 2",
        ),
    ],
)
def test_two_mistakes_at_once_are_both_named(backward, mutants, sentence):
    first = diagnosed("layer_norm", backward)[0]
    assert set(first.mutants) == set(mutants)
    assert sentence in first.sentence
    assert first.score < 1


def test_a_wrong_forward_and_a_wrong_backward_are_both_named():
    a, b = MUTANTS["layer_norm/unbiased-variance"], MUTANTS["layer_norm/mean-term-dropped"]
    wrong = b.plant(a.plant(COMPONENTS["layer_norm"]))
    first = diagnose_implementation(wrong, first_failure(wrong))[0]
    assert set(first.mutants) == {a.name, b.name}


def test_a_mistake_in_a_part_of_a_module_is_named():
    mutant = MUTANTS["layer_norm/weight-outside"]
    pair = mutant.plant(COMPONENTS["layer_norm"]).pair
    functions = dict(zip(COMPONENTS["layer_norm"].pair, pair, strict=True))
    wrong = dataclasses.replace(COMPONENTS["Layer"], replacements=functions)
    first = diagnose_implementation(wrong, first_failure(wrong, 20))[0]
    assert first.mutant == mutant.name
    assert "within it, in layer_norm" in first.sentence


def test_a_result_that_depends_on_the_calls_before_is_named():
    calls = []

    def backward(dy, cache):
        calls.append(1)
        return softmax_backward(dy, cache) * len(calls)

    assert "a second call" in diagnosed("softmax", backward)[0].sentence


def test_what_has_no_cause_is_located():
    def backward(dy, cache):
        dx = softmax_backward(dy, cache)
        return np.where(np.arange(dx.shape[-1]) == 0, dx + 1, dx).astype(dx.dtype)

    found = diagnosed("softmax", backward)
    assert all(d.score < 0.5 and d.mutant is None for d in found)


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_a_right_result_has_no_diagnosis(name):
    component = COMPONENTS[name]
    source = GeneratorSource(np.random.default_rng(3))
    for dtype in (np.float64, np.float32):
        for _ in range(3):
            case = component.draw(source, np.dtype(dtype))
            with np.errstate(all="ignore"):
                assert diagnose(component, case, component.run(case)) == []


def test_a_right_backward_in_another_form_has_no_diagnosis():
    def backward(dy, cache):
        xhat, rstd, weight = cache
        d = dy.shape[-1]
        g = dy * weight
        inner = g.sum(-1, keepdims=True) + xhat * (g * xhat).sum(-1, keepdims=True)
        _, dweight, dbias = layer_norm_backward(dy, cache)
        return ((d * g - inner) * (rstd / d)).astype(dy.dtype), dweight, dbias

    right = COMPONENTS["layer_norm"].implemented_by(backward=backward)
    source = GeneratorSource(np.random.default_rng(0))
    for _ in range(20):
        case = right.draw(source, np.dtype(np.float64))
        with np.errstate(all="ignore"):
            assert diagnose(right, case, right.run(case)) == []


def test_an_input_that_is_written_to_is_part_of_what_is_seen():
    wrong = MUTANTS["linear/input-overwritten"].plant(COMPONENTS["linear"])
    case = first_failure(wrong)
    before = case.dy.copy()
    evidence = Evidence.of(wrong, case, observe(wrong, case))
    assert evidence.names == ("dy afterwards",)
    np.testing.assert_array_equal(case.dy, before)  # the case itself is left alone


def test_mutants_that_agree_everywhere_are_named_together(monkeypatch):
    import dataclasses

    twin = dataclasses.replace(
        MUTANTS["softmax/zero"], name="softmax/nothing", wrong="dx is never filled in"
    )
    monkeypatch.setitem(MUTANTS, twin.name, twin)
    found = diagnosed("softmax", lambda dy, cache: np.zeros_like(dy))
    assert found[0].mutants == ("softmax/zero", "softmax/nothing")
    assert found[0].sentence.endswith(", or when dx is never filled in")
    assert len(found) == 1


def slope(x):
    return 1 - np.tanh(x) ** 2


def unwritten(places):
    """The gradient of tanh, whose entries at these places of the last axis were never written."""

    def vjp(dy, x):
        dx = dy * slope(x)
        dx[..., places] = 0
        return dx

    return WithVJP(np.tanh, vjp)


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (slice(8, None), "at index 8 and later ones of axis 1"),
        (slice(1, None, 2), "at odd indices of axis 1"),
    ],
)
def test_entries_that_are_never_written_are_named_as_narrowly_as_they_can_be(places, said):
    result = check(unwritten(places), "bd", against=torch.tanh, cases=60, shrink=False)
    told = f"dx is never written {said}: it is 0 there whatever dy is"
    assert result.diagnoses[0].sentence == told


@pytest.mark.parametrize(("noise", "besides"), [(None, False), (1e-4, True)])
def test_noise_does_not_hide_a_steady_factor(noise, besides):
    """In the last bit it is not worth a word; above that both are said."""
    rng = np.random.default_rng(0)

    def vjp(dy, x):
        size = np.finfo(dy.dtype).eps if noise is None else noise
        moved = 1 + size * rng.standard_normal(dy.shape)
        return (0.37 * dy * slope(x) * moved).astype(dy.dtype)

    result = check(WithVJP(np.tanh, vjp), "bd", against=torch.tanh, cases=60, shrink=False)
    said = result.diagnoses[0].sentence
    assert said.endswith("dx is 0.37 times what it should be, in every entry")
    assert ("a second call with the same arguments gives another result" in said) == besides


def test_a_sum_over_an_axis_of_a_fixed_length_is_no_multiple_of_a_mean():
    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    result = check(WithVJP(softmax, lambda dy, x: dy * softmax(x)), "b 100", cases=40, shrink=False)
    assert result.diagnoses[0].sentence == "dx is what it should be plus y * sum(dy * y, axis 1)"


def test_a_layout_that_is_missed_is_not_taken_for_a_gradient_that_is_not_linear():
    def vjp(dy, x):
        return np.zeros_like(x) if dy.size > 1 and 0 in dy.strides else 2 * dy * x

    result = check(WithVJP(np.square, vjp), "bd", against=torch.square, cases=60, shrink=False)
    assert not result
    assert not any("linear" in each.sentence for each in result.diagnoses)
