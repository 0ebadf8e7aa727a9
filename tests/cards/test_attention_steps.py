"""Which step of attention is wrong, also where it has a bias and a sink."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from npformer.cards import card
from npformer.ops.attention import attention_backward, attention_forward


def test_every_gradient_of_a_grouped_head_with_bias_and_sink_has_its_step():
    rng = np.random.default_rng(0)
    shapes = {"q": (1, 3, 4, 2), "k": (1, 3, 2, 2), "v": (1, 3, 2, 2), "bias": (4, 3, 3)}
    arrays = {name: rng.standard_normal(shape) for name, shape in {**shapes, "sink": (4,)}.items()}
    arguments: dict[str, Any] = {**arrays, "causal": True, "window": 2, "softcap": 1.5}
    y, cache = attention_forward(**arguments)
    dy = rng.standard_normal(y.shape)
    dq, *others = attention_backward(dy, cache)
    back = SimpleNamespace(dy=dy, gradients=(2 * dq, *others))
    visit = SimpleNamespace(arguments=arguments, cache=cache, back=back)
    step = card("attention").step
    assert step is not None
    assert step(visit, "dq") == "the scale of dq"
    assert step(visit, "dbias") == "the sum of dscores over what the bias was broadcast on"
    assert step(visit, "dsink") == "the sink's share times the row sum of dprobs * probs"
