"""The right diagnosis comes first for nearly every mutant; measured, and the measure tested."""

from __future__ import annotations

import pytest

from npformer.errors import VerifyError
from npformer.verify.components.registry import COMPONENTS
from npformer.verify.diagnosis.diagnosis import Diagnosis
from npformer.verify.diagnosis.rate import DiagnosisRate, DiagnosisTrial, diagnosis_rate
from npformer.verify.mutants import MUTANTS

DEAR = ("Transformer", "Stack", "Layer")


@pytest.mark.parametrize(
    "names", [sorted(COMPONENTS.keys() - set(DEAR)), DEAR], ids=["most", "models"]
)
def test_the_right_diagnosis_comes_first(names):
    rate = diagnosis_rate(names, cases=60)
    assert len(rate.trials) == sum(m.component in names for m in MUTANTS.values())
    assert rate.rate >= 0.95, str(rate)


def test_a_wrong_or_unsure_answer_lowers_the_rate():
    mutant = MUTANTS["softmax/zero"]
    right = Diagnosis("this is what you get when ...", "dx", (mutant.name,))
    rate = DiagnosisRate(
        (
            DiagnosisTrial(mutant, (right,)),
            DiagnosisTrial(mutant, ()),
            DiagnosisTrial(mutant, (Diagnosis("dx is zero", "dx"), right)),
            DiagnosisTrial(mutant, (Diagnosis("...", "dx", (mutant.name,), score=0.5), right)),
        )
    )
    assert rate.rate == 0.25
    assert str(rate).splitlines()[0] == "the right diagnosis came first for 1 of 4 mutants, 25.0%"
    assert "nothing was found" in str(rate)


def test_a_component_that_does_not_exist_is_refused():
    with pytest.raises(VerifyError, match="'softmx' does not exist.*'softmax'"):
        diagnosis_rate(["softmx"])
