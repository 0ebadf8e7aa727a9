"""Some updates of a small Transformer; whatever way a step is written, weights and losses agree."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.grading import against_function
from npformer.exercises.load import load_python
from npformer.ops import cross_entropy_backward, cross_entropy_forward

SOLUTION = load_python(Path(__file__).parent / "solution.py")


def grade(submission, cases, seed):
    """One question: all weights and the losses after one or two updates."""
    file = getattr(submission, "__file__", None)
    asked = SimpleNamespace(run_training=_run(submission.training_step), __file__=file)
    mistakes = [(said, {"run_training": _run(wrong)}) for said, wrong in MISTAKES]
    right = _run(SOLUTION.training_step)
    options = {"cases": cases, "seed": seed, "mistakes": mistakes}
    return against_function(asked, "run_training", right, _draw, **options)


def _run(training_step):
    """run_training of start.py, around any step."""

    def run_training(seed, lengths, updates, learning_rate):
        """Raises ``Complaint`` if a step's loss is not a number."""
        model, batches = SOLUTION.make(seed, lengths)
        losses = []
        for _ in range(updates):
            loss = training_step(model, batches, learning_rate)
            if np.ndim(loss) or loss is None or isinstance(loss, str):
                said = f"training_step returns {a_kind(loss)}; it must return the loss, a number"
                raise Complaint("type", said)
            losses.append(float(loss))
        return {**{name: p.data for name, p in model.named_parameters()}, "losses": losses}

    return run_training


def _draw(source):
    batches = source.integer(1, 3)
    return {
        "seed": source.integer(0, 99),
        "lengths": [
            [source.integer(1, 4) for _ in range(source.integer(1, 3))] for _ in range(batches)
        ],
        "updates": source.choice((1, 2)),
        "learning_rate": source.choice((1.0, 0.1)),
    }


def _wrong(
    divide="tokens",
    loss_by="tokens",
    ignore=0,
    clear="once",
    sign=1,
    reduction="sum",
    each=False,
):
    """A step with one thing done otherwise; ``divide`` and ``loss_by`` name the divisors."""

    def training_step(model, batches, learning_rate):
        if clear == "once":
            model.zero_grad()
        total, means = 0.0, 0.0
        counts = {"tokens": 0, "positions": 0, "sentences": 0, "batches": len(batches), "one": 1}
        for batch in batches:
            if clear == "each":
                model.zero_grad()
            logits, cache = model.forward(**batch.inputs)
            loss, loss_cache = cross_entropy_forward(
                logits, batch.targets, ignore_index=ignore, reduction=reduction
            )
            model.backward(cross_entropy_backward(np.ones_like(loss), loss_cache), cache)
            own = int(np.count_nonzero(batch.targets))
            total += float(loss)
            means += float(loss) / own
            counts["tokens"] += own
            counts["positions"] += batch.targets.size
            counts["sentences"] += len(batch.targets)
            counts["last"] = own
            if each:
                for p in model.parameters():
                    p.data -= learning_rate / own * p.grad
                model.zero_grad()
        if not each:
            for p in model.parameters():
                p.data -= sign * learning_rate / counts[divide] * p.grad
        return means / len(batches) if loss_by == "means" else total / counts[loss_by]

    return training_step


MISTAKES = [
    ("the micro-batches' means are averaged: tokens of short micro-batches count for more",
     _wrong(reduction="mean", divide="batches", loss_by="batches")),
    ("the micro-batches' means are added up and not weighted by their tokens",
     _wrong(reduction="mean", divide="one", loss_by="one")),
    ("the means are added up and divided by all tokens, so that each is divided twice",
     _wrong(reduction="mean")),
    ("the gradient is not divided by the number of tokens", _wrong(divide="one")),
    ("neither gradient nor loss is divided by the number of tokens",
     _wrong(divide="one", loss_by="one")),
    ("the division is by all positions, padding too",
     _wrong(divide="positions", loss_by="positions")),
    ("padding counts as a token: its losses are summed, and it is divided by",
     _wrong(divide="positions", loss_by="positions", ignore=None)),
    ("the losses at padding are summed with the others: ignore_index is missing",
     _wrong(ignore=None)),
    ("the division is by the number of sentences",
     _wrong(divide="sentences", loss_by="sentences")),
    ("the division is by the tokens of the last micro-batch alone",
     _wrong(divide="last", loss_by="last")),
    ("the gradients of the step before are not cleared", _wrong(clear="never")),
    ("the gradients are cleared before each micro-batch, so that only the last one counts",
     _wrong(clear="each")),
    ("every micro-batch makes an update of its own; there must be one for all of them",
     _wrong(each=True)),
    ("the weights go up the gradient", _wrong(sign=-1)),
    ("p.data is not changed: p = ... gives the name to a new array, p.data -= ... changes it",
     _wrong(sign=0)),
    ("the loss returned is the sum, not the mean over all tokens", _wrong(loss_by="one")),
    ("the loss returned is the mean of the micro-batches' means", _wrong(loss_by="means")),
]  # fmt: skip
