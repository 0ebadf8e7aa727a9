"""How many examples a property gets, as a multiple of the profile's."""

from __future__ import annotations

from hypothesis import settings


def examples(share: float) -> settings:
    """Settings with ``share`` times the profile's examples, and at least one."""
    return settings(max_examples=max(1, round(settings.default.max_examples * share)))
