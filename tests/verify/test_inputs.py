"""What goes into a function."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.cards.sources import FirstSource, GeneratorSource, at_edges
from npformer.errors import VerifyError
from npformer.verify.inputs import as_inputs

F64 = np.dtype(np.float64)


def drawn(given, seed=0, dtype=F64):
    return as_inputs(given).draw(GeneratorSource(np.random.default_rng(seed)), dtype)


def test_a_letter_has_one_size_and_a_number_is_one():
    for seed in range(30):
        x, w, s = drawn("btd, d16, .", seed)
        assert x.shape[2] == w.shape[0] >= 1
        assert w.shape[1] == 16
        assert s.shape == ()


def test_fixed_axes_in_a_row_stand_in_brackets():
    x, w = drawn("bt64, o i [3] [3]")
    assert x.shape[2:] == (64,) and w.shape[2:] == (3, 3) and w.ndim == 4


def test_integers_booleans_and_offsets():
    seen = set()
    for seed in range(40):
        x, w, ids, mask, offsets = drawn("td, vd, t:int<v, td:bool, b:offsets(t)", seed)
        assert ids.dtype == np.int64 and ids.min() >= 0 and ids.max() < len(w)
        seen |= {"last"} if ids.max() == len(w) - 1 else set()
        assert mask.dtype == bool and mask.shape == x.shape
        assert offsets[0] == 0 and offsets[-1] == len(x) and (np.diff(offsets) >= 0).all()
        seen |= {"mixed"} if 0 < mask.mean() < 1 else {f"all {mask.all()}"}
    assert seen == {"last", "mixed", "all True", "all False"}
    assert drawn("t:int")[0].max() < 10
    assert drawn("v, t:int<2 v + 1")[1].max() <= 14


def test_integers_of_other_widths():
    x, ids, cuts, small = drawn("td, t:int32<v, b:offsets32(t), v:int8<900 v", 3)
    assert (ids.dtype, cuts.dtype, small.dtype) == (np.int32, np.int32, np.int8)
    assert cuts[0] == 0 and cuts[-1] == len(x)
    said = "td, t:int32<v, v, b:offsets32(t), b:int16"
    assert str(as_inputs(said)) == said
    with pytest.raises(VerifyError, match="t is 40000, and int16 ends at 32767"):
        as_inputs("t, b:offsets16(t)", {"t": 40000}).draw(FirstSource(), np.dtype(float))


def test_relations_hold():
    for seed in range(60):
        q, k = drawn("bnd, bgd; n = 2 g; d even; b <= g + 1", seed)
        assert q.shape[1] == 2 * k.shape[1]
        assert q.shape[2] % 2 == 0 and q.shape[0] <= k.shape[1] + 1
        a, b, c = (len(x) for x in drawn("a, b, c; a = 2 b; b = 8 k; c != b", seed))
        assert a == 2 * b and b % 8 == 0 and c != b
    with pytest.raises(VerifyError, match="of 'a, b' leave nothing: no size of a"):
        drawn("a, b; a = 3; b = 2; b > a")


def test_sizes_reach_the_edges_of_blocks_and_stay_affordable():
    source, spec = at_edges(GeneratorSource(np.random.default_rng(0))), as_inputs("btd, de")
    seen, most = {}, 0
    for _ in range(200):
        arrays = spec.draw(source, F64)
        most = max(most, sum(a.size for a in arrays))
        for letter, size in spec.sizes(arrays).items():
            seen.setdefault(letter, set()).add(size)
    assert most <= 8192
    for letter in "btde":
        assert seen[letter] >= {1, 2, 7, 65, 8, 16, 129, 64, 33, 1025, 128, 17}


def test_sizes_may_be_given():
    for seed in range(20):
        spec = as_inputs("btd; d even", {"t": (64, 65), "d": range(1, 9)})
        x = spec.draw(GeneratorSource(np.random.default_rng(seed)), F64)[0]
        assert x.shape[1] in (64, 65) and x.shape[2] in (2, 4, 6, 8)
    assert as_inputs("bt", {"t": 5}).draw(FirstSource(), F64)[0].shape == (2, 5)
    for sizes, said in (
        ({"s": 3}, "sizes has 's', which 'bt' has not; it has b, t"),
        ({"t": "3"}, "the size of t is '3'; give a number"),
        ({"t": ()}, "the size of t is"),
    ):
        with pytest.raises(VerifyError, match=said):
            as_inputs("bt", sizes)
    with pytest.raises(VerifyError, match="sizes are those of a letter spec"):
        as_inputs([np.ones(2)], {"t": 3})


def test_no_axis_of_a_spec_is_empty():
    assert all(min(a.shape) > 0 for seed in range(200) for a in drawn("bt, td", seed))


def test_an_output_may_be_written_and_is_left_out():
    assert len(drawn("bt, td -> bd")) == 2


def test_values_stay_where_most_functions_are_defined():
    largest = max(np.abs(a).max() for seed in range(300) for a in drawn("bt", seed))
    assert 1e2 < largest < 1e4


def test_the_first_case_is_plain():
    (x,) = as_inputs("btd").draw(FirstSource(), F64)
    assert x.shape == (2, 3, 4)
    assert x.flags.c_contiguous and 0.1 < np.abs(x).max() < 10


def test_arrays_tensors_and_dictionaries_are_given():
    x, ids = np.ones((2, 3), np.float32), torch.tensor([1, 2])
    for given in ([x, ids], (x, ids), {"x": x, "ids": ids}):
        first, second = drawn(given)
        assert (first.dtype, second.dtype) == (np.float64, np.int64)
    assert drawn(x)[0].shape == (2, 3)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "bt,",
        "b0",
        "b-d",
        "é",
        "b[0]",
        "bt:float",
        "bt:offsets(t)",
        "bt:int<",
        "t:int12<t",
        "b:offsets8(t)",
        "t:int<2 (v)",
        "bt;",
        "bt; b",
        "bt; b evn",
        "bt; b = 2 (t)",
        "t:int<v",
    ],
)
def test_a_spec_that_says_nothing_is_refused(spec):
    with pytest.raises(VerifyError, match="letter spec"):
        as_inputs(spec)


@pytest.mark.parametrize("given", [7, [], {}, [np.ones(2), "bt"]])
def test_what_is_no_input_is_refused(given):
    with pytest.raises(VerifyError, match="inputs"):
        as_inputs(given)


def test_complex_numbers_are_refused():
    with pytest.raises(VerifyError, match="complex128; it must be real"):
        drawn([np.ones(2, complex)])
