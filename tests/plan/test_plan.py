"""The plan: its sums, its advice, and the guard before training."""

from __future__ import annotations

import dataclasses
import json

import pytest

from npformer.config import RunConfig
from npformer.errors import ConfigError, NpformerError
from npformer.plan.advice import Advice, advise
from npformer.plan.devices import GPUS
from npformer.plan.flops import update_flops
from npformer.plan.guard import MARGIN, check_fits
from npformer.plan.memory import planned_memory
from npformer.plan.plan import Assumptions, arithmetic, make_plan
from npformer.plan.shape import Shape, full_batch
from npformer.presets import run_preset


def changed(config: RunConfig, part: str, **changes: object) -> RunConfig:
    """A run with some fields of one part changed."""
    return dataclasses.replace(
        config, **{part: dataclasses.replace(getattr(config, part), **changes)}
    )


BIG = changed(run_preset("big"), "twin", loss_chunk=0)


def obeyed(config: RunConfig, ranks: int, advice: Advice) -> tuple[RunConfig, int]:
    """The run as the advice's options would make it, read word by word, and its ranks."""
    words = advice.options.split()
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        value = words.pop(0) if words and not words[0].startswith("--") else "True"
        if name == "gpus":
            ranks = int(value)
            continue
        parts = (
            part.name
            for part in dataclasses.fields(config)
            if hasattr(getattr(config, part.name), name)
        )
        number = int(value) if value.isdigit() else {"True": True}.get(value, value)
        config = changed(config, next(parts), **{name: number})
    return config, ranks


def test_time_and_cost_are_the_arithmetic_over_the_speed():
    plan = make_plan(BIG, GPUS["h100"], 8, Assumptions(mfu=0.5, length=50, price=2.0))
    flops = update_flops(BIG.model, 500, 50, 50)
    assert plan.flops == flops
    assert plan.tokens == 25_000
    assert plan.update_seconds == pytest.approx(flops / (8 * 494.5e12 * 0.5))
    assert plan.seconds == pytest.approx(300_000 * flops / (8 * 494.5e12 * 0.5))
    assert plan.cost == pytest.approx(plan.seconds / 3600 * 8 * 2.0)


def test_accumulated_batches_are_one_update():
    once, twice = (
        make_plan(BIG, GPUS["h100"]),
        make_plan(changed(BIG, "train", accumulate=2), GPUS["h100"]),
    )
    assert twice.flops == 2 * once.flops
    assert twice.tokens == 2 * once.tokens
    assert twice.shape == once.shape


def test_arithmetic_is_what_the_run_asks_for_and_the_gpu_has():
    assert arithmetic(changed(BIG, "twin", precision="bf16"), GPUS["h100"]) == "bf16"
    assert arithmetic(BIG, GPUS["h100"]) == "tf32"
    assert arithmetic(changed(BIG, "twin", tf32=False), GPUS["h100"]) == "float32"
    assert arithmetic(BIG, GPUS["v100-16"]) == "float32"
    with pytest.raises(ConfigError, match="bf16"):
        make_plan(changed(BIG, "twin", precision="bf16"), GPUS["v100-16"])


def test_float64_has_memory_but_no_time():
    plan = make_plan(changed(BIG, "train", dtype="float64"), GPUS["h200"])
    assert plan.memory.optimizer == pytest.approx(
        2 * make_plan(BIG, GPUS["h200"]).memory.optimizer,
        rel=1e-5,  # but for the counts of steps
    )
    assert plan.update_seconds is plan.seconds is plan.cost is None


def test_the_dictionary_is_json():
    figures = json.loads(json.dumps(make_plan(BIG, GPUS["t4"]).as_dict()))
    assert figures["memory"]["total"] == pytest.approx(figures["share"] * 16e9)
    assert figures["advice"][0].keys() == {"options", "total", "fits"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (dict(mfu=0.0), "mfu is 0.0"),
        (dict(mfu=45.0), "mfu is 45.0"),
        (dict(length=0), "length is 0"),
        (dict(price=-1.0), "price is -1.0"),
    ],
)
def test_wrong_assumptions_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Assumptions(**wrong)


def test_a_sentence_that_the_run_would_leave_out_is_refused():
    with pytest.raises(ConfigError, match="length is 129.*no sentence of more than 128 tokens"):
        make_plan(BIG, GPUS["h100"], 1, Assumptions(length=129))
    with pytest.raises(ConfigError, match="gpus is 0"):
        make_plan(BIG, GPUS["h100"], 0)


@pytest.mark.parametrize(("gpu", "gpus"), [("v100-16", 1), ("t4", 2), ("rtx3090", 1)])
def test_advice_holds_what_it_promises(gpu, gpus):
    plan = make_plan(BIG, GPUS[gpu], gpus)
    assert not plan.fits
    assert any(advice.fits for advice in plan.advice)
    for advice in plan.advice:
        config, ranks = obeyed(BIG, gpus, advice)
        assert (config, ranks) != (BIG, gpus)
        shape = full_batch(config.data, 32, ranks)
        assert planned_memory(config, shape, "cuda", ranks).total == advice.total
        assert advice.fits == (advice.total <= GPUS[gpu].memory)
        accumulated = config.data.batch_tokens * config.train.accumulate
        assert accumulated == pytest.approx(BIG.data.batch_tokens, rel=0.01)


def test_there_is_no_advice_without_need():
    plan = make_plan(BIG, GPUS["h200"])
    assert plan.fits
    assert plan.advice == ()


def test_remedies_are_combined_where_none_is_enough():
    """Not even a batch of the longest sentence is small enough by itself."""
    config = changed(BIG, "data", max_length=12_000)
    *single, together = advise(config, 10 * 10**9, length=32)
    assert not any(advice.fits for advice in single if "--gpus" not in advice.options)
    assert together.fits
    assert together.options.startswith("--precision bf16 --loss-chunk 2048 --checkpoint-act")


def test_the_guard_refuses_only_what_is_far_too_much():
    needed = planned_memory(BIG, full_batch(BIG.data, 32), "cuda").total
    check_fits(BIG, needed)
    check_fits(BIG, int(needed / MARGIN) + 1)
    with pytest.raises(NpformerError) as refused:
        check_fits(BIG, int(needed / MARGIN) - 1)
    assert "needs about 33.22 GB on the GPU, where 28.89 GB are free" in str(refused.value)
    assert "--accumulate 2 --batch-tokens 12500 (18.77 GB)" in str(refused.value)
    assert "2 GPUs (18.81 GB)" in str(refused.value)


def test_the_guard_knows_a_batch_that_is_smaller_than_its_budget():
    """A corpus of a few sentences never fills it."""
    little = 5 * 10**9
    with pytest.raises(NpformerError, match="on each GPU"):
        check_fits(BIG, little, 2)
    check_fits(BIG, little, 2, shape=Shape(10, 30, 30))


def test_the_guard_of_a_cpu_advises_no_gpus():
    with pytest.raises(NpformerError, match="on the CPU") as refused:
        check_fits(BIG, 16 * 10**9, device="cpu")
    assert "GPU" not in str(refused.value)


def test_where_nothing_helps_the_guard_says_so():
    with pytest.raises(NpformerError, match="a smaller model may fit"):
        check_fits(BIG, 10**9)
