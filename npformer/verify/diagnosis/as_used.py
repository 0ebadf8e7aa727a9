"""What is wrong of a gradient that is right in a plain call: with an input frozen, or called again.

The same search, over the gradients of that use. What is found holds under that use alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from npformer.cards.case import Case, Result
from npformer.verify.component import Component
from npformer.verify.diagnosis.diagnose import diagnose_implementation
from npformer.verify.diagnosis.diagnosis import Diagnosis
from npformer.verify.protocol import ZERO, trials
from npformer.verify.subjects.subjects import Subject
from npformer.verify.verdict import Failure


@dataclass(frozen=True)
class AsUsed(Subject):
    """A subject whose gradients are those of one use of its backward."""

    inner: Subject | None = None
    said: str = ""
    """As ``trials`` has it."""

    def returned(self, case: Case) -> Any:
        return self._inner.returned(case)

    def outputs(self, case: Case) -> Result:
        return self._inner.outputs(case)

    def run(self, case: Case) -> Result:
        plain = self._inner.run(case)
        _, used = trials(self._inner, case)[self.said]
        return {**plain, **used()}  # a frozen input has no gradient to be wrong

    @property
    def _inner(self) -> Subject:
        assert self.inner is not None
        return self.inner


def diagnose_as_used(component: Any, failure: Failure, seed: int) -> list[Diagnosis]:
    """What explains a failure of the protocol; at least that it is that use alone."""
    subject, case = component.subject, failure.case
    assert case is not None
    known = trials(subject, case)
    said = next((said for said in known if failure.message.startswith(said)), ZERO)
    if said is ZERO:
        return [Diagnosis(f"{failure.result} is not 0 where dy is 0", failure.result)]
    own = {f.name: getattr(subject, f.name) for f in dataclasses.fields(Subject)}
    used = AsUsed(**own, inner=subject, said=said)
    when = f"{known[said][0]}, and right in a plain call"
    again: Component = dataclasses.replace(component, subject=used)
    found = diagnose_implementation(again, case, seed)
    if not found:
        return [Diagnosis(f"{failure.result} is wrong {when}", failure.result)]
    return [dataclasses.replace(each, sentence=f"{each.sentence} {when}") for each in found]
