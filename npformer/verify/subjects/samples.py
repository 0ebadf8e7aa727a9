"""A sample of the inputs that the functions take, drawn before the cases are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from npformer.cards.strategies import FirstSource, GeneratorSource, HypothesisSource, Source
from npformer.errors import VerifyError
from npformer.verify.component import Refused

S = TypeVar("S")
T = TypeVar("T")

SAMPLES = 30
"""Draws, at most, among which to look for one that the functions take."""


def samples(only_hypothesis: bool, draw: Callable[[Source], T]) -> Iterator[T]:
    """The plainest draw, then others: the functions may refuse some."""
    if not only_hypothesis:
        yield draw(FirstSource())
        rng = np.random.default_rng(0)
        yield from (draw(GeneratorSource(rng)) for _ in range(SAMPLES))
        return
    from hypothesis import HealthCheck, Phase, find, given, seed, settings
    from hypothesis import strategies as st

    @st.composite
    def drawn(source: Any) -> T:
        return draw(HypothesisSource(source))

    plain = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    yield find(drawn(), lambda _: True, settings=plain)
    found: list[T] = []

    @seed(0)
    @settings(plain, max_examples=SAMPLES, phases=[Phase.generate])
    @given(drawn())
    def collect(sample: T) -> None:
        found.append(sample)

    collect()
    yield from found


def first_taken(samples: Iterator[T], take: Callable[[T], S]) -> S:
    """What ``take`` makes of the first sample that it accepts.

    Raises ``VerifyError``, as it did for the first, if it accepts none.
    """
    refused: VerifyError | None = None
    try:
        for sample in samples:
            try:
                return take(sample)
            except VerifyError as error:
                refused = refused or error
    except Refused as error:  # by what the cases are drawn for
        refused = refused or VerifyError(str(error))
    assert refused is not None
    raise refused
