"""``npformer verify --implementation``: a gradient from a file of the user's own."""

from __future__ import annotations

import json
import sys

import pytest

KERNELS = """
import array_api_strict as xp
import numpy as np
import torch


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        return dy * (s + x * s * (1 - s))


class WrongSwish(Swish):
    @staticmethod
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        return dy * s


def scale(x, w):
    return x * w, (x, w)


def scale_backward(dy, cache):
    x, w = cache
    return dy * w, (dy * x).sum(0)


def flat(x, w):
    return x * w, (x, w)


def flat_backward(dy, cache):
    x, w = cache
    return dy * w, dy * x


def single(x):
    if x.dtype != torch.float32:
        raise TypeError("expected a float32 tensor")
    return x * torch.sigmoid(x)


def nothing(x):
    return None


reference = torch.nn.functional.silu


class Layer:
    def forward(self, x):
        return xp.exp(x), x

    def backward(self, dy, x):
        return dy


layer = Layer()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "own_kernels.py").write_text(KERNELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("own_kernels", None)


def test_a_right_gradient(npformer, here):
    ended = npformer(
        *("verify", "--implementation", "own_kernels:Swish", "--against", "silu", "--cases", 10)
    )
    assert (ended.status, ended.err) == (0, "")
    assert "Swish is right against PyTorch: 20 cases" in ended.out


def test_a_wrong_gradient_is_status_1_and_a_report(npformer, here):
    ended = npformer(
        *("verify", "--implementation", "own_kernels:WrongSwish", "--inputs", "btd"),
        *("--against", "own_kernels:reference", "--cases", 10, "--seed", 3),
        *("--json", "r.json", "--html", "r.html"),
    )
    assert (ended.status, ended.err) == (1, "")
    assert "WrongSwish is wrong: dx[" in ended.out
    assert "from own_kernels import WrongSwish" in ended.out
    assert "seed=3" in ended.out
    found = json.loads((here / "r.json").read_text())
    assert [r["dtype"] for r in found["results"]] == ["float64", "float32"]
    assert not found["passed"]
    assert "WrongSwish is wrong" in (here / "r.html").read_text()


def test_a_pair_by_its_forwards_name_against_its_own_forward(npformer, here):
    ended = npformer("verify", "--implementation", "own_kernels:scale", "--inputs", "bd, d")
    assert ended.status == 0, ended
    assert "scale is right against its own forward" in ended.out


def test_sizes_of_the_letters(npformer, here):
    command = ("verify", "--implementation", "own_kernels:scale", "--inputs", "bd, d")
    ended = npformer(*command, "--sizes", "b=2", "d=64,70-72", "--cases", 8)
    assert "sizes: b 2; d 64, 70-72" in ended.out


def test_an_object_of_another_engine_by_the_path_of_its_file(npformer, here):
    command = ("verify", "--implementation", "own_kernels.py:layer", "--inputs", "bd")
    ended = npformer(*command, "--cases", 6)
    assert (ended.status, ended.err) == (1, "")
    for said in ("Layer is wrong: dx[", "import array_api_strict as xp", "layer.forward(x)"):
        assert said in ended.out


def test_without_a_reference_float32_is_only_compared_with_float64(npformer, here):
    """Nobody differentiates a float32 forward, so its row must not say that it is right."""
    command = ("verify", "--implementation", "own_kernels:scale", "--inputs", "bd, d")
    assert npformer(*command, "--json", "r.json").status == 0
    rows = json.loads((here / "r.json").read_text())["results"]
    assert [row["verdict"] for row in rows] == ["right", "as in float64"]


def test_a_kernel_of_one_precision(npformer, here, refused):
    arguments = ("verify", "--implementation", "own_kernels:single", "--against", "silu")
    assert "made for float32 alone" in refused(*arguments)
    assert npformer(*arguments, "--dtypes", "float32", "--cases", 5).status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("own_kernels:Swsh", "--inputs", "bt"), "own_kernels has no 'Swsh'; did you mean 'Swish'"),
        (("own_kernel:Swish", "--inputs", "bt"), "there is no module 'own_kernel'"),
        (("own_kernels", "--inputs", "bt"), "write my_package.my_module:my_function"),
        (("own_kernels:Swish",), "say what goes into Swish"),
        (("own_kernels:Swish", "--against", "slu"), "did you mean 'silu'"),
        (("own_kernels:nothing", "--inputs", "bt"), "nothing returned None"),
        (("own_kernels:flat", "--inputs", "bd, d"), "dw: its shape is"),
        (("own_kernels:Swish", "--inputs", "b-t"), "letter spec"),
        (("own_kernels:Swish", "--inputs", "bt", "--sizes", "t"), "write t=65,128 or t=1-128"),
        (("own_kernels:Swish", "--inputs", "bt", "--sizes", "s=2"), "which 'bt' has not"),
        (
            ("own_kernels:Swish", "--inputs", "bt", "--device", "tpu"),
            "device 'tpu' holds no tensors",
        ),
        (
            ("own_kernels:Swish", "--inputs", "bt", "--component", "relu"),
            "goes without --component",
        ),
    ],
)
def test_what_is_nothing_to_check_is_one_line(refused, here, arguments, said):
    assert said in refused("verify", "--implementation", *arguments, "--cases", 4)


def test_a_kernel_of_bfloat16(npformer):
    pytest.importorskip("torch")
    torch_silu = ("--inputs", "bd", "--against", "torch.nn.functional:silu", "--cases", 6)
    subject = ("--implementation", "torch.nn.functional:silu", "--dtypes", "bfloat16")
    ended = npformer("verify", *subject, *torch_silu)
    assert (ended.status, ended.err) == (0, "")
    assert "bfloat16" in ended.out


def test_against_needs_an_implementation(refused):
    assert "go with --implementation" in refused("verify", "--against", "relu")


def test_the_table_of_components_as_a_page(npformer, tmp_path):
    page = tmp_path / "report.html"
    arguments = ("verify", "--component", "relu", "SGD", "--cases", 4, "--mutants", "--html", page)
    assert npformer(*arguments).status == 0
    text = page.read_text()
    for word in ("relu", "SGD", "All right.", "wrong backwards caught"):
        assert word in text
