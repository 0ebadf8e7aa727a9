"""Where two implementations of one model part: the first activation, the first gradient.

    from npformer.verify import bisect
    print(bisect(my_model, reference, batch))

Both may be NumPy models or twins, originals or edited copies, as long as the tree has the same
paths. Every call of ``ours`` is judged by the inputs that it saw itself: the reference computes
the same call on the same inputs, and the two results are compared in rounding units. So a mistake
accuses the call that makes it and none of those that only pass it on. What a method does between
its calls, the sums and factors and masks, is judged in the same way.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from npformer.errors import ShapeError, VerifyError, nearest
from npformer.text.batches import Batch
from npformer.verify.lockstep import numpy_side
from npformer.verify.lockstep.bisection import Bisection
from npformer.verify.lockstep.steps import step
from npformer.verify.lockstep.verdicts import Verdicts
from npformer.verify.lockstep.visits import Trace


def bisect(
    ours: Any,
    reference: Any,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    seed: int | None = None,
    loss: Any = None,
) -> Bisection:
    """Walk ``ours`` and ``reference`` in lockstep over one batch, forward, loss and backward.

    Each is a model of ``npformer.models`` or its twin, or any class with the same tree. The
    reference is copied, in float64 and with the weights of ``ours``; both models are left as they
    were. Losses that a model has beside the tokens', of experts and of later tokens, are judged
    too; what is added to the gradient of a parameter that ours has frozen is not. ``seed`` decides
    the dropout of both; None drops nothing. ``loss`` is the loss of ours, if it is not npformer's:
    a pair (forward, backward) for NumPy, a function for a twin, with ``cross_entropy``'s arguments.

    Raises ``ShapeError`` if the parameters of the two differ in name or shape, and ``VerifyError``
    for something that is no model, or that stops with an exception of its own, which it names.
    """
    _side(ours, "ours")
    _side(reference, "the reference")
    weights = _weights(ours)
    right = Reference(reference, batch, weights, label_smoothing=label_smoothing, seed=seed)
    return right.judge(ours, loss)


class Reference:
    """The right side of a bisection, made once for any number of suspects with these weights."""

    def __init__(
        self,
        model: Any,
        batch: Batch,
        weights: dict[str, np.ndarray],
        *,
        label_smoothing: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self._side = _side(model, "the reference")
        _same_tree(weights, _weights(model))
        self._batch, self._smoothing, self._seed = batch, label_smoothing, seed
        self._model = self._side.widened(model, weights)
        self._own: Trace = self._run(self._side, self._model, light=True)

    def judge(self, ours: Any, loss: Any = None) -> Bisection:
        """One suspect; see ``bisect``."""
        weights = _weights(ours)
        suspect: Trace = self._run(
            _side(ours, "ours"), ours, **({} if loss is None else {"loss": loss})
        )
        judge = Verdicts(next(iter(weights.values())).dtype)
        judge.unseen = _unseen(suspect)
        judge.frozen = _frozen(ours)
        judge.pytorch = _side(ours, "ours") is not numpy_side
        self._side.force(
            self._model,
            self._batch,
            suspect,
            self._own,
            judge,
            label_smoothing=self._smoothing,
            rng=_generator(self._seed),
        )
        for one in suspect.accumulations:
            judge.accumulation(one)
        for path in sorted((judge.unseen & judge.expected.keys()) - judge.frozen):
            judge.total(path, judge.expected[path], suspect.gradients[path], suspect.ticks)
        found = judge.with_reasons()
        classes = {v.site.path: v.site.kind for v in self._own.visits if not v.site.is_op}
        return Bisection(
            tuple(dataclasses.replace(f, operation=step(f, classes)) for f in found),
            suspect.loss,
            self._own.loss,
            np.dtype(judge.dtype).name,
            len(suspect.visits),
            tuple(n for n, read in self._batch.inputs.items() if read.dtype.kind != "f"),
            (suspect, self._own, judge),
        )

    def _run(self, side: Any, model: Any, **more: Any) -> Trace:
        options = {"label_smoothing": self._smoothing, "rng": _generator(self._seed)}
        trace: Trace = side.trace(model, self._batch, **options, **more)
        return trace


def _side(model: Any, what: str) -> Any:
    """The engine's side of the lockstep."""
    import torch

    if isinstance(model, torch.nn.Module):
        from npformer.verify.lockstep import twin_side

        return twin_side
    if isinstance(model, type):
        raise VerifyError(f"{what} is the class {model.__name__} itself; give a model made of it")
    needed = ("named_modules", "named_parameters", "forward", "backward", "config")
    missing = [name for name in needed if not hasattr(model, name)]
    if missing:
        raise VerifyError(
            f"{what} is a {type(model).__name__} without {', '.join(missing)}; give a model "
            "of npformer.models or torch_ref.models, or a class with the same tree"
        )
    return numpy_side


def _weights(model: Any) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for path, parameter in model.named_parameters():
        data = parameter.data
        found[path] = data if isinstance(data, np.ndarray) else data.detach().cpu().numpy()
    return found


def _frozen(model: Any) -> set[str]:
    return {
        path
        for path, parameter in model.named_parameters()
        if not getattr(parameter, "trainable", getattr(parameter, "requires_grad", True))
    }


def _same_tree(mine: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    for path in mine:
        if path not in theirs:
            raise ShapeError(f"ours has a parameter {path!r}, and the reference has not")
    for path, array in theirs.items():
        if path not in mine:
            near = nearest(path, mine)
            raise ShapeError(f"the reference has a parameter {path!r}, and ours has not{near}")
        if mine[path].shape != array.shape:
            raise ShapeError(
                f"{path!r} has shape {mine[path].shape} in ours and {array.shape} in the reference"
            )


def _unseen(trace: Trace) -> set[str]:
    """Parameters that got a gradient by no way that was watched."""
    seen = {path for v in trace.visits for back in v.backs for path in back.shares}
    return trace.unseen | {p for p, g in trace.gradients.items() if p not in seen and g.any()}


def _generator(seed: int | None) -> np.random.Generator | None:
    return None if seed is None else np.random.default_rng(seed)
