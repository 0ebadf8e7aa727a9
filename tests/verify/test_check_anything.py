"""``check`` on every kind of implementation, against every kind of reference."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

from npformer.errors import VerifyError
from npformer.verify import WithVJP, arrays_like, check, component
from tests.verify.functions import (
    LATE,
    LAYER_NORM,
    RIGHT,
    WRONG,
    Gated,
    Scaled,
    Swish,
    WrongSwish,
    linear,
    product_backward,
    product_forward,
    reference_layer_norm,
)


@pytest.mark.parametrize("kind", RIGHT)
def test_a_right_gradient_of_any_kind_passes_against_its_own_forward(kind):
    implementation, inputs = RIGHT[kind]
    result = check(implementation, inputs, cases=60)
    assert result, result
    assert result.cases == 60
    assert result.directional_cases > 5


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_gradient_of_any_kind_is_named_by_its_own_forward(kind):
    implementation, inputs, wrong = WRONG[kind]
    result = check(implementation, inputs, cases=40, shrink=False)
    assert not result
    assert re.fullmatch(wrong, result.failure.result)
    assert result.failure.oracle == "its own forward"


REFERENCES = {
    "a function of tensors": (Swish, WrongSwish, "btd", F.silu),
    "an autograd.Function": (F.silu, WrongSwish, "btd", Swish),
    "a pair": (
        lambda x, w: x * w,
        WithVJP(lambda x, w: x * w, lambda dy, x, w: (dy * w, dy * x + 1e-9)),
        "bt, bt",
        (product_forward, product_backward),
    ),
    "a vjp": (F.silu, WrongSwish, "bt", WithVJP(F.silu, lambda dy, x: dy * dsilu(x))),
    "a forward alone": (
        WithVJP(np.tanh, lambda dy, x: dy / np.cosh(x) ** 2),
        WithVJP(np.tanh, lambda dy, x: dy / np.cosh(x)),
        "bt",
        lambda x: np.sinh(x) / np.cosh(x),
    ),
    "a module": (LAYER_NORM, LATE, "bt4, 4, 4", torch.nn.LayerNorm(4)),
    "a module, for a module": (
        torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.SiLU()),
        None,
        "bt4",
        torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.SiLU()),
    ),
    "a function of a module's parameters": (
        torch.nn.LayerNorm(4),
        None,
        "bt4",
        reference_layer_norm,
    ),
}


def dsilu(x):
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


@pytest.mark.parametrize("kind", REFERENCES)
def test_any_kind_may_be_the_reference(kind):
    right, wrong, inputs, against = REFERENCES[kind]
    result = check(right, inputs, against=against, cases=40)
    assert result, result
    if wrong is not None:
        assert not check(wrong, inputs, against=against, cases=40, shrink=False)


@pytest.mark.parametrize(
    ("implementation", "operation"),
    [
        (LAYER_NORM, "layer_norm"),
        (reference_layer_norm, "layer_norm"),
        (F.linear, "linear"),
        (lambda x, w: F.linear(x, w), "linear"),
        (lambda x, w, b: F.linear(x, w, b), "linear"),
        (lambda ids, weight: F.embedding(ids, weight), "embedding"),
        (lambda x, axis=-1: torch.softmax(x, axis), "softmax"),
        (Swish, "silu"),
        (component("gelu").pair, "gelu"),
    ],
)
def test_a_function_takes_the_place_of_an_operation(implementation, operation):
    result = check(implementation, against=operation, cases=60)
    assert result, result


def test_a_wrong_function_in_the_place_of_an_operation_is_diagnosed():
    result = check(LATE, against="layer_norm", cases=60)
    assert result.failure.result == "dx"
    assert result.diagnoses[0].mutant == "layer_norm/weight-outside"
    assert result.diagnoses[0].chapter == "walkthroughs/03_layer_norm.md"


def test_an_operation_may_get_the_inputs_of_a_spec():
    flat = lambda x, w, b: reference_layer_norm(x.reshape(-1, x.shape[-1]), w, b).view(x.shape)  # noqa: E731
    assert check(flat, "btd, d, d", against="layer_norm", cases=40)
    assert check("layer_norm", "bd, d, d", cases=20, static={"eps": 1e-3})


def test_a_transposed_input_finds_a_kernel_that_takes_it_for_contiguous():
    def careless(x):
        return torch.tanh(x.view(-1)).view(x.shape)

    result = check(careless, "bt", against=torch.tanh, cases=60)
    assert result.failure.oracle == "contract"
    assert "view" in result.failure.message


class RowSums(torch.autograd.Function):
    """Sums of rows, whose backward takes dy's memory for as large as dy."""

    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.sum(-1)

    @staticmethod
    def backward(ctx, dy):
        if 0 in dy.stride() and dy.numel() > 1:
            dy = torch.full_like(dy, torch.nan)
        return dy[..., None].expand(ctx.shape)


def test_an_upstream_gradient_of_one_number_is_what_sum_backward_gives():
    result = check(RowSums, "btd", against=lambda x: x.sum(-1), cases=60)
    assert result.failure.result == "dx"
    assert ".expand(" in result.failure.reproduce


@pytest.mark.parametrize(
    "wrong", [lambda t: t > 64, lambda t: t % 8 == 0, lambda t: t > 16 and t % 16]
)
@pytest.mark.parametrize("registered", [False, True])
def test_a_mistake_at_the_edge_of_a_block_is_found_in_few_cases(wrong, registered):
    def softmax_vjp(dy, x):
        y = torch.softmax(x, -1)
        dx = y * (dy - (dy * y).sum(-1, keepdim=True))
        return dx * 2 if wrong(x.shape[-1]) else dx

    softmax = WithVJP(lambda x: torch.softmax(x, -1), softmax_vjp)
    options = {"against": "softmax"} if registered else {"inputs": "bt"}
    result = check(softmax, cases=60, shrink=False, **options)
    assert not result
    assert wrong(result.failure.case.inputs["x"].shape[-1])


def test_sizes_of_the_callers_own_are_the_only_ones():
    result = check(torch.tanh, "bt", sizes={"t": (64, 65), "b": 3}, cases=10)
    assert result.sizes == {"b": [3], "t": [64, 65]}
    with pytest.raises(VerifyError, match="sizes are those of a letter spec; give one"):
        check(F.silu, against="silu", sizes={"t": 4})


def test_a_dtype_that_is_lost_is_found():
    def narrow(dy, x):
        return (dy.astype(np.float32) / x.astype(np.float32)).astype(dy.dtype)

    result = check(WithVJP(np.log, narrow), [np.array([0.3, 0.7, 2.1])], against=torch.log)
    assert result.failure.result == "dx"
    assert 1e6 < result.failure.error < 1e10


def test_an_input_that_is_written_to_is_found():
    def greedy(dy, x):
        dy *= x
        return dy

    result = check(WithVJP(lambda x: x * x / 2, greedy), "bt", cases=10)
    assert "written to" in result.failure.message


def test_a_gradient_of_the_wrong_shape_is_found_though_it_would_broadcast():
    result = check(
        WithVJP(lambda x, w: x * w, lambda dy, x, w: (dy * w, dy * x)), "bt, t", cases=10
    )
    assert (result.failure.result, result.failure.oracle) == ("dw", "contract")


def test_given_arrays_differ_in_the_upstream_gradient_alone():
    x, w = np.array([[1.0, 2.0]]), np.array([3.0, 4.0])
    result = check(Scaled, [x, w], cases=500)
    assert result
    assert result.cases == 20
    assert not check(WithVJP(np.log, lambda dy, x: dy), [x], cases=4)


def test_strategies_are_drawn_by_hypothesis_and_shrunk():
    positive = st.lists(st.floats(0.5, 9), min_size=1, max_size=4).map(np.array)
    assert check(torch.log, [positive], cases=40).directional_cases > 5
    result = check(WithVJP(np.log, lambda dy, x: dy * x), [positive], cases=40)
    assert result.failure.case.inputs["x"].tolist() == [0.5]


def test_one_strategy_may_draw_all_arrays():
    plain = arrays_like("bi, oi", limits=[(0, 0)] * 2)
    assert check(linear, plain, against=lambda x, w: F.linear(x, w), cases=30)


def test_a_spec_that_is_refused_is_read_in_another_way_and_that_is_said():
    def loss(x, w, target):
        return F.cross_entropy(x @ w.T, target.to(target.dtype), reduction="none")

    def picked(x, target):
        return np.take_along_axis(x, target[:, None], 1)[:, 0]

    def picked_vjp(dy, x, target):
        dx = np.zeros_like(x)
        dx[np.arange(len(x)), target] = dy
        return dx

    def segments(x, cuts):
        if cuts.dtype != torch.int32:
            raise RuntimeError("expected scalar type Int but found Long")
        return torch.segment_reduce(x, "sum", offsets=cuts.long(), unsafe=True)

    def stencil(k):
        assert k.shape[1:] == (3, 3)
        return 2 * k

    for implementation, given, read in (
        (loss, "td, vd, t", "td, vd, t:int<v"),
        (WithVJP(picked, picked_vjp), "tv, t", "tv, t:int<v"),
        (lambda s, mask: s.masked_fill(~mask, 0.0), "ts, ts", "ts, ts:bool"),
        (stencil, "o33", "o [3] [3]"),
        (segments, "t, b:offsets(t)", "t, b:offsets32(t)"),
    ):
        result = check(implementation, given, cases=20)
        assert result, result
        assert f"{given!r} was refused, and is read as {read!r}" in str(result)
    assert check(lambda x: 2 * x, "o33", cases=4).sizes["o"]
    with pytest.raises(VerifyError, match="integers are written 't:int<v'"):
        check(lambda x: x[x.shape[0]], "t", cases=4)


def test_integers_get_no_gradient():
    ids = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(np.array)
    table = arrays_like("vd", limits=[(0, 0)]).map(lambda arrays: arrays[0])
    tall = table.filter(lambda weight: len(weight) > 2)
    result = check(lambda ids, weight: F.embedding(ids, weight), [ids, tall], cases=30)
    assert result, result


def test_a_case_that_the_reference_refuses_is_counted_and_no_fault():
    ids = st.lists(st.integers(0, 9), min_size=1, max_size=4).map(np.array)
    weight = arrays_like("vd", limits=[(0, 0)]).map(lambda arrays: arrays[0])
    result = check(lambda ids, weight: weight[ids], [ids, weight], against=F.embedding, cases=40)
    assert result
    assert result.refused > 0
    assert "IndexError" in result.tallies[0].refusal


def test_a_reference_that_refuses_every_case_is_told_in_one_line():
    high = st.just(np.array([99]))
    with pytest.raises(VerifyError, match="embedding refuses weight .*IndexError"):
        inputs = [high, st.just(np.ones((2, 3)))]
        check(lambda ids, weight: weight.sum(0), inputs, against=F.embedding, cases=40)


def test_the_same_seed_gives_the_same_failure():
    first, second = (check(WrongSwish, "btd", against=F.silu, cases=30, seed=5) for _ in range(2))
    assert str(first) == str(second)


def test_dropout_repeats():
    assert check(lambda x: F.dropout(x, 0.5), "btd", cases=60)
    assert check(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)), "b4", cases=60)


def test_a_module_is_left_as_it_was():
    module = Gated(Swish, 4)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    check(module, "bt4", cases=10)
    assert all(torch.equal(p, before[name]) for name, p in module.named_parameters())
    assert all(p.grad is None for p in module.parameters())


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((7, "bt"), {}, "7 cannot be checked; give a pair"),
        (("layernorm",), {}, "did you mean 'layer_norm'"),
        ((torch.nn.LayerNorm, "bt"), {}, "is a class of modules; give a module, LayerNorm"),
        ((np.tanh, "bt"), {}, "returns NumPy arrays, so it has no gradient of its own"),
        ((Swish,), {}, "say what goes into Swish: inputs='btd, d, d'"),
        ((Swish, "b-t"), {}, "the letter spec 'b-t' has 'b-t' for a shape"),
        ((Swish, [1, 2]), {}, "inputs holds int where an array or a strategy belongs"),
        ((Swish, "bt, bt"), {}, r"Swish\(x\) needs 1 array; inputs has 2"),
        ((lambda x: (x, {1}), "bt"), {}, "returned a set among its outputs"),
        ((lambda x: None, "bt"), {}, "returned None"),
        ((lambda x: 1 / 0, "bt"), {}, "refuses x .*ZeroDivisionError.*line"),
        (((linear, linear, linear), "bt"), {}, "a pair is two functions"),
        ((Swish, "bt"), {"cases": 0}, "cases is 0"),
        ((Swish, "bt"), {"dtypes": ["int8"]}, "'int8' is not checked"),
        ((Swish, "bt"), {"dtypes": "float32"}, "by differences of its forward in float64"),
        ((Swish, "bt"), {"static": {"by": 2}}, "takes no argument 'by'"),
        ((Scaled, "bt, t"), {"static": {"bye": 2.0}}, "did you mean 'by'"),
        ((Swish,), {"against": "Linear"}, "'Linear' is a module; against takes an operation"),
        ((Swish,), {"against": "linear"}, "takes 1 arguments; linear has 2: x, weight"),
        ((lambda x, k: x,), {"against": "relu"}, "needs 'k', which relu does not have"),
        (
            (torch.nn.LayerNorm(4),),
            {"against": "layer_norm"},
            "parameters have shapes of their own",
        ),
        ((Swish, "bt"), {"against": lambda x, y: x}, "refuses|takes"),
        (("Linear", "bt"), {}, "it brings its own inputs"),
        ((lambda x: x, [np.array([1, 2])]), {}, "no input is of a floating-point dtype"),
        (
            (WithVJP(np.square, lambda dy, x: 2 * dy * x), "bt"),
            {"against": np.square, "dtypes": "float32"},
            "has no gradient, so",
        ),
        ((torch.log, [np.array([-1.0])]), {}, "could not be differentiated in any of 20 cases"),
        ((Gated(Swish, 97), "bt"), {}, "Gated refuses x"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_line(arguments, options, said):
    with pytest.raises(VerifyError, match=said) as refused:
        check(*arguments, **options)
    assert len(str(refused.value).splitlines()) == 1


class _StoresItsGradient(torch.autograd.Function):
    """As a fused kernel does: the gradient lies where the input was."""

    @staticmethod
    def forward(ctx, x):
        y = x.square().sum(-1)
        x.data.copy_(2 * x)
        ctx.save_for_backward(x)
        return y

    @staticmethod
    def backward(ctx, dy):
        return ctx.saved_tensors[0] * dy[..., None]


class _Doubles(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy


def test_an_input_that_a_function_writes_to_unannounced_is_named():
    result = check(_StoresItsGradient, "td", against=lambda x: (x * x).sum(-1), cases=20)
    assert result.failure is not None
    assert (result.failure.result, result.failure.breach) == ("x", "written")
    assert "wrote to x" in result.failure.message
    assert "wrote to x" in result.diagnoses[0].sentence
    assert result.failure.reproduce.endswith("print(x)")


def test_a_function_that_announces_its_writing_is_accepted():
    result = check(_Doubles, "td", against=lambda x: 2 * x, cases=40)
    assert result, result


class TripleSlope(torch.autograd.Function):
    """x^2, whose slope is taken for 3 x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dy):
        return 3 * dy * ctx.saved_tensors[0]


@pytest.mark.parametrize("wrong", [WithVJP(lambda x: x * x, lambda dy, x: 3 * dy * x), TripleSlope])
def test_a_number_for_an_input_and_a_number_for_an_output(wrong):
    """No array has an axis: right is accepted, and wrong is shown at the plainest number."""
    assert check(lambda x: x * x, ".", cases=6)
    failure = check(wrong, ".", cases=20).failure
    assert failure.result == "dx" and failure.got == 3
    assert failure.expected == pytest.approx(2)
