"""Other testers judge the same pairs, and what they say of a few specimens is what is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from npformer.errors import VerifyError
from npformer.verify.components.registry import component
from npformer.verify.museum.adapters import as_torch
from npformer.verify.museum.rivals import RIVALS, accepted, catches, plain_cases, version
from npformer.verify.museum.table import museum
from npformer.verify.mutants import MUTANTS
from tests.museum import PAGE, TABLE

SPECIMENS = [mutant for mutant in MUTANTS.values() if mutant.seen]
BY_NAME = {rival.name: rival for rival in RIVALS}


def caught(name: str, rival: str) -> bool | None:
    mutant = MUTANTS[name]
    return catches(BY_NAME[rival], mutant.plant(component(mutant.component)), mutant.component)


@pytest.mark.parametrize("rival", [rival for rival in RIVALS if version(rival.package)])
def test_a_rival_accepts_what_is_right(rival):
    name = "layer_norm"
    assert len(accepted(rival, name)) == len(plain_cases(component(name)))


@pytest.mark.parametrize("rival", ["gradcheck", "fast", "check_grads"])
def test_a_derivative_of_the_own_forward_sees_a_wrong_backward_and_no_wrong_forward(rival):
    if version(BY_NAME[rival].package) is None:
        pytest.skip(f"{BY_NAME[rival].package} is not installed")
    assert caught("rms_norm/weight-twice", rival)
    assert caught("softmax/axis-ignored", rival) is False
    assert caught("SGD/momentum-damped", rival) is None


@pytest.mark.parametrize("rival", ["Liger", "CS336", "KernelBench"])
def test_a_comparison_sees_a_wrong_forward_and_no_mistake_in_the_tail(rival):
    assert caught("softmax/axis-ignored", rival)
    assert caught("gelu/derivative-cancels-in-the-tail", rival) is False


def test_a_loose_tolerance_misses_what_a_strict_one_sees():
    assert not caught("gelu/forms-exchanged", "CS336")
    assert caught("gelu/forms-exchanged", "KernelBench")


def test_a_test_file_has_every_option():
    cases = plain_cases(component("attention"))
    assert {case.static["causal"] for case in cases} == {True, False}
    assert {case.static["scale"] for case in cases} == {None, 0.3, -1.5}


def test_autograd_goes_through_the_hand_written_backward():
    import torch

    name = "rms_norm/weight-frozen"
    planted = MUTANTS[name].plant(component("rms_norm"))
    case = plain_cases(planted)[0]
    inputs = [torch.from_numpy(np.array(a)).requires_grad_() for a in case.inputs.values()]
    as_torch(planted, case)(*inputs).backward(torch.from_numpy(case.dy))
    dx, dweight = (a.grad.numpy() for a in inputs)
    np.testing.assert_array_equal(dx, planted.run(case)["dx"])
    assert dx.any() and not dweight.any()


def test_the_museum_of_one_component():
    found = museum(["silu"])
    assert found.passed
    assert found.caught[-1] == "1 of 1"
    told = json.loads(json.dumps(found.to_dict()))
    assert told["specimens"][0]["seen"] == "Lightning-AI/lightning-thunder#2624"
    assert told["versions"]["numpy"] == np.__version__
    assert "| silu/derivative-overflows |" in found.markdown()
    assert found.table().row_count == 1


def test_a_component_without_a_specimen_is_named():
    with pytest.raises(VerifyError, match="nothing of 'relu'; it has ") as error:
        museum(["relu"])
    named = str(error.value).partition("it has ")[2].split(", ")
    assert named == list(dict.fromkeys(mutant.component for mutant in SPECIMENS))


def test_the_page_has_every_specimen():
    """The measurement itself takes minutes; what the cards say is compared here."""
    found = TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    rows = [line.split(" | ") for line in found[0].splitlines() if "/issues/" in line]
    shown = [(row[0].removeprefix("| "), row[3]) for row in rows]
    assert shown == [(m.name, m.smallest) for m in SPECIMENS], "run python -m tests.museum"
