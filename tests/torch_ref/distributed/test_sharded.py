"""A model of which every rank has a share: whole again where it is looked at from outside."""

from __future__ import annotations

import numpy as np
import torch

from npformer.models.transformer import Transformer
from npformer.train.checkpoint import Position, read_checkpoint, save_checkpoint
from tests.torch_ref.distributed.example import batch, make_engine, run_config, share
from tests.torch_ref.distributed.harness import results, with_ranks

CONFIG = run_config(parallel="fsdp")


def step(engine, ranks, seed: int) -> None:
    engine.gradients(share(batch(np.random.default_rng(seed), 5), ranks), (seed,))
    engine.update(1e-2)


def test_each_rank_holds_its_rows_of_weights_and_moments():
    def sizes(ranks):
        engine = make_engine(CONFIG, ranks)
        whole = sum(array.size for array in engine.state().values())
        tensors = [*engine._named.values(), *engine._moments().values()]
        return whole, sum(tensor.numel() for tensor in engine._spread.local(tensors))

    found = results(with_ranks(4, sizes))
    (whole,) = {whole for whole, _ in found}
    assert sum(own for _, own in found) == whole - 1  # but the number of steps
    assert max(own for _, own in found) < 0.3 * whole


def test_the_gathered_model_has_the_weights_of_now():
    def work(ranks):
        engine, first = make_engine(CONFIG, ranks), make_engine(CONFIG, ranks).state()
        for change in (lambda: step(engine, ranks, 1), lambda: engine.restore(first)):
            before = {n: p.clone() for n, p in engine.model.named_parameters()}
            assert engine.model is engine.model
            change()
            state, now = engine.state(), dict(engine.model.named_parameters())
            assert any((now[n] != before[n]).any() for n in now)
            for name, parameter in now.items():
                np.testing.assert_array_equal(parameter.numpy(), state[f"model/{name}"])
        # Each rank may evaluate a batch of its own, as that is no collective.
        return [engine.evaluate(batch(np.random.default_rng(n), 3)) for n in range(ranks.rank + 1)]

    first, second = results(with_ranks(2, work))
    assert first == second[:1]


def test_numpy_opens_what_two_ranks_saved(tmp_path):
    sentences = batch(np.random.default_rng(9), 4)
    path = tmp_path / "update-00000003"

    def work(ranks):
        engine = make_engine(CONFIG, ranks)
        for seed in range(3):
            step(engine, ranks, seed)
        save_checkpoint(path, CONFIG, engine.save, b"{}", Position(update=3), ranks=ranks)
        ids = sentences.inputs["source"], sentences.inputs["target"]
        return engine.model(*map(torch.from_numpy, ids)).numpy()

    twins = results(with_ranks(2, work))
    np.testing.assert_array_equal(*twins)
    model = Transformer(CONFIG.model, rng=np.random.default_rng(1), dtype=np.float64)
    model.load_state_dict(read_checkpoint(path).weights)
    logits, _ = model.forward(sentences.inputs["source"], sentences.inputs["target"])
    np.testing.assert_allclose(logits, twins[0], rtol=0, atol=1e-13 * np.abs(logits).max())
