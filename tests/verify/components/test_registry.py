"""Every card is a component."""

from __future__ import annotations

import pytest

from npformer.cards import CARDS
from npformer.errors import VerifyError
from npformer.verify.components.registry import COMPONENTS, component


def test_names_are_unique():
    assert len(COMPONENTS) == len(CARDS)


def test_an_unknown_component_is_refused_with_the_nearest_name():
    with pytest.raises(VerifyError, match="'layernorm' does not exist.*did you mean 'layer_norm'"):
        component("layernorm")
