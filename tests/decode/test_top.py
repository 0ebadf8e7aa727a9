import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from npformer.decode.top import top_ids


@settings(deadline=None)
@given(
    rows=st.integers(0, 4),
    width=st.integers(1, 9),
    k=st.integers(1, 12),
    levels=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_top_ids_are_those_of_a_stable_sort(rows, width, k, levels, seed):
    # Few levels give many ties, -inf among them.
    rng = np.random.default_rng(seed)
    x = rng.integers(0, levels, (rows, width)).astype(np.float32)
    x[x == 0] = -np.inf
    expected = np.argsort(-x, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_ids(x, k), expected)
