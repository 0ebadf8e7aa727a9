"""What an answer is worth beside the others to the same prompt: a baseline without a model.

It is made of rewards, which are given: it has no gradient.

Chapter     walkthroughs/29_learning_from_preferences.md
"""

from __future__ import annotations

import numpy as np

from npformer.ops.array import Array


def group_advantages(rewards: Array, *, by_deviation: bool = True, eps: float = 1e-4) -> Array:
    """rewards (..., G) of the G answers to a prompt -> their advantages (..., G), which sum to 0.

    The reward less the group's mean and, ``by_deviation``, divided by the group's standard
    deviation plus ``eps`` (Shao et al., 2024, section 4.1). Without that it is Dr. GRPO's (Liu et
    al., 2025, arXiv:2503.20783): a prompt that nearly all answers fail, or none, then has no more
    weight than another. A group of one, and one whose rewards are all the same, has 0.

    The deviation is the population's, divided by G. Others divide by G - 1.
    """
    centred = rewards - rewards.mean(axis=-1, keepdims=True)
    if not by_deviation:
        return centred
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True))
    return centred / (deviation + eps)
