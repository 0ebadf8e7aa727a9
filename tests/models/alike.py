"""What a decoder with a new part must do: both engines alike, in steps, trained and as a run."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from npformer.cli.main import main
from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.models.gpt import GPTConfig
from npformer.text.batches import Batch
from npformer.train.engines import load_model
from npformer.train.numpy_engine import NumpyEngine
from tests.models.moved import moved
from torch_ref.train import TorchEngine

VOCABULARY = 17


def batch_of(seed=2):
    ids = np.random.default_rng(seed).integers(1, VOCABULARY, (2, 3, 7))
    return Batch({"target": ids[0]}, ids[1])


def gradients_alike(config: GPTConfig, **extra: np.ndarray) -> tuple[Any, Any]:
    """The model, with its gradients, and its twin, whose logits and gradients are the same."""
    model, twin = moved(config)
    inputs = {**batch_of().inputs, **extra}
    dlogits = np.random.default_rng(3).standard_normal((3, 7, VOCABULARY))
    logits, cache = model.forward(**inputs)
    model.backward(dlogits, cache)
    theirs = twin(**{name: torch.tensor(array) for name, array in inputs.items()})
    theirs.backward(torch.tensor(dlogits))
    np.testing.assert_allclose(logits, theirs.detach().numpy(), atol=1e-12)
    expected = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        other = expected[name].grad.numpy()
        np.testing.assert_allclose(parameter.grad, other, atol=1e-10, err_msg=name)
    return model, twin


def steps_are_the_whole_forward(config: GPTConfig) -> None:
    """And no logit sees a later token."""
    model, twin = moved(config)
    ids = batch_of().inputs["target"]
    whole, _ = model.forward(ids)
    for each in (model, twin):
        state = each.start()
        steps = [each.step(ids[:, :3], state), *(each.step(ids[:, t], state) for t in range(3, 7))]
        np.testing.assert_allclose(np.stack(steps, 1), whole[:, 2:], atol=1e-12)
    changed = ids.copy()
    changed[:, 5:] = 1
    np.testing.assert_array_equal(model.forward(changed)[0][:, :5], whole[:, :5])


def trained_in_lockstep(
    model: GPTConfig, checkpointed: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The weights before and after six updates, which both engines make alike."""
    config = RunConfig(
        model=model,
        optim=OptimConfig(name="adam", schedule="constant", learning_rate=0.01),
        train=TrainConfig(dtype="float64", workers=1, checkpoint_activations=checkpointed),
    )
    by_hand = NumpyEngine(config)
    weights = {name: array.copy() for name, array in by_hand.model.state_dict().items()}
    twin = TorchEngine(config, weights=weights, device="cpu", replay_dropout=True)
    losses = []
    for update in range(6):
        for engine in (by_hand, twin):
            engine.gradients(batch_of(), (0, update))
        step, expected = by_hand.update(0.01), twin.update(0.01)
        assert step.loss == pytest.approx(expected.loss, rel=1e-9)
        assert step.norm == pytest.approx(expected.norm, rel=1e-7)
        losses.append(step.loss)
    assert losses[-1] < losses[0]
    return weights, by_hand.model.state_dict()


def options_of(*settings: str) -> list[str]:
    """Of a small model on the command line, with these of its own."""
    sizes = ["--model.d-model", "16", "--model.heads", "2", "--model.d-ff", "16"]
    return ["--model", "gpt", *sizes, *settings, "--vocab-size", "280"]


def trained_run(path: Any, options: list[str]) -> str:
    """The directory of a run that was trained and has generated."""
    run = str(path / "run")
    short = ["--pairs", "120", "--workers", "1", "--updates", "2"]
    assert main(["train", run, *options, *short]) == 0
    assert main(["generate", run, "Der", "--max-length", "3"]) == 0
    return run


def explored_and_planned(run: str, page: Any, options: list[str], part: str, capsys: Any) -> None:
    """The page shows the module ``part``, and the plan is what a step is measured to need."""
    assert main(["explore", "--checkpoint", run, "--text", "Der.", "--out", str(page)]) == 0
    assert part in page.read_text()
    capsys.readouterr()
    assert main(["plan", *options, "--json", "-", "--check"]) == 0
    out = capsys.readouterr().out
    plan = json.loads(out[out.index("{") :])
    assert plan["parameters"] == sum(p.data.size for p in load_model(run).model.parameters())
    assert plan["check"]["planned"] == pytest.approx(plan["check"]["measured"], rel=0.05)
