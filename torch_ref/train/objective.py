"""What training makes small: the sum of a batch's token losses, as one module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.config import PreferenceConfig, RunConfig
from npformer.text.tokenizer import PAD
from npformer.train.adapted import adapter_arguments
from torch_ref import ops
from torch_ref.models import make_twin
from torch_ref.models.looks_ahead import NO_TARGET
from torch_ref.models.model import Model
from torch_ref.nn import Linear
from torch_ref.nn.adapters import add_adapters
from torch_ref.nn.token_grid import TokenGrid
from torch_ref.train.judged_loss import judged_loss
from torch_ref.train.linear_cross_entropy import (
    OfChunk,
    capped,
    compiled_cross_entropy,
    cross_entropy_and_gradient,
    linear_cross_entropy,
)
from torch_ref.train.precision import Precision


class Objective(nn.Module):
    """A model and its loss together, at the precision that they are to have.

    One module, so that whatever wraps a module's forward and backward (``torch.distributed`` does)
    sees all of them. A subclass says how the losses of its kind of model are summed; ``streams``
    are the names of what the model takes.
    """

    def __init__(self, model: nn.Module, streams: Iterable[str], precision: Precision) -> None:
        super().__init__()
        self.load: Tensor | None = None
        """Of the last batch, the tokens of each layer's experts, where the model balances them."""
        self.streams = tuple(streams)
        self.model = model
        self.precision = precision

    def forward(
        self,
        inputs: dict[str, Tensor],
        targets: Tensor,
        rng: np.random.Generator | None = None,
        *,
        no_target: int = PAD,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
    ) -> Tensor:
        """inputs, what the model takes by name; targets (B, T) ids -> (), the sum of losses, nats.

        Positions where ``targets`` is ``no_target`` add nothing. ``rng`` draws the dropout of a
        model that can have it drawn.
        """
        with self.precision.autocast(targets.device):
            return self.summed(
                inputs,
                targets.flatten(),
                rng,
                ignore_index=no_target,
                label_smoothing=label_smoothing,
                z_loss=z_loss,
            )

    def summed(
        self,
        inputs: dict[str, Tensor],
        targets: Tensor,
        rng: np.random.Generator | None,
        **options: Any,
    ) -> Tensor:
        """As ``forward``, of targets (B T,); ``options`` are those of ``summed_loss``."""
        raise NotImplementedError

    def of_nothing(self, device: torch.device) -> tuple[dict[str, Tensor], Tensor, dict[str, Any]]:
        """inputs, targets and further arguments of a ``forward`` that sums no loss."""
        word, none = (torch.full((1, 1), i, device=device) for i in (PAD + 1, PAD))
        return dict.fromkeys(self.streams, word), none, {}


MakeObjective = Callable[[], Objective]


class TwinObjective(Objective):
    """The twin, its output projection and its loss.

    With ``chunk`` > 0, the logits of so many target positions exist at one time, and ``of_chunk``
    makes their loss. On a CPU, if ``packed``, what pads a batch is left out wherever the model can;
    loss and gradients are the same. Where a generator draws the dropout, on any device: its masks
    are those of the NumPy engine, which leaves padding out too.
    """

    model: Model

    def __init__(
        self,
        model: Model,
        precision: Precision,
        *,
        chunk: int = 0,
        of_chunk: OfChunk = cross_entropy_and_gradient,
        packed: bool = True,
    ) -> None:
        super().__init__(model, model.streams, precision)
        self.packed = packed
        self.chunk = chunk
        self.of_chunk = of_chunk

    def summed(
        self,
        inputs: dict[str, Tensor],
        targets: Tensor,
        rng: np.random.Generator | None,
        **options: Any,
    ) -> Tensor:
        """What is raised, and what ``rng`` does, the model's ``forward`` says.

        While training, a model's auxiliary losses are in the sum, and ``load`` has how many tokens
        each layer's experts had (layers, E).
        """
        loss: Tensor | float = 0.0
        if self.training and self.model.auxiliary:
            valid = targets != options["ignore_index"]
            asked = torch.where(valid, targets, NO_TARGET).view_as(inputs["target"])
            hidden, auxiliary = self.model.hidden(
                **inputs, rng=rng, targets=asked, loss_of=self._of_later_tokens
            )
            loss, self.load = auxiliary.loss, auxiliary.load
        elif grids := self._grids(inputs, targets, rng, options["ignore_index"]):
            hidden = self.model.hidden(**inputs, rng=rng, grids=grids)
            targets = grids["to"].collect(targets.view_as(inputs["target"]))[0]
        else:
            hidden = self.model.hidden(**inputs, rng=rng)
        return loss + self._loss(hidden.flatten(0, 1), targets, **options)

    def _of_later_tokens(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """The sum of losses that a model has beside those of its next tokens, without smoothing."""
        return self._loss(hidden.flatten(0, 1), targets.flatten(), ignore_index=NO_TARGET)

    def _loss(self, hidden: Tensor, targets: Tensor, **options: Any) -> Tensor:
        """hidden (R, D), targets (R,) -> (), the sum of the losses."""
        weight, bias = self.model.output_weight, self.model.output_bias
        cap = getattr(self.model.config, "logit_softcap", None)
        if self.chunk:
            of_chunk = self.of_chunk if cap is None else capped(self.of_chunk, cap)
            return linear_cross_entropy(
                hidden, weight, targets, bias, chunk=self.chunk, of_chunk=of_chunk, **options
            )
        logits = F.linear(hidden, weight, bias)
        if cap is not None:
            logits = ops.softcap(logits, cap=cap)
        return summed_loss(logits, targets, **options)

    def _grids(
        self,
        inputs: dict[str, Tensor],
        targets: Tensor,
        rng: np.random.Generator | None,
        ignore_index: int,
    ) -> Mapping[str, TokenGrid] | None:
        here = type(targets) is Tensor and targets.is_cpu  # no other kind has its values here
        if not self.packed or not (here or rng is not None):
            return None
        return self.model.grids(inputs, (targets != ignore_index).view_as(inputs["target"]))


class JudgedObjective(Objective):
    """The twin, and the loss of its answers that a run's preferences name."""

    model: Model

    def __init__(self, model: Model, precision: Precision, preferences: PreferenceConfig) -> None:
        super().__init__(model, model.streams, precision)
        self.preferences = preferences

    def forward(  # type: ignore[override]  # another kind of batch has other things about it
        self,
        inputs: dict[str, Tensor],
        targets: Tensor,
        rng: np.random.Generator | None = None,
        *,
        no_target: int = PAD,
        desirable: Tensor,
        reference: Tensor | None = None,
    ) -> Tensor:
        """Answers (A, T), desirable and reference (A,) -> (), the sum over what is judged.

        What has no token adds nothing. ``rng`` as in ``Objective``.
        """
        y = self.log_probs(inputs, targets, rng, no_target=no_target)
        asked = (targets != no_target).any(1).view(-1, self.preferences.answers)
        return judged_loss(
            y, asked.all(1), self.preferences, desirable=desirable, reference=reference
        )

    def of_nothing(self, device: torch.device) -> tuple[dict[str, Tensor], Tensor, dict[str, Any]]:
        """Answers that are judged together, none of which has a token."""
        inputs, none, _ = super().of_nothing(device)
        answers = self.preferences.answers
        about = {
            "desirable": torch.ones(answers, dtype=torch.bool, device=device),
            "reference": torch.zeros(answers, dtype=torch.float64, device=device),
        }
        inputs = {name: word.expand(answers, 1) for name, word in inputs.items()}
        return inputs, none.expand(answers, 1), about

    def log_probs(
        self,
        inputs: dict[str, Tensor],
        targets: Tensor,
        rng: np.random.Generator | None = None,
        *,
        no_target: int = PAD,
    ) -> Tensor:
        """inputs, what the model takes by name; targets (A, T) -> (A,), as the loss takes them."""
        with self.precision.autocast(targets.device):
            logits = self.model(**inputs, rng=rng)
            counts, mean = targets != no_target, self.preferences.by_mean
            y: Tensor = ops.sequence_log_prob(logits, targets, counts=counts, mean=mean)
        return y


def summed_loss(
    logits: Tensor, targets: Tensor, *, ignore_index: int, z_loss: float = 0.0, **options: Any
) -> Tensor:
    """logits (R, V), targets (R,) -> (): cross-entropy, and so many times the z-loss."""
    options |= {"ignore_index": ignore_index, "reduction": "sum"}
    loss = F.cross_entropy(logits, targets, **options)
    if z_loss:
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        squares = torch.logsumexp(logits, -1).square()
        loss = loss + z_loss * torch.where(targets == ignore_index, 0, squares).sum()
    return loss


def make_objective(config: RunConfig, precision: Precision, device: torch.device) -> TwinObjective:
    """The twin of a run and its loss, in evaluation mode, drawn from PyTorch's generator."""
    twin = config.twin
    of_chunk = compiled_cross_entropy() if twin.compile else cross_entropy_and_gradient
    objective = TwinObjective(
        _trained(config, precision, device),
        precision,
        chunk=twin.loss_chunk,
        of_chunk=of_chunk,
        packed=not twin.compile,  # which would compile anew for other numbers of tokens
    )
    return objective.eval()


def make_judged_objective(
    config: RunConfig, precision: Precision, device: torch.device
) -> JudgedObjective:
    """The same, with the loss of judged answers that ``config.preferences`` names."""
    model = _trained(config, precision, device)
    return JudgedObjective(model, precision, config.preferences).eval()


def _trained(config: RunConfig, precision: Precision, device: torch.device) -> Model:
    """The twin, or its adapters alone, as it is trained."""
    model = make_twin(config.model, dtype=precision.weights, device=device)
    if config.adapters.lora:
        names = {path.rpartition(".")[2] for path, m in model.named_modules() if type(m) is Linear}
        add_adapters(model, **adapter_arguments(config.adapters, sorted(names)))
    checkpointed = config.train.checkpoint_activations
    model.run_layers(compiled=config.twin.compile, checkpointed=checkpointed)
    return model
