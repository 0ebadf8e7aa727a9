from __future__ import annotations

import warnings
from contextlib import closing

import pytest

from torch_ref.train.tensorboard import TensorBoard

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its protocol buffers speak of versions to come
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars(run):
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_every_figure_of_a_run_is_in_the_event_files(tmp_path):
    with closing(TensorBoard(tmp_path)) as board:
        board({"update": 1, "time": 0.5, "loss": 4.0, "grad_norm": 2.0, "mfu": 0.25})
        board({"update": 2, "loss": 3.0, "grad_norm": 1.0, "waited": 0.0, "memory": 2**20})
        board({"update": 2, "validation_loss": 2.5, "bleu": 20.0})
        board({"update": 2, "averaged": 3, "validation_loss": 2.25})
    assert scalars(tmp_path) == {
        "train/loss": [(1, 4.0), (2, 3.0)],
        "train/grad_norm": [(1, 2.0), (2, 1.0)],
        "speed/mfu": [(1, 0.25)],
        "speed/waited": [(2, 0.0)],
        "speed/memory": [(2, 2**20)],
        "validation/loss": [(2, 2.5)],
        "validation/bleu": [(2, 20.0)],
        "averaged/loss": [(2, 2.25)],
    }


def test_a_resumed_run_says_the_last_word_on_each_step(tmp_path):
    for loss in (4.0, 3.5):
        with closing(TensorBoard(tmp_path)) as board:
            board({"update": 7, "loss": loss})
    assert scalars(tmp_path)["train/loss"][-1] == pytest.approx((7, 3.5))
