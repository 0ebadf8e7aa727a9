"""How the twin computes: bf16 products, which attention kernel, layers run twice or compiled."""

from __future__ import annotations

import dataclasses
import math
import shutil

import numpy as np
import pytest
import torch
from torch._inductor import config as inductor
from torch.profiler import ProfilerActivity, profile

from npformer.config import OptimConfig, RunConfig, TrainConfig, TwinConfig
from npformer.errors import ConfigError, NpformerError
from npformer.models.transformer import TransformerConfig
from npformer.text.batches import Batch
from torch_ref import ops
from torch_ref.models.transformer import Transformer
from torch_ref.train import TorchEngine
from torch_ref.train import device as devices
from torch_ref.train.precision import Precision

BF16 = torch.finfo(torch.bfloat16).eps
CPU = torch.device("cpu")
MODEL = TransformerConfig(
    vocab_size=61, d_model=32, heads=2, d_ff=48, encoder_layers=2, decoder_layers=2, dropout=0.2
)


def make(
    model: TransformerConfig = MODEL, dtype: str = "float32", again: bool = False, **twin
) -> TorchEngine:
    config = RunConfig(
        model,
        OptimConfig(),
        train=TrainConfig(dtype=dtype, engine="torch", checkpoint_activations=again),
        twin=TwinConfig(device="cpu", **twin),
    )
    return TorchEngine(config)


def batch(seed: int = 0, rows: int = 6, length: int = 9) -> Batch:
    rng = np.random.default_rng(seed)
    source, target = rng.integers(4, 61, (2, rows, length))
    source[1:, 6:] = target[2:, 7:] = 0
    return Batch.of_pairs(source, np.c_[np.full(rows, 2), target[:, :-1]], target)


def gradients(engine: TorchEngine, data: Batch | None = None) -> dict[str, torch.Tensor]:
    """What one batch leaves in the parameters, after the loss by the name of ``loss``."""
    engine.gradients(data or batch(), (0, 1))
    found = {name: p.grad.clone() for name, p in engine.model.named_parameters()}
    return {"loss": torch.tensor(engine.update(0.0).loss), **found}


def distance(found: dict[str, torch.Tensor], reference: dict[str, torch.Tensor]) -> float:
    """The largest error of a gradient, in units of its norm; a bias's in its weight's.

    The gradient of a key bias is 0 but for rounding, and has no unit of its own.
    """
    assert found.keys() == reference.keys()
    errors = {}
    for name, gradient in reference.items():
        unit = max(gradient.norm(), reference[name.replace("proj.bias", "proj.weight")].norm())
        errors[name] = ((found[name] - gradient).norm() / unit).item()
    assert all(map(math.isfinite, errors.values()))
    return max(errors.values())


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_bf16_is_float32_but_for_the_products_rounding(norm):
    # Without ReLU's kink: an input that rounding takes over it is no small change of a gradient.
    model = dataclasses.replace(MODEL, norm=norm, activation="gelu")
    full, mixed = make(model), make(model, precision="bf16")
    assert all(p.dtype == torch.float32 for p in mixed.model.parameters())
    exact, found = gradients(full), gradients(mixed)
    assert all(g.dtype == torch.float32 for n, g in found.items() if n != "loss")
    assert found["loss"].item() == pytest.approx(exact["loss"].item(), rel=BF16)
    assert 0 < distance(found, exact) < 8 * BF16
    assert mixed.evaluate(batch())[0] == pytest.approx(full.evaluate(batch())[0], rel=BF16)


@pytest.mark.parametrize("precision", ["full", "bf16"])
def test_chunks_of_the_loss_change_nothing_but_rounding(precision):
    eps = BF16 if precision == "bf16" else torch.finfo(torch.float32).eps
    whole, cut = make(precision=precision), make(precision=precision, loss_chunk=7)
    assert distance(gradients(cut), gradients(whole)) < 32 * eps
    assert cut.evaluate(batch())[0] == pytest.approx(whole.evaluate(batch())[0], rel=4 * eps)


@pytest.mark.parametrize("precision", ["full", "bf16"])
def test_a_checkpointed_layer_gives_the_same_bits_dropout_included(precision, monkeypatch):
    runs = []
    kept = make(precision=precision)
    again = make(precision=precision, again=True)
    for layer in (*again.model.encoder.layers, *again.model.decoder.layers):
        layer.register_forward_pre_hook(lambda *_: runs.append(1))
    expected, found = gradients(kept), gradients(again)
    assert len(runs) == 2 * 4  # forward, and again in the backward
    for name, gradient in expected.items():
        assert torch.equal(found[name], gradient), name
    assert kept.state().keys() == again.state().keys()
    again.evaluate(batch())
    assert len(runs) == 3 * 4  # nothing to keep, nothing to run again


def test_replayed_dropout_is_not_compiled():
    config = RunConfig(MODEL, twin=TwinConfig(device="cpu", compile=True))
    with pytest.raises(ConfigError, match="replayed dropout"):
        TorchEngine(config, replay_dropout=True)


def test_dropout_keeps_the_mean_and_drops_its_share():
    x = torch.ones(200, 300)
    module = Transformer(MODEL).dropout.train()
    torch.manual_seed(1)
    y = module(x)
    assert (y == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert set(y.unique().tolist()) == {0.0, 1.25}
    assert module.eval()(x) is not None
    assert torch.equal(module(x), x)


@pytest.mark.filterwarnings("ignore")  # of PyTorch's compiler, at itself
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
# No pool of threads that outlives us, and no programs that try the CPU's vector instructions: 5 s.
@inductor.patch({"compile_threads": 1, "cpp.vec_isa_ok": True})
def test_compiled_layers_give_the_same_numbers_at_every_length():
    model = dataclasses.replace(MODEL, encoder_layers=0, decoder_layers=1, dropout=0.0)
    plain, compiled = make(model, loss_chunk=16), make(model, loss_chunk=16, compile=True)
    compiled.restore(plain.state())
    eps = torch.finfo(torch.float32).eps
    for data in (batch(), batch(1, rows=4, length=8)):
        assert distance(gradients(compiled, data), gradients(plain, data)) < 64 * eps
    assert compiled.state().keys() == plain.state().keys()


def attention_kernels(dtype: torch.dtype, **options) -> set[str]:
    """The names of the attention kernels that forward and backward took."""
    q, k, v = (torch.randn(2, 8, 2, 16, dtype=dtype, requires_grad=True) for _ in range(3))
    with profile(activities=[ProfilerActivity.CPU]) as found:
        ops.attention(q, k, v, **options).sum().backward()
    return {e.key for e in found.key_averages() if "_scaled_dot_product" in e.key}


PADDED = torch.tensor([[True] * 8, [True] * 5 + [False] * 3])[:, None, None, :]


@pytest.mark.parametrize("options", [{"causal": True}, {"mask": PADDED}], ids=["causal", "padded"])
def test_float32_attention_is_fused_with_and_without_padding(options):
    names = attention_kernels(torch.float32, **options)
    assert "aten::_scaled_dot_product_flash_attention_for_cpu" in names
    assert "aten::_scaled_dot_product_flash_attention_for_cpu_backward" in names


def test_bf16_attention_on_a_cpu_takes_the_plain_products():
    assert attention_kernels(torch.bfloat16, mask=PADDED) == {
        "aten::_scaled_dot_product_attention_math"
    }


@pytest.mark.parametrize("causal", [False, True])
def test_bf16_attention_agrees_with_float32_also_where_nothing_may_be_seen(causal):
    Precision.of(make(precision="bf16").config, CPU).apply(CPU)
    q, k, v = (torch.randn(3, 7, 2, 16) for _ in range(3))
    mask = None if causal else torch.arange(7) < torch.tensor([7, 4, 0])[:, None, None, None]
    exact = ops.attention(q, k, v, mask, causal=causal)
    found = ops.attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask, causal=causal)
    assert (found - exact).abs().max() < 8 * BF16
    if mask is not None:
        assert not found[2].any()


@pytest.mark.parametrize(
    ("dtype", "wanted", "says", "setting"),
    [
        ("float32", True, "tf32", "high"),
        ("float32", False, "float32", "highest"),
        ("float64", True, "float64", "highest"),
    ],
)
def test_tf32_is_for_float32_on_a_gpu(monkeypatch, dtype, wanted, says, setting):
    given = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", given.append)
    config = RunConfig(MODEL, train=TrainConfig(dtype=dtype), twin=TwinConfig(tf32=wanted))
    on_gpu = Precision.of(config, torch.device("cuda"))
    on_gpu.apply(torch.device("cuda"))
    assert (on_gpu.arithmetic, given) == (says, [setting])
    on_cpu = Precision.of(config, CPU)
    on_cpu.apply(CPU)
    assert (on_cpu.arithmetic, given) == (dtype, [setting])


def test_bf16_goes_with_float32_weights_only():
    with pytest.raises(ConfigError, match="dtype is float64"):
        make(dtype="float64", precision="bf16")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ConfigError, match="no GPU here"):
        TorchEngine(RunConfig(MODEL, twin=TwinConfig(device="cuda")))
    assert TorchEngine(RunConfig(MODEL)).device == CPU


def test_running_out_of_memory_says_what_to_do(monkeypatch):
    engine = make()
    monkeypatch.setattr(
        devices, "on_device", lambda batch, device: (torch.empty(2**50), *map(torch.tensor, batch))
    )
    with pytest.raises(NpformerError, match=r"memory of cpu is too small.*batch_tokens"):
        engine.gradients(batch(), (0,))


def test_other_errors_pass_through_unchanged():
    with pytest.raises(RuntimeError, match="something else"), devices.enough_memory(CPU):
        raise RuntimeError("something else")


def test_the_cpus_speed_and_memory_are_measured():
    engine = make()
    assert 1e9 < engine.peak_flops < 1e14
    assert engine.peak_flops == engine.peak_flops
    assert engine.memory() > 2**26


def test_the_cpus_speed_is_measured_in_the_dtype_of_the_products(monkeypatch):
    """A CPU without instructions for bf16 takes seconds for products of the usual size."""
    monkeypatch.setattr(devices, "SIDE", 128)
    devices._measured.cache_clear()
    measured = make(precision="bf16").peak_flops
    assert 0 < measured < 1e14
    assert measured == devices._measured(torch.bfloat16, torch.get_num_threads())
    devices._measured.cache_clear()


@pytest.mark.parametrize(
    ("name", "precision", "tflops"),
    [
        ("NVIDIA H200", "bf16", 989.5),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156),
        ("NVIDIA A100-SXM4-80GB", "float32", 19.5),
        ("Tesla V100-SXM2-16GB", "bf16", 0),
        ("Something New", "bf16", 0),
        ("NVIDIA H200", "float64", 0),
    ],
)
def test_the_speed_of_a_gpu_is_its_data_sheets(monkeypatch, name, precision, tflops):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    kinds = {
        "bf16": Precision(torch.float32, torch.bfloat16),
        "tf32": Precision(torch.float32, torch.float32, tf32=True),
        "float32": Precision(torch.float32, torch.float32),
        "float64": Precision(torch.float64, torch.float64),
    }
    found = devices.peak_flops(torch.device("cuda"), kinds[precision])
    assert found == tflops * 1e12
