"""Public mistakes in other forms than the diagnoses were written on: found, and some named."""

from __future__ import annotations

import pytest

from npformer.verify import check
from tests.verify.diagnosis.public import PUBLIC

NAMED = ("attention's sink, wrong sign", "LoRA, scale applied twice")


@pytest.mark.parametrize("name", list(PUBLIC)[::3])
def test_a_public_mistake_is_found(name):
    public = PUBLIC[name]
    result = check(public.subject, public.inputs, against=public.against, cases=10, shrink=False)
    assert set(public.wrong) <= set(result.wrong)


@pytest.mark.parametrize("name", NAMED)
def test_its_first_diagnosis_is_right(name):
    public = PUBLIC[name]
    result = check(public.subject, public.inputs, against=public.against, cases=40, shrink=False)
    assert public.says in result.diagnoses[0].sentence
