"""Tensors on another device than the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.cards.case import Case
from npformer.cards.values import LAYOUTS, in_layout
from npformer.errors import VerifyError
from npformer.verify import WithVJP, check
from npformer.verify.answer.literals import tensor_literal
from npformer.verify.component import BrokenContract
from npformer.verify.subjects.subjects import ArgumentNames
from npformer.verify.subjects.tensors import to_tensor_as_laid_out, usable
from npformer.verify.subjects.torch_subjects import TorchCallable, TorchModule

CASE = Case({"x": np.ones((2, 3))}, {"at": np.array([1, 0])}, np.ones((2, 3)))
MODULE = torch.nn.Linear(3, 3)
CALL = ArgumentNames(("x", "at"))


ELSEWHERE = "meta"
"""A device whose tensors have shapes and gradients but no numbers, on every machine."""


def test_every_layout_is_made_there():
    for layout in LAYOUTS:
        array = in_layout(np.ones((4, 6)), layout)
        made, here = (to_tensor_as_laid_out(array, device=d) for d in (ELSEWHERE, "cpu"))
        assert str(made.device) == ELSEWHERE
        assert made.stride() == here.stride() and made.storage_offset() == here.storage_offset()


def test_all_that_a_call_takes_is_there():
    seen = {}

    def function(x, at):
        seen["x"], seen["at"] = str(x.device), str(at.device)
        return x[at] * 2

    subject = TorchCallable("f", function, CALL, device=ELSEWHERE)
    leaves = {"x": subject.tensor(CASE.inputs["x"]).requires_grad_()}
    y, _ = subject.forwarded(CASE, leaves)
    found = subject._gradients(y, leaves, {"y": subject.tensor(CASE.dy)}, CASE)
    assert seen == {"x": ELSEWHERE, "at": ELSEWHERE}
    assert str(found["x"].device) == ELSEWHERE
    with pytest.raises(BrokenContract, match="the output is on cpu; it must be on meta"):
        subject._gradients(
            torch.zeros(2, 3, dtype=torch.float64), leaves, {"y": subject.tensor(CASE.dy)}, CASE
        )


def test_a_module_s_parameters_are_there():
    case = Case({"x": np.ones((2, 3)), "weight": np.ones((3, 3))}, {}, np.ones((2, 3)))
    y, _ = TorchModule("m", MODULE, ArgumentNames(("input",)), device=ELSEWHERE).forwarded(
        Case({"input": case.inputs["x"]}, {}, case.dy), {}
    )
    assert str(y.device) == ELSEWHERE


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_the_cpu_is_a_device(device):
    square = lambda x: x * x  # noqa: E731
    assert check(square, "bd", against=square, device=device, cases=6)
    assert check(WithVJP(square, lambda dy, x: 2 * x * dy), "bd", device=device, cases=6)


def test_a_device_that_is_not_here_is_one_line():
    for name, said in (("tpu", "Expected one of cpu, cuda"), ("meta", "no data"), ("", "")):
        with pytest.raises(VerifyError, match=f"device '{name}' holds no tensors here .*{said}"):
            check(torch.square, "bd", device=name)
    with pytest.raises(VerifyError, match="there is cpu"):
        usable("meta")


@pytest.mark.parametrize(
    ("implementation", "options", "said"),
    [
        ("relu", {}, "'relu' of the registry is checked on the CPU"),
        ((lambda x: (x.astype(x.dtype), 0), np.add), {"inputs": "bd"}, "forward refuses x"),
    ],
)
def test_a_device_is_for_tensors(implementation, options, said):
    with pytest.raises(VerifyError, match=said):
        check(implementation, device="cpu:0", **options)


def test_the_code_names_the_device():
    text = tensor_literal(np.array([1, 2], np.int32), False, device="cuda:0")
    assert text == "torch.tensor([1, 2], dtype=torch.int32, device='cuda:0')"
