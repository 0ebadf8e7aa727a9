"""An engine over any PyTorch module that maps ids to logits, for the models beside the twin.

It does what the twin's engine does to its own model, and no more than a user of the module would
write: the same loss, optimizer, precision and seeds, and PyTorch's own functions for each. So the
training loop, and the bench, treat every model alike, and what differs is the model.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.config import RunConfig
from npformer.errors import NonFiniteError, ShapeError
from npformer.train.checkpoint import save_arrays
from npformer.train.engine import Step, not_finite
from torch_ref.bridge import check_arrays, to_array, to_tensor
from torch_ref.train import device as devices
from torch_ref.train.optimizer import make_optimizer, moments, set_steps
from torch_ref.train.precision import Precision

if TYPE_CHECKING:
    from npformer.text.batches import Batch

Forward = Callable[[Tensor, Tensor], Tensor]
"""source (B, S) ids, target (B, T) ids -> logits (B, T, V)."""


class ModuleEngine:
    """``Engine`` (npformer/train/engine.py) over ``module``, on one device.

    ``forward`` calls the module; ``model`` is what ``npformer.decode`` translates with. Parameters
    that do not ask for a gradient, such as a table of positions, are no part of the state. Raises
    ConfigError for a device that is not there or a precision that it has not.
    """

    def __init__(self, config: RunConfig, module: nn.Module, forward: Forward, model: Any) -> None:
        self.config, self.module, self.model = config, module, model
        self.device = devices.choose(config.twin.device, None)
        self.precision = Precision.of(config, self.device)
        self.precision.apply(self.device)
        module.to(device=self.device, dtype=self.precision.weights).eval()
        self._forward = torch.compile(forward) if config.twin.compile else forward
        self.parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self._optimizer = make_optimizer(config.optim, self.parameters.values())
        self._steps, self._tokens = 0, 0
        self._loss = torch.zeros((), dtype=torch.float64, device=self.device)

    @property
    def parameter_count(self) -> int:
        """How many numbers training may change."""
        return sum(parameter.numel() for parameter in self.parameters.values())

    @functools.cached_property
    def peak_flops(self) -> float:
        """Floating-point operations a second that this device can do; 0 if that is not known."""
        return devices.peak_flops(self.device, self.precision)

    def gradients(self, batch: Batch, seed: tuple[int, ...]) -> None:
        """Add the gradient of the summed token losses; ``seed`` decides the dropout."""
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]))
        self.module.train()
        try:
            with devices.enough_memory(self.device):
                loss = self._sum(batch, self.config.train.label_smoothing)
                loss.backward()
        finally:
            self.module.eval()
        self._loss += loss.detach()
        self._tokens += batch.tokens

    def update(self, learning_rate: float) -> Step:
        """Step along the gathered gradient divided by its tokens, and clear it.

        Raises NonFiniteError naming the parameter, with weights and optimizer as they were.
        """
        gradients = {n: p.grad for n, p in self.parameters.items() if p.grad is not None}
        loss, tokens = self._loss.item(), self._tokens
        try:
            norm = nn.utils.get_total_norm(list(gradients.values())).item() / tokens
            if not math.isfinite(norm) or not math.isfinite(loss):
                broken = (n for n, g in gradients.items() if not g.isfinite().all())
                raise NonFiniteError(not_finite(loss, next(broken, None)))
            clip_norm = self.config.optim.clip_norm
            scale = clip_norm / norm if 0 < clip_norm < norm else 1.0
            torch._foreach_mul_(list(gradients.values()), scale / tokens)
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
            self._optimizer.step()
            self._steps += 1
        finally:
            self._optimizer.zero_grad()
            self._loss.zero_()
            self._tokens = 0
        return Step(loss, tokens, norm)

    @torch.inference_mode()
    def evaluate(self, batch: Batch) -> tuple[float, int]:
        """The summed token losses, without smoothing or dropout, and the valid tokens."""
        return self._sum(batch, 0.0).item(), batch.tokens

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights, ``model/<path>``, and the optimizer's arrays, ``optim/<name>``."""
        optim = moments(self.config.optim, self._optimizer, self.parameters)
        return {
            **{f"model/{name}": to_array(tensor) for name, tensor in self.parameters.items()},
            "optim/step": np.array(self._steps, np.int64),
            **{f"optim/{name}": to_array(tensor) for name, tensor in optim.items()},
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state; ShapeError, and nothing taken, unless names, shapes, dtypes agree."""
        parts: dict[str, dict[str, np.ndarray]] = {"model": {}, "optim": {}}
        for key, array in state.items():
            kind, _, name = key.partition("/")
            if kind not in parts:
                raise ShapeError(f"the state holds {key!r}, which is neither model/ nor optim/")
            parts[kind][name] = array
        own = moments(self.config.optim, self._optimizer, self.parameters)
        if optim := parts["optim"]:
            steps = {"step": torch.zeros((), dtype=torch.int64)}
            check_arrays({**own, **steps}, optim, "the optimizer's arrays")
        check_arrays(self.parameters, parts["model"], "the weights")
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(to_tensor(parts["model"][name]))
        if optim:
            for name, tensor in own.items():
                tensor.copy_(to_tensor(optim[name]))
            self._steps = int(optim["step"])
            set_steps(self._optimizer, self._steps)

    def save(self, directory: Path) -> None:
        """Write the two files of a checkpoint that hold arrays."""
        save_arrays(directory, self.state())

    def memory(self) -> int:
        """The most bytes used so far: of the device's memory, or resident on a CPU."""
        return devices.memory(self.device)

    def _autocast(self) -> torch.autocast:
        p = self.precision
        return torch.autocast(self.device.type, p.products, enabled=p.products != p.weights)

    def _sum(self, batch: Batch, label_smoothing: float) -> Tensor:
        source, target_in, target_out = devices.on_device(batch, self.device)
        with self._autocast():
            logits = self._forward(source, target_in)
            return F.cross_entropy(
                logits.flatten(0, 1),
                target_out.flatten(),
                ignore_index=self.config.model.padding_id,
                reduction="sum",
                label_smoothing=label_smoothing,
            )
