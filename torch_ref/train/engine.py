"""The twin's engine: autograd for the gradients, ``torch.optim`` for the step.

It answers to the same verbs as the NumPy engine (``npformer/train/engine.py``) and keeps its state
under the same names, so a run may begin on one engine and go on on the other.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from npformer.config import RunConfig
from npformer.errors import NonFiniteError, ShapeError
from torch_ref.bridge import check_arrays, from_torch, to_array, to_tensor, to_torch
from torch_ref.models.transformer import Transformer
from torch_ref.train.optimizer import make_optimizer, moments, set_steps

if TYPE_CHECKING:
    from npformer.text.batches import Batch


class TorchEngine:
    """``Engine`` over the PyTorch Transformer, on one device.

    ``weights`` (path -> array) are the initial ones, such as a NumPy model's; without them they are
    drawn from ``config.train.seed`` by PyTorch. ``device`` defaults to CUDA where there is one.
    ``replay_dropout`` draws every dropout mask as the NumPy engine with one worker does.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        weights: dict[str, np.ndarray] | None = None,
        replay_dropout: bool = False,
        device: torch.device | str | None = None,
    ) -> None:
        self.config = config
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.manual_seed(config.train.seed)
        dtype = getattr(torch, config.train.dtype)
        self.model = Transformer(config.model, dtype=dtype, device=self.device).eval()
        if weights is not None:
            to_torch(weights, self.model)
        self._replay_dropout = replay_dropout
        self._named = dict(self.model.named_parameters())
        self._optimizer = make_optimizer(config.optim, self._named.values())
        self._steps = 0

    def gradients(self, batch: Batch, seed: tuple[int, ...]) -> tuple[float, int]:
        """Add the gradient of the summed token losses; return that sum and the valid tokens.

        ``seed`` decides the dropout, so that the same batch under the same seed gives the same
        gradients after a resumption too.
        """
        rng = None
        if self._replay_dropout:
            rng = np.random.default_rng([*seed, 0])
        else:
            torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]))
        self.model.train()
        try:
            loss = self._loss(batch, self.config.train.label_smoothing, rng)
            loss.backward()
        finally:
            self.model.eval()
        return loss.item(), batch.tokens

    def update(self, learning_rate: float, tokens: int) -> float:
        """Step along the gathered gradient divided by ``tokens``; return its norm, and clear it.

        Raises NonFiniteError naming the parameter, with weights and optimizer as they were.
        """
        gradients = {name: p.grad for name, p in self._named.items() if p.grad is not None}
        try:
            norm = total_norm(gradients) / tokens
            clip_norm = self.config.optim.clip_norm
            scale = clip_norm / norm if 0 < clip_norm < norm else 1.0
            torch._foreach_mul_(list(gradients.values()), scale / tokens)
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
            self._optimizer.step()
            self._steps += 1
        finally:
            self._optimizer.zero_grad()
        return norm

    @torch.inference_mode()
    def evaluate(self, batch: Batch) -> tuple[float, int]:
        """The summed token losses, without smoothing or dropout, and the valid tokens."""
        return self._loss(batch, label_smoothing=0.0).item(), batch.tokens

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the weights, ``model/<path>``, and the optimizer's arrays, ``optim/<name>``."""
        optim = moments(self.config.optim, self._optimizer, self._named)
        return {
            **{f"model/{name}": array for name, array in from_torch(self.model).items()},
            "optim/step": np.array(self._steps, np.int64),
            **{f"optim/{name}": to_array(tensor) for name, tensor in optim.items()},
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over a state; ShapeError unless every name, shape and dtype agrees.

        A state of weights alone leaves the optimizer as it is.
        """
        parts: dict[str, dict[str, np.ndarray]] = {"model": {}, "optim": {}}
        for key, array in state.items():
            kind, _, name = key.partition("/")
            if kind not in parts:
                raise ShapeError(f"the state holds {key!r}, which is neither model/ nor optim/")
            parts[kind][name] = array
        if optim := parts["optim"]:
            own = moments(self.config.optim, self._optimizer, self._named)
            steps = {"step": torch.zeros((), dtype=torch.int64)}
            check_arrays({**own, **steps}, optim, "the optimizer's arrays")
        to_torch(parts["model"], self.model)
        if optim:
            for name, tensor in own.items():
                tensor.copy_(to_tensor(optim[name]))
            self._steps = int(optim["step"])
            set_steps(self._optimizer, self._steps)

    def _loss(
        self, batch: Batch, label_smoothing: float, rng: np.random.Generator | None = None
    ) -> Tensor:
        source, target_in, target_out = (torch.tensor(ids, device=self.device) for ids in batch)
        logits = self.model(source, target_in, rng)
        return F.cross_entropy(
            logits.flatten(0, 1),
            target_out.flatten(),
            ignore_index=self.config.model.padding_id,
            reduction="sum",
            label_smoothing=label_smoothing,
        )


def total_norm(gradients: dict[str, Tensor]) -> float:
    """The Euclidean norm of all gradients together.

    Raises NonFiniteError naming the first parameter whose gradient holds a NaN or an infinity.
    """
    norm = torch.nn.utils.get_total_norm(list(gradients.values())).item()
    if math.isfinite(norm):
        return norm
    for name, gradient in gradients.items():
        if not gradient.isfinite().all():
            raise NonFiniteError(
                f"the gradient of {name!r} is not finite; the step was not taken, weights and "
                "optimizer are as before it. Try a lower learning rate, a longer warm-up or "
                "clip_norm"
            )
    # Only the squares overflowed.
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    return largest * torch.nn.utils.get_total_norm([g / largest for g in gradients.values()]).item()
