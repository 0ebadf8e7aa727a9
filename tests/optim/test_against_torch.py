"""Each optimizer against torch.optim's, step by step, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.nn.module import Parameter
from npformer.optim import SGD, Adam, AdamW, FlatParameters
from npformer.optim.adafactor import Adafactor
from npformer.optim.muon import Muon

SHAPES = {"a.weight": (7, 5), "a.bias": (7,), "b": (3, 4, 2), "scalar": ()}
STEPS = 100
EPS = np.finfo(np.float64).eps


def gradients(rng, scale, shapes):
    """Random gradients, of which some whole arrays and many single elements are zero."""
    for _ in range(STEPS):
        yield {
            name: scale
            * rng.standard_normal(shape)
            * (rng.random(shape) < 0.6)
            * (rng.random() < 0.8)
            for name, shape in shapes.items()
        }


def worst_deviation(
    make, make_torch, *, seed, grad_scale=1.0, magnitude=1.0, warm=None, shapes=SHAPES
):
    """The largest |ours - torch's| over all steps, in eps of each parameter's largest weight."""
    rng = np.random.default_rng(seed)
    ours = {
        name: Parameter(magnitude * rng.standard_normal(shape)) for name, shape in shapes.items()
    }
    theirs = {name: torch.tensor(p.data.copy(), requires_grad=True) for name, p in ours.items()}
    flat = FlatParameters(ours)
    optimizer, reference = make(flat), make_torch(list(theirs.values()))
    if warm is not None:
        warm(rng, optimizer, reference, theirs)
    worst = 0.0
    for gradient in gradients(rng, magnitude, shapes):
        rate = magnitude * float(rng.uniform(1e-4, 1e-2))
        for name, parameter in ours.items():
            parameter.grad[...] = gradient[name] / grad_scale
            theirs[name].grad = torch.tensor(gradient[name])
        for group in reference.param_groups:
            group["lr"] = rate
        optimizer.step(rate, grad_scale)
        reference.step()
        for name, parameter in ours.items():
            want = theirs[name].detach().numpy()
            error = np.max(np.abs(parameter.data - want)) / (EPS * np.max(np.abs(want)))
            worst = max(worst, float(error))
    return worst


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("beta1", "beta2", "eps"),
    [(0.9, 0.98, 1e-9), (0.9, 0.999, 1e-8), (0.0, 0.5, 1e-3), (0.99, 0.9, 1e-12), (0.0, 0.0, 0.1)],
)
@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
def test_adam_equals_torch(kind, beta1, beta2, eps, weight_decay, seed):
    ours = {"Adam": Adam, "AdamW": AdamW}[kind]
    worst = worst_deviation(
        lambda flat: ours(flat, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay),
        lambda tensors: getattr(torch.optim, kind)(
            tensors, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, foreach=False
        ),
        seed=seed,
    )
    assert worst <= 8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_sgd_equals_torch(momentum, weight_decay, seed):
    worst = worst_deviation(
        lambda flat: SGD(flat, momentum=momentum, weight_decay=weight_decay),
        lambda tensors: torch.optim.SGD(
            tensors, momentum=momentum, weight_decay=weight_decay, foreach=False
        ),
        seed=seed,
    )
    assert worst <= 8


@pytest.mark.parametrize("magnitude", [1e-6, 1e6])
def test_the_scale_of_weights_and_gradients_does_not_matter(magnitude):
    worst = worst_deviation(
        lambda flat: Adam(flat, weight_decay=0.01),
        lambda tensors: torch.optim.Adam(tensors, weight_decay=0.01, foreach=False),
        seed=5,
        magnitude=magnitude,
    )
    assert worst <= 8


def test_grad_scale_divides_the_gradients_by_the_tokens():
    worst = worst_deviation(
        lambda flat: AdamW(flat, weight_decay=0.01),
        lambda tensors: torch.optim.AdamW(tensors, weight_decay=0.01, foreach=False),
        seed=6,
        grad_scale=1 / 512,  # a power of two, so that scaling itself rounds nothing
    )
    assert worst <= 8


def test_adam_from_a_random_state_equals_torch():
    def warm(rng, optimizer, reference, theirs):
        state = {"step": np.array(17, np.int64)}
        for name, tensor in theirs.items():
            m = rng.standard_normal(SHAPES[name])
            v = rng.random(SHAPES[name])
            state |= {f"m/{name}": m, f"v/{name}": v}
            reference.state[tensor] = {
                "step": torch.tensor(17.0),
                "exp_avg": torch.tensor(m),
                "exp_avg_sq": torch.tensor(v),
            }
        optimizer.restore(state)

    worst = worst_deviation(
        lambda flat: Adam(flat, beta2=0.98, eps=1e-9),
        lambda tensors: torch.optim.Adam(tensors, betas=(0.9, 0.98), eps=1e-9, foreach=False),
        seed=7,
        warm=warm,
    )
    assert worst <= 8


def test_sgd_from_a_random_state_equals_torch():
    def warm(rng, optimizer, reference, theirs):
        state = {"step": np.array(3, np.int64)}
        for name, tensor in theirs.items():
            velocity = rng.standard_normal(SHAPES[name])
            state[f"momentum/{name}"] = velocity
            reference.state[tensor] = {"momentum_buffer": torch.tensor(velocity)}
        optimizer.restore(state)

    worst = worst_deviation(
        lambda flat: SGD(flat, momentum=0.9),
        lambda tensors: torch.optim.SGD(tensors, momentum=0.9, foreach=False),
        seed=8,
        warm=warm,
    )
    assert worst <= 8


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
def test_muon_of_matrices_equals_torch_without_its_cast_to_bfloat16(adjust, seed, monkeypatch):
    """PyTorch makes its products in bfloat16; with that taken out, its own lines are compared."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    worst = worst_deviation(
        lambda flat: Muon(flat, muon_momentum=0.9, weight_decay=0.1, adjust_lr_fn=adjust),
        lambda tensors: torch.optim.Muon(
            tensors, momentum=0.9, weight_decay=0.1, adjust_lr_fn=adjust
        ),
        seed=seed,
        shapes={"layers.0.wide": (5, 7), "layers.0.tall": (9, 4)},
    )
    assert worst <= 8


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adafactor_equals_torch(weight_decay, seed):
    worst = worst_deviation(
        lambda flat: Adafactor(flat, eps=1e-8, weight_decay=weight_decay),
        lambda tensors: torch.optim.Adafactor(
            tensors, eps=(1e-8, 1e-3), weight_decay=weight_decay, foreach=False
        ),
        seed=seed,
    )
    assert worst <= 16
