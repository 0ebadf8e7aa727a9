"""Mistakes in functions that no catalogue knows: each is named, and none is named wrongly."""

from __future__ import annotations

import pytest

from npformer.verify import check
from tests.verify.diagnosis.planted import PLANTED


@pytest.mark.parametrize("name", PLANTED)
def test_the_first_diagnosis_is_the_mistake(name):
    planted = PLANTED[name]
    result = check(planted.subject, planted.inputs, against=planted.against, cases=60, shrink=False)
    said = result.diagnoses[0].sentence if result.diagnoses else ""
    assert result.wrong
    assert all(word in said for word in planted.says), said
    assert not any(word in said for word in planted.never), said
