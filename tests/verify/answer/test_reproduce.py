"""The code that a failure prints shows the wrong number, on its own."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
import pytest
import torch

from npformer.cards.values import LAYOUTS, in_layout
from npformer.exercises.load import load_python
from npformer.verify import check, component
from npformer.verify.answer.literals import array_literal, tensor_literal
from npformer.verify.mutants import MUTANTS
from tests.verify.functions import LATE, WRONG, Gated, WrongSwish


def printed(code: str, **names) -> str:
    """What the code prints; ``names`` are of functions that cannot be imported."""
    out = io.StringIO()
    namespace = {"in_layout": in_layout, **names}
    with contextlib.redirect_stdout(out):
        exec(compile(code, "reproduction", "exec"), namespace)
    return out.getvalue().strip()


def the_number(text: str) -> float:
    return float(re.search(r"-?(\d+\.?\d*(e[-+]?\d+)?|nan|inf)", text)[0])


LAMBDAS = {"pair of functions of tensors", "vjp of tensors", "function of tensors"}


@pytest.mark.parametrize("kind", WRONG)
def test_every_kind_shows_the_wrong_number(kind):
    implementation, inputs, _ = WRONG[kind]
    failure = check(implementation, inputs, cases=40).failure
    names = {}
    if kind == "module":
        names["your_module"] = Gated(WrongSwish, 4)
    elif kind == "pair of functions of tensors":
        names = {"forward": implementation[0], "backward": implementation[1]}
    elif kind == "vjp of tensors":
        names = {"function": implementation.function, "vjp": implementation.vjp}
    elif kind in LAMBDAS:
        names["function"] = implementation
    shown = the_number(printed(failure.reproduce, **names))
    assert shown == pytest.approx(failure.got, rel=1e-3, abs=1e-12)
    assert f"# expected {failure.expected:.6g}" in failure.reproduce


def test_a_function_that_can_be_imported_is():
    code = check(WrongSwish, "btd", cases=20).failure.reproduce
    assert "from tests.verify.functions import WrongSwish" in code
    assert the_number(printed(code)) == pytest.approx(1.46, abs=0.01)


def test_a_file_that_no_import_finds_is_run(tmp_path):
    """As an exercise's is, which is loaded from wherever it lies."""
    file = tmp_path / "attempt.py"
    file.write_text(
        "import numpy as np\n\n\n"
        "def sine_forward(x):\n    return np.sin(x), x\n\n\n"
        "def sine_backward(dy, x):\n    return 2 * dy * np.cos(x)\n"
    )
    own = load_python(file)
    failure = check((own.sine_forward, own.sine_backward), "b", cases=6).failure
    assert the_number(printed(failure.reproduce)) == pytest.approx(failure.got, abs=1e-12)


def test_an_operations_own_backward_may_be_replaced():
    wrong = component("layer_norm").implemented_by(backward=LATE[1])
    failure = check(wrong, cases=40).failure
    assert "from npformer.ops import layer_norm_forward" in failure.reproduce
    assert the_number(printed(failure.reproduce)) == pytest.approx(failure.got, abs=1e-12)


@pytest.mark.parametrize("name", ["Layer/", "Transformer/", "cross_entropy/", "dropout/"])
def test_the_code_of_any_component_runs(name):
    mutant = next(m for m in MUTANTS.values() if m.name.startswith(name))
    result = check(
        mutant.plant(component(mutant.component)), cases=200, shrink=False, stop_at_failure=True
    )
    backward = getattr(result.subject, "pair", (None, None))
    names = {getattr(f, "__name__", ""): f for f in backward if f is not None}
    assert printed(result.failure.reproduce, **names)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_a_literal_is_the_array_to_the_last_digit(layout, dtype):
    array = in_layout((np.random.default_rng(0).standard_normal((2, 3)) * 3).astype(dtype), layout)
    back = eval(array_literal(array), {"np": np, "in_layout": in_layout})
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert back.flags.c_contiguous == array.flags.c_contiguous
    tensor = eval(tensor_literal(array, False), {"torch": torch})
    np.testing.assert_array_equal(tensor.numpy(), array)


@pytest.mark.parametrize(
    "array", [np.array(2.5), np.zeros((0, 3)), np.array([np.nan, np.inf, -np.inf])]
)
def test_a_literal_of_the_unusual(array):
    np.testing.assert_array_equal(eval(array_literal(array), {"np": np}), array)
    tensor = eval(tensor_literal(array, False), {"torch": torch})
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert tensor.shape == array.shape
