"""What an answer is worth beside the others to the same prompt."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.ops.group_advantages import group_advantages

REWARDS = np.array([[1.0, 0, 0, 3], [2, 2, 2, 2]])


@pytest.mark.parametrize("by_deviation", [True, False])
def test_a_group_is_that_of_a_prompt_and_sums_to_nothing(by_deviation):
    """Taken over the batch (grpo-flat#2), an easy prompt would lift its answers."""
    found = group_advantages(REWARDS, by_deviation=by_deviation)
    np.testing.assert_allclose(found.sum(-1), 0, atol=1e-12)
    easier = group_advantages(REWARDS + [[100], [0]], by_deviation=by_deviation)
    np.testing.assert_allclose(easier, found, atol=1e-9)


def test_alike_rewards_teach_nothing():
    assert not group_advantages(REWARDS)[1].any()
    assert not group_advantages(np.ones((3, 1))).any()


def test_the_deviation_is_the_populations():
    np.testing.assert_allclose(
        group_advantages(REWARDS[0], eps=0), (REWARDS[0] - 1) / REWARDS[0].std()
    )
    centred = group_advantages(REWARDS, by_deviation=False)
    np.testing.assert_allclose(centred[0], REWARDS[0] - 1)
