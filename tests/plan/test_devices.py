"""GPUs by the names that people and CUDA give them."""

from __future__ import annotations

import pytest

from npformer.errors import ConfigError
from npformer.plan.devices import GPUS, named_gpu, recognised_gpu


@pytest.mark.parametrize(
    ("cuda_name", "name"),
    [
        ("NVIDIA B200", "b200"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H100 NVL", "h100-nvl"),
        ("NVIDIA A100-SXM4-80GB", "a100-80"),
        ("NVIDIA A100-SXM4-40GB", "a100-40"),
        ("NVIDIA A100-PCIE-40GB", "a100-40"),
        ("NVIDIA A100 80GB PCIe", "a100-80"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA A10", "a10"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"),
        ("NVIDIA GeForce RTX 3090", "rtx3090"),
        ("Tesla V100-SXM2-16GB", "v100-16"),
        ("Tesla V100-SXM2-32GB", "v100-32"),
        ("Tesla T4", "t4"),
    ],
)
def test_cudas_name_is_recognised(cuda_name, name):
    gpu = recognised_gpu(cuda_name)
    assert gpu is not None
    assert gpu.name == name


@pytest.mark.parametrize(
    "cuda_name",
    [
        "NVIDIA L40",
        "NVIDIA A10G",
        "NVIDIA A100X",
        "NVIDIA T400",
        "NVIDIA GB200",
        "NVIDIA H200 NVL",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 3090 Ti",
        "AMD Instinct MI300X",
    ],
)
def test_what_is_not_in_the_table_is_nobody(cuda_name):
    assert recognised_gpu(cuda_name) is None


def test_rates_are_of_dense_matrices():
    """Of NVIDIA's units, bfloat16's are twice as fast as TF32's, the sparse ones left out."""
    for gpu in GPUS.values():
        if gpu.bf16 and gpu.tf32:
            assert gpu.bf16 / gpu.tf32 == pytest.approx(2, rel=0.02)
    assert GPUS["h100"].peak_flops("bf16") == 989.5e12
    assert GPUS["a100-40"].memory == 40 * 10**9


@pytest.mark.parametrize(
    ("given", "meant"),
    [("h10", "'h100'"), ("a100", "'a100-80' or 'a100-40'"), ("rtx4080", "'rtx4090'")],
)
def test_a_wrong_name_is_told_the_nearest(given, meant):
    with pytest.raises(ConfigError, match=f"GPU '{given}' is not known.*did you mean {meant}"):
        named_gpu(given)


def test_no_bf16_is_said():
    with pytest.raises(ConfigError, match="V100.*no bf16 matrix units; .*--precision full"):
        GPUS["v100-16"].peak_flops("bf16")
