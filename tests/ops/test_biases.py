"""ALiBi's slopes and T5's buckets beside those of transformers."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.ops.alibi import alibi_forward, alibi_slopes, relative_positions
from npformer.ops.relative_bias import relative_buckets
from npformer.ops.softmax import softmax_forward


def test_the_papers_slopes():
    np.testing.assert_allclose(alibi_slopes(8), 2.0 ** -np.arange(1, 9))
    twelve = [*2.0 ** -np.arange(1, 9), *2.0 ** -np.array([0.5, 1.5, 2.5, 3.5])]
    np.testing.assert_allclose(alibi_slopes(12), twelve)
    assert alibi_slopes(1).tolist() == [2.0**-8]


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 71])
def test_slopes_and_bias_are_those_of_transformers(heads):
    """Its bias grows with the key, ours falls with the distance: the softmax sees no difference."""
    import torch
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    s = 6
    theirs = build_alibi_tensor(torch.ones(1, s), heads, torch.float32).numpy()  # (N, 1, S)
    np.testing.assert_allclose(theirs[:, 0, 1], alibi_slopes(heads), rtol=1e-6)
    y, _ = alibi_forward(alibi_slopes(heads), t=s, s=s)
    hidden = np.where(relative_positions(s, s) > 0, -np.inf, 0.0)
    ours, other = (softmax_forward(bias + hidden)[0] for bias in (y, theirs.astype(np.float64)))
    np.testing.assert_allclose(ours, other, atol=1e-6)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize(("count", "largest"), [(32, 128), (8, 20), (32, 20), (16, 64)])
def test_buckets_are_those_of_transformers(both, count, largest):
    import torch
    from transformers.models.t5.modeling_t5 import T5Attention

    relative = np.arange(-300, 301)
    theirs = T5Attention._relative_position_bucket(torch.from_numpy(relative), both, count, largest)
    np.testing.assert_array_equal(relative_buckets(relative, count, both, largest), theirs.numpy())


def test_every_bucket_is_met():
    for both in (True, False):
        found = relative_buckets(np.arange(-500, 501), 32, both)
        # A bidirectional bias has no key that follows at distance 0.
        assert set(found.tolist()) == set(range(32)) - ({16} if both else set())
