"""Functions of JAX; of JAX itself where it is installed, and of a stand-in everywhere."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys

import pytest

from npformer.errors import VerifyError
from npformer.verify import WithVJP, check
from tests.verify.subjects import jax_stand_in

KERNELS = """
import jax
import jax.numpy as jnp


def softmax_of(x):
    e = jnp.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def kept(x):
    y = softmax_of(x)
    return y, y


def made(function, fwd, bwd):
    custom = jax.custom_vjp(function)
    custom.defvjp(fwd, bwd)
    return custom


def projected(y, dy):
    return y * (dy - (y * dy).sum(-1, keepdims=True))


softmax = made(softmax_of, kept, lambda y, dy: (projected(y, dy),))
wrong_sign = made(softmax_of, kept, lambda y, dy: (-projected(y, dy),))
scaled = made(softmax_of, kept, lambda y, dy: (0.99 * projected(y, dy),))
one_row = made(softmax_of, kept, lambda y, dy: (dy[0],))
jitted = jax.jit(softmax)


def linear_of(x, w):
    return x @ w.T


def both(x, w):
    return x @ w.T, (x, w)


linear = made(linear_of, both, lambda cache, dy: (dy @ cache[1], dy.T @ cache[0]))
transposed = made(linear_of, both, lambda cache, dy: (dy @ cache[1], cache[0].T @ dy))


def softmax_backward(dy, y):
    return projected(y, dy)
"""
PLAIN = """

def plain(x):
    return jax.nn.softmax(x, axis=-1)


def several(x, ids):
    return jnp.sin(x[ids]), {"ids": ids, "sum": jnp.exp(x).sum()}


def looks(x):
    return x * jnp.tanh(x) if x.sum() > 0 else x * jnp.tanh(x)
"""
SMALL = {"b": (2, 3), "d": (2, 4)}


@pytest.fixture(params=["stand-in", "jax"])
def kernels(request, tmp_path, monkeypatch):
    """A module of a user's own."""
    source = KERNELS
    if request.param == "jax":
        pytest.importorskip("jax")
        source += PLAIN
    else:
        monkeypatch.setitem(sys.modules, "jax", jax_stand_in.jax)
        monkeypatch.setitem(sys.modules, "jax.numpy", jax_stand_in.jnp)
    (tmp_path / "own_jax.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = sys.modules["jax"].config.jax_enable_x64
    yield importlib.import_module("own_jax")
    sys.modules["jax"].config.update("jax_enable_x64", before)
    sys.modules.pop("own_jax")


@pytest.fixture
def x64(kernels):
    sys.modules["jax"].config.update("jax_enable_x64", True)
    return kernels


def printed(result) -> float:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(result.failure.reproduce, {})
    return float(shown.getvalue())


@pytest.mark.parametrize("name", ["softmax", "jitted"])
def test_without_x64_float32_is_checked_and_that_is_said(kernels, name):
    result = check(getattr(kernels, name), "bd", against="softmax", cases=6, sizes=SMALL)
    assert result, result
    assert [t.dtype for t in result.tallies] == ["float32"]
    assert 'turn it on with jax.config.update("jax_enable_x64", True)' in " ".join(result.remarks)
    assert not sys.modules["jax"].config.jax_enable_x64


def test_float64_alone_or_no_reference_is_refused_without_x64(kernels):
    with pytest.raises(VerifyError, match="JAX has no float64 here; turn it on with"):
        check(kernels.softmax, "bd", against="softmax", dtypes="float64")
    with pytest.raises(VerifyError, match="without a reference softmax_of is checked in float64"):
        check(kernels.softmax, "bd")


def test_with_x64_both_are_checked_against_the_own_forward(x64):
    result = check(x64.softmax, "bd", cases=6, sizes=SMALL)
    assert result, result
    assert [t.dtype for t in result.tallies] == ["float64", "float32"]


@pytest.mark.parametrize(
    ("name", "inputs", "sizes", "said"),
    [
        ("wrong_sign", "bd", SMALL, "dx has the wrong sign"),
        ("scaled", "bd", SMALL, "dx is 0.99 times what it should be"),
        ("transposed", "bi, oi", {"i": 3, "o": 3}, "dw"),
    ],
)
def test_a_wrong_one_is_diagnosed_and_its_code_runs(x64, name, inputs, sizes, said):
    result = check(getattr(x64, name), inputs, cases=6, sizes=sizes, shrink=False)
    assert said in str(result)
    code = result.failure.reproduce
    assert f"from own_jax import {name}\n" in code and "jax.vjp(lambda x" in code
    assert "jax.config.update('jax_enable_x64', True)\n" in code
    assert printed(result) == pytest.approx(result.failure.got)


def test_a_backward_of_another_shape_breaks_the_contract(kernels):
    result = check(kernels.one_row, "bd", against="softmax", cases=4, sizes=SMALL, shrink=False)
    assert result.failure.oracle == "contract"
    assert "bwd rule" in result.failure.message and "\n" not in result.failure.message


def test_a_pair_and_a_vjp_of_its_arrays(x64):
    pair = (x64.kept, x64.softmax_backward)
    assert check(pair, "bd", against="softmax", cases=4, sizes=SMALL)
    vjp = WithVJP(x64.softmax_of, lambda dy, x: 2 * x64.projected(x64.softmax_of(x), dy))
    result = check(vjp, "bd", cases=4, sizes=SMALL, shrink=False)
    assert not result and "x = jnp.asarray([[" in result.failure.reproduce


def test_the_debugger_stops_in_the_bwd_rule(x64, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("args\nquit\n"))
    check(x64.scaled, "bd", cases=2, sizes=SMALL, shrink=False, debug=True)
    assert "<lambda>()" in capsys.readouterr().out.split("(Pdb)")[0].splitlines()[-2]


def test_plain_functions_are_differentiated_by_jax():
    pytest.importorskip("jax")
    namespace: dict = {"__name__": "own_plain"}
    exec("import jax\nimport jax.numpy as jnp\n" + PLAIN, namespace)
    plain, several, looks = (namespace[n] for n in ("plain", "several", "looks"))
    assert check(plain, "bd", against="softmax", cases=4, sizes=SMALL)
    result = check(several, "bd, t:int<b", against=several, cases=4, sizes={"b": 3, "d": 2, "t": 5})
    assert result and "output 1 (int64) of several" in " ".join(result.remarks)
    looked = check(looks, "bd", against=looks, cases=4, sizes=SMALL)
    assert looked, looked
    assert [t.dtype for t in looked.tallies] == ["float32"]


def test_the_double_backward_of_a_custom_vjp(x64):
    jax = pytest.importorskip("jax")
    if jax is jax_stand_in.jax:
        pytest.skip("the stand-in differentiates once")
    product = x64.made(lambda x, w: x**3 * w, lambda x, w: (x**3 * w, (x, w)), None)

    def backward_of(cut):
        return lambda kept, dy: (3 * cut(kept[0]) ** 2 * kept[1] * dy, kept[0] ** 3 * dy)

    for cut, right in ((lambda x: x, True), (jax.lax.stop_gradient, False)):
        product.defvjp(lambda x, w: (x**3 * w, (x, w)), backward_of(cut))
        against = lambda x, w: x**3 * w  # noqa: E731
        assert check(product, "bd, bd", against=against, cases=4, sizes=SMALL)
        for other in (against, None):
            result = check(
                product, "bd, bd", against=other, double=True, cases=4, sizes=SMALL, shrink=False
            )
            assert bool(result) is right, result
            if not right:
                assert result.failure.result == "dx"
        if not right:
            x64.product = product
            code = f"import own_jax\nfunction = own_jax.product\n{result.failure.reproduce}"
            with contextlib.redirect_stdout(io.StringIO()) as shown:
                exec(code, {})
            assert float(shown.getvalue()) == pytest.approx(result.failure.got)


def test_a_stand_in_is_not_jax():
    assert sys.modules.get("jax") is not jax_stand_in.jax
    assert not jax_stand_in.jax.config.jax_enable_x64
