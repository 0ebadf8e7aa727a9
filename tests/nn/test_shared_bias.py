"""A bias of the scores that all layers of a stack share."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from npformer.errors import ConfigError
from npformer.nn import Stack
from npformer.seam import watching

T5 = {"name": "t5", "max_length": 9, "heads": 2, "buckets": 4, "max_distance": 5}


def made(attention, positions) -> Stack:
    return Stack(
        len(attention),
        4,
        2,
        6,
        causal=True,
        attention=attention,
        positions=positions,
        rng=np.random.default_rng(0),
        dtype=np.float64,
    )


def test_it_is_made_once_for_all_layers_and_so_is_its_gradient():
    stack = made([{}] * 3, T5)
    calls: Counter[str] = Counter()

    def count(call, run, *args, **kwargs):
        calls[call.name] += call.owner is None
        return run(*args, **kwargs)

    x = np.random.default_rng(1).standard_normal((2, 7, 4))
    with watching(count):
        y, cache = stack.forward(x)
        stack.backward(y, cache)
    assert calls["relative_bias_forward"] == calls["relative_bias_backward"] == 1
    assert calls["attention_forward"] == 3


@pytest.mark.parametrize("window", [1, 3, 20])
def test_decoding_reads_of_it_what_a_layers_window_keeps(window):
    stack = made([{"window": window}, {}], T5)
    x = np.random.default_rng(1).standard_normal((2, 9, 4))
    whole, _ = stack.forward(x)
    states = stack.start(9)
    pieces = [x[:, :4], *np.split(x[:, 4:], 5, axis=1)]  # a prompt, then tokens one by one
    found = [stack.forward(piece, states=states)[0] for piece in pieces]
    np.testing.assert_allclose(np.concatenate(found, axis=1), whole, rtol=1e-12)


def test_a_layer_has_one_bias():
    with pytest.raises(ConfigError, match="positions are a bias, and so are those of attention"):
        made([{"positions": T5}], T5)
    torch = pytest.importorskip("torch")
    from torch_ref.nn.stack import Stack as Twin

    with pytest.raises(ConfigError, match="positions are a bias, and so are those of attention"):
        Twin(1, 4, 2, 6, attention=[{"positions": T5}], positions=T5, dtype=torch.float64)
