"""The twin's engine: autograd for the gradients, ``torch.optim`` for the step.

It answers to the same verbs as the NumPy engine (``npformer/train/engine.py``) and keeps its state
under the same names, so a run may begin on one engine and go on on the other.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from npformer.config import RunConfig
from npformer.errors import ConfigError, NonFiniteError, ShapeError
from npformer.train.engine import Step, not_finite
from npformer.train.ranks import Alone, Ranks
from npformer.train.rates import rate_factors
from torch_ref.bridge import check_arrays, to_array, to_torch
from torch_ref.optim import (
    evaluated_weights,
    make_optimizer,
    moments,
    set_steps,
    train_weights,
)
from torch_ref.train import device as devices
from torch_ref.train.objective import Objective, make_judged_objective, make_objective
from torch_ref.train.precision import Precision
from torch_ref.train.spread import spread

if TYPE_CHECKING:
    from npformer.text.batches import Batch
    from npformer.text.judged_batches import JudgedBatch


class TorchEngine:
    """``Engine`` over a twin, on one device or on this rank's of many.

    ``weights`` (path -> array) are the initial ones, such as a NumPy model's; without them they are
    drawn from ``config.train.seed`` by PyTorch. ``device`` stands in for ``config.twin.device``.
    ``replay_dropout`` draws every dropout mask as the NumPy engine with one worker does.

    Raises ConfigError for a device that is not there or a precision that it has not.
    """

    saves_frozen: ClassVar[bool] = True
    """Whether parameters that are not trained are part of the state: weights below adapters are."""

    def __init__(
        self,
        config: RunConfig,
        *,
        weights: dict[str, np.ndarray] | None = None,
        replay_dropout: bool = False,
        device: torch.device | str | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.config, twin = config, config.twin
        self.device = devices.choose(device or twin.device, ranks)
        self.precision = Precision.of(config, self.device)
        self.precision.apply(self.device)
        self._ranks = ranks or Alone()
        self._replay_dropout = replay_dropout
        if replay_dropout and twin.compile:
            raise ConfigError("replayed dropout does not go with compile")
        torch.manual_seed(config.train.seed)
        with devices.enough_memory(self.device):
            objective = self._make()
            if weights is not None:
                to_torch(weights, objective.model)
            self._spread = spread(objective, twin, self._ranks, self._make)
            named = objective.model.named_parameters()
            self._all = {n: p for n, p in named if p.requires_grad or self.saves_frozen}
            self._named = {name: p for name, p in self._all.items() if p.requires_grad}
            shapes = {name: tuple(p.shape) for name, p in self._named.items()}
            rates = rate_factors(config, shapes)
            self._optimizer = make_optimizer(config.optim, self._named, rates)
        self._steps = 0
        self._batches = 0  # since the last update, as is the next
        self._load: Tensor | None = None  # tokens of each layer's experts since the last update
        # Loss, tokens, and what the loss is of.
        self._totals = torch.zeros(3, dtype=torch.float64, device=self.device)

    def _make(self) -> Objective:
        """What is trained; drawn from PyTorch's generator, which the seed has set."""
        make = make_judged_objective if self.config.preferences.judged else make_objective
        return make(self.config, self.precision, self.device)

    @property
    def model(self) -> Any:
        """The whole model, with the weights of now. Collective under FSDP, which gathers it.

        An engine of another module has here what ``npformer.decode`` takes for a model.
        """
        self._evaluated()
        return self._spread.plain().model

    @property
    def parameter_count(self) -> int:
        """How many numbers the model has, on all ranks together."""
        return sum(parameter.numel() for parameter in self._all.values())

    @property
    def trained_count(self) -> int:
        """How many of them training may change."""
        return sum(parameter.numel() for parameter in self._named.values())

    @functools.cached_property
    def peak_flops(self) -> float:
        """Floating-point operations a second that this device can do; 0 if that is not known."""
        return devices.peak_flops(self.device, self.precision)

    def flops(self, batch: Batch) -> float:
        """The floating-point operations that a batch's valid tokens need, forward and backward."""
        from npformer.plan.flops import batch_flops  # most of a second, at the first update alone

        if "documents" in batch.inputs:
            texts = [
                np.unique(row[row > 0], return_counts=True)[1] for row in batch.inputs["documents"]
            ]
            lengths = np.concatenate(texts)
            return batch_flops(self.config.model, lengths, lengths)
        model = self.config.model
        target = batch.lengths
        if getattr(model, "masked_head", False):  # few of the tokens have a target
            target = (batch.inputs["target"] != model.padding_id).sum(axis=1)
        read = target
        if "source" in batch.inputs:
            read = (batch.inputs["source"] != model.padding_id).sum(axis=1)
        return batch_flops(model, read, target)

    def gradients(self, batch: Batch, seed: tuple[int, ...]) -> None:
        """Add the gradient of the summed losses, without waiting for the device.

        ``seed`` and the rank decide the dropout, so that the same batch under the same seed gives
        the same gradients after a resumption too. Raises NpformerError if memory runs out.
        """
        if train_weights(self._optimizer):
            self._spread.changed()
        rng = None
        if self._replay_dropout:
            rng = np.random.default_rng([*seed, 0])
        else:
            entropy = np.random.SeedSequence([*seed, self._ranks.rank])
            torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0]))
        self._batches += 1
        last = self._batches == self.config.train.accumulate
        objective = self._spread.objective.train()
        try:
            with devices.enough_memory(self.device), self._spread.gathering(last):
                arrays = devices.on_device(batch, self.device)
                extra = self._extra(batch)
                loss = objective(*arrays, rng, no_target=batch.no_target, **extra)
                loss.backward()
        finally:
            objective.eval()
        load = self._spread.trained.load
        if load is not None:
            self._load = load.double() if self._load is None else self._load + load
        self._totals[0] += loss.detach()
        self._totals[1] += batch.tokens
        self._totals[2] += batch.units

    def _extra(self, batch: Batch) -> dict[str, Any]:
        """What the loss of a batch is told beside inputs and targets."""
        if self.config.preferences.judged:
            return {name: torch.tensor(a, device=self.device) for name, a in batch.about.items()}
        train = self.config.train
        return {"label_smoothing": train.label_smoothing, "z_loss": train.z_loss}

    def update(self, learning_rate: float) -> Step:
        """Step along the gathered gradient divided by its units, and clear it.

        Raises NonFiniteError naming the parameter, with weights and optimizer as they were.
        """
        gradients = {name: p.grad for name, p in self._named.items() if p.grad is not None}
        try:
            loss, tokens, units = self._spread.total(self._totals).tolist()
            norm = self._norm(gradients, loss) / units
            clip_norm = self.config.optim.clip_norm
            scale = clip_norm / norm if 0 < clip_norm < norm else 1.0
            torch._foreach_mul_(self._spread.local(list(gradients.values())), scale / units)
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate * group.get("factor", 1.0)
            self._optimizer.step()
            if self._load is not None:
                model: Any = self._spread.trained.model
                for bias, step in model.bias_steps(self._spread.total(self._load)):
                    self._spread.add(bias, step)
            self._steps += 1
        finally:
            self._optimizer.zero_grad()
            self._totals.zero_()
            self._load = None
            self._batches = 0
        self._spread.changed()
        return Step(loss, int(tokens), norm, int(units))

    def evaluate(self, batch: Batch) -> tuple[float, int]:
        """The summed token losses, without smoothing or dropout, and the valid tokens."""
        self._evaluated()
        objective = self._spread.plain()
        with torch.inference_mode(), devices.enough_memory(self.device):
            arrays = devices.on_device(batch, self.device)
            loss = objective(*arrays, no_target=batch.no_target).item()
        return loss, batch.tokens

    def log_probs(self, batch: JudgedBatch) -> np.ndarray:
        """The log-probability (A,) of each answer, as the loss takes it, without dropout."""
        self._evaluated()
        objective: Any = self._spread.plain()
        with torch.inference_mode(), devices.enough_memory(self.device):
            arrays = devices.on_device(batch, self.device)
            return to_array(objective.log_probs(*arrays, no_target=batch.no_target).double())

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights, ``model/<path>``, and the optimizer's arrays, ``optim/<name>``."""
        self._evaluated()
        whole = self._spread.whole
        return {
            **{f"model/{name}": to_array(whole(p)) for name, p in self._all.items()},
            "optim/step": np.array(self._steps, np.int64),
            **{f"optim/{name}": to_array(whole(m)) for name, m in self._moments().items()},
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state; raises ShapeError unless every name, shape and dtype agrees.

        A state of weights alone leaves the optimizer as it is. Arrays are read one at a time.
        """
        for key in state:
            if not key.startswith(("model/", "optim/")):
                raise ShapeError(f"the state holds {key!r}, which is neither model/ nor optim/")
        weights, optim = Part(state, "model/"), Part(state, "optim/")
        own = self._moments()
        if optim:
            step = {"step": torch.zeros((), dtype=torch.int64)}
            check_arrays({**own, **step}, optim, "the optimizer's arrays")
        check_arrays(self._all, weights, "the weights")
        self._evaluated()
        for name, parameter in self._all.items():
            self._spread.fill(parameter, weights[name])
        if optim:
            for name, moment in own.items():
                self._spread.fill(moment, optim[name])
            self._steps = int(optim["step"])
            set_steps(self._optimizer, self._steps)
        self._spread.changed()

    def save(self, directory: Path) -> None:
        """Write the two files of a checkpoint that hold arrays; no rank gathers the model."""
        self._evaluated()
        optim = {"step": torch.tensor(self._steps), **self._moments()}
        tensors = {
            **{f"model/{name}": parameter for name, parameter in self._all.items()},
            **{f"optim/{name}": tensor for name, tensor in optim.items()},
        }
        self._spread.save(directory, tensors, self._ranks)

    def memory(self) -> int:
        """The most bytes so far, of the GPU's memory or of this process's."""
        return devices.memory(self.device)

    def _evaluated(self) -> None:
        if evaluated_weights(self._optimizer):
            self._spread.changed()

    def _moments(self) -> dict[str, Tensor]:
        return moments(self.config.optim, self._optimizer, self._named)

    def _norm(self, gradients: dict[str, Tensor], loss: float) -> float:
        """The Euclidean norm of all gradients together.

        Raises NonFiniteError if it or the loss is not finite, with the first parameter to blame.
        """
        tensors = list(gradients.values())
        norm = self._spread.norm(tensors).item()
        if math.isfinite(norm) and math.isfinite(loss):
            return norm
        name = self._spread.first_not_finite(gradients)
        if name is not None or not math.isfinite(loss):
            raise NonFiniteError(not_finite(loss, name))
        # Only the squares overflowed.
        largest = self._spread.largest(tensors)
        return largest * self._spread.norm([tensor / largest for tensor in tensors]).item()


class Part(Mapping[str, np.ndarray]):
    """The entries of a state whose names begin with ``prefix``, without it; read when asked for."""

    def __init__(self, state: Mapping[str, np.ndarray], prefix: str) -> None:
        self._state, self._prefix = state, prefix
        self._names = [key.removeprefix(prefix) for key in state if key.startswith(prefix)]

    def __getitem__(self, name: str) -> np.ndarray:
        return self._state[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
