"""Values, magnitudes and layouts of the arrays that go hunting."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.cards.values import (
    EXPONENTS,
    KINDS,
    LAYOUTS,
    at_magnitude,
    in_layout,
    layout_of,
    make_values,
    offset_of,
)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4), (2, 0, 4)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_keeps_shape_dtype_and_numbers(layout, shape):
    array = np.asarray(np.random.default_rng(0).standard_normal(shape), np.float32)
    laid = in_layout(array, layout)
    assert isinstance(laid, np.ndarray)
    assert laid.dtype == np.float32
    np.testing.assert_array_equal(laid, array)


def test_a_layout_is_what_it_says():
    array = np.arange(24.0).reshape(2, 3, 4)
    assert in_layout(array, "Fortran").flags.f_contiguous
    assert in_layout(array, "strided").strides[-1] == 16
    assert min(in_layout(array, "reversed").strides) < 0
    assert not in_layout(array, "read-only").flags.writeable
    assert in_layout(array, "transposed").swapaxes(-1, -2).flags.c_contiguous
    assert offset_of(in_layout(array, "slice")) == 37
    assert in_layout(np.full((2, 3), 4.0), "expanded").strides == (0, 0)
    assert in_layout(np.array([[1.0, 2], [1, 2]]), "expanded").strides == (0, 8)
    for layout in LAYOUTS:
        expected = {"read-only": "C", "expanded": "C"}.get(layout, layout)
        assert layout_of(in_layout(array, layout)) == expected
    assert layout_of(in_layout(np.ones((2, 3)), "expanded")) == "expanded"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_what_it_says(kind):
    values = make_values(np.random.default_rng(0), (4, 5), kind, np.dtype(np.float32))
    assert values.dtype == np.float32
    assert {
        "generic": len(np.unique(values)) == 20,
        "constant rows": (values == values[:, :1]).all() and len(np.unique(values)) == 4,
        "zeros": not values.any(),
        "ties": len(np.unique(values)) <= 5,
        "one large": np.sort(np.abs(values).ravel())[-2:].tolist()[1] == 50.0,
    }[kind]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_a_magnitude_is_rounded_once_and_finite(exponent):
    values = at_magnitude(np.array([1.5, -2.0], np.float32), exponent)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    if exponent >= -38:
        np.testing.assert_allclose(values / np.float64(10.0) ** exponent, [1.5, -2], rtol=1e-6)


def test_float32_subnormals_are_among_the_magnitudes():
    tiny = np.finfo(np.float32).tiny
    drawn = at_magnitude(np.array([1.5], np.float32), -42)
    assert 0 < drawn[0] < tiny
