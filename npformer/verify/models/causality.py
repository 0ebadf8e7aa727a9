"""Whether a model is meant to be causal, where nobody says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.cards.case import Array
from npformer.verify.models.claims import Claims, claims
from npformer.verify.models.question import Question, size

LENGTH = 12
"""Longer than a leak of one position reaches through a few layers."""
DRAWS = 3
BOTH_WAYS = "outputs depend on later positions as they do on earlier ones"


class Causality(NamedTuple):
    causal: bool | None
    because: str
    undecided: bool = False
    """Whether the model may well have to be causal, and was not asked."""

    def __str__(self) -> str:
        return f"{ {True: 'yes', False: 'no', None: 'not known'}[self.causal] }, {self.because}"

    @property
    def untested(self) -> str:
        """What must be read first where no causality was tested; empty where it was."""
        if self.causal or self == SAID:
            return ""
        asks = "causal=True tests it, causal=False says that it need not hold (--causal yes or no)"
        if self.undecided:
            return f"NO VERDICT: whether later tokens change earlier outputs was NOT TESTED; {asks}"
        return f"NOT TESTED, whether later tokens change earlier outputs; {asks}"


YOURS = "as you say"
SAID = Causality(False, YOURS)


def found(q: Question) -> Causality:
    """Asked of the model itself: which positions reach which outputs.

    No later one: it is causal. Some later ones, and not in mirror image of the earlier ones: it is
    a causal model that leaks, and is asked as one. As many later ones as earlier ones: it is what
    it says of itself, for a decoder whose mask was forgotten looks like an encoder.
    """
    reach = reached(q)
    if reach is None:
        return Causality(None, "not asked: no length of two positions or more runs")
    n = len(reach)
    later = int(np.triu(reach, 1).sum())
    if not np.tril(reach, -1).any() and not later:
        return Causality(True, "found: no position reaches another's output")
    if later == 0:
        return Causality(True, "found: no later position reaches an earlier output")
    said = claims(q)
    if np.array_equal(reach, reach.T):
        return _claimed(said)
    no = next((tier for tier in said.tiers if tier), [])
    if no and not any(claim.causal for claim in no):
        return Causality(False, f"some later positions reach earlier outputs, and it {no[0].says}")
    return Causality(
        True,
        f"taken for causal: {later} of {n * (n - 1) // 2} later positions reach an earlier output; "
        "say causal=False if they may",
    )


def _claimed(said: Claims) -> Causality:
    """What a model is that looks like an encoder, and may be a decoder without its mask."""
    attributes = said.tiers[0]
    for tier in filter(None, said.tiers):
        yes, no = (next((c for c in tier if c.causal is causal), None) for causal in (True, False))
        if yes is None:
            return Causality(False, f"{BOTH_WAYS}, and it {no and no.says}")
        if no is not None:
            return Causality(None, f"{BOTH_WAYS}; it {yes.says}, and it {no.says}", True)
        if said.by_argument and tier is not attributes:
            return Causality(
                None,
                f"{BOTH_WAYS}; it {yes.says}, and {said.by_argument}, which may hide what is "
                "later, was not given",
                True,
            )
        return Causality(
            True, f"taken for causal: it {yes.says}; {BOTH_WAYS}; say causal=False if they may"
        )
    if said.scores_tokens:
        return Causality(
            None, f"{BOTH_WAYS}; it scores every token, as a decoder does and a masked model", True
        )
    return Causality(False, BOTH_WAYS)


def reached(q: Question) -> Array | None:
    """(T, T): whether input position j changes output position i, in evaluation."""
    fit = [n for n in q.lengths if 2 <= n <= LENGTH] or [n for n in q.lengths if n >= 2][:1]
    if not fit:
        return None
    n = max(fit)
    reach = np.zeros((n, n), bool)
    for draw in range(DRAWS):
        base, fresh = q.draw(1, n, draw), q.draw(1, n, draw, 1)
        y = q.run(base).y
        for j in range(n):
            other = q.run(q.streams.changed(base, fresh, j)).y
            reach[:, j] |= [q.units(y[:, i], other[:, i], size(y)) > q.bound for i in range(n)]
    return reach
