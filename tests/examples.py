"""How many examples a property gets, as a multiple of the profile's."""

from __future__ import annotations

from hypothesis import settings

from tests.exhaustive import QUICK


def examples(share: float) -> settings:
    """Settings with ``share`` times the profile's examples, and at least one."""
    return settings(max_examples=max(1, round(settings.default.max_examples * share)))


def of_every_component(share: float) -> settings:
    """The same for a property that is asked of each component: in CI, half as many of each.

    There edges, wrong versions and models made of the components are looked at as well.
    """
    return examples(share / 2 if QUICK else share)
