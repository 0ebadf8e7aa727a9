"""What whole models have in common: token ids in, the logits of the next token out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ShapeError
from npformer.seam import method
from torch_ref.models.decoding import Decoding
from torch_ref.nn import Dropout, Embedding, Linear, Positions, Stack
from torch_ref.nn.token_grid import TokenGrid


class Entrance(NamedTuple):
    """What turns the ids of one input into what its stack reads."""

    embedding: Embedding
    positions: Positions
    norm: nn.Module | None


class Model(Decoding):
    """A family of models; ``config`` is the NumPy model's own.

    The output projection is the embedding's own matrix where ``output_proj`` is None.
    """

    family: str
    """Name of the family, its file's here and in ``npformer/models``."""
    streams: ClassVar[Mapping[str, str]]
    """Of each input, the path of the stack that reads it."""
    config: Any
    embedding: Embedding
    positions: Positions
    dropout: Dropout
    output_proj: Linear | None
    embedding_scale: float = 1.0
    embedding_norm: nn.Module | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass's own ``_embed`` and ``_project`` can be watched as those here can."""
        super().__init_subclass__(**kwargs)
        for name in vars(cls).keys() & {"_embed", "_project"}:
            setattr(cls, name, method(vars(cls)[name]))

    encode: Callable[..., Tensor]
    """Of a family that gives vectors of texts: the same inputs -> vectors (B, D)."""
    hidden: Callable[..., Any]
    """The inputs that ``streams`` names, ``rng`` -> what is projected to the logits (B, T, D).

    Of a model with auxiliary losses, which are asked for by ``targets``, what follows each token,
    these come after it; ``loss_of`` then makes the losses of what it would project to logits."""
    auxiliary: bool = False
    """Whether a training has losses beside the tokens'."""

    def bias_steps(self, load: Tensor) -> list[tuple[nn.Parameter, Tensor]]:
        """What to add to which biases after a step in which layer l's expert e had load[l, e]
        tokens."""
        return []

    def grids(self, inputs: Mapping[str, Tensor], counts: Tensor) -> Mapping[str, TokenGrid] | None:
        """The tokens of ``inputs`` that a loss needs at ``counts`` (B, T), for ``hidden``; those of
        the target are ``to``.

        None where that is all of them, or where ``hidden`` takes no grids. What is in them is
        looked at, which a GPU would have to be waited for.
        """
        return None

    def stacks(self) -> list[Stack]:
        """The stacks of layers, in the order of the forward."""
        return [module for module in self.modules() if isinstance(module, Stack)]

    def run_layers(self, *, compiled: bool = False, checkpointed: bool = False) -> None:
        """How layers run from now on: through torch.compile; keeping their inputs alone.

        A checkpointed layer runs a second time in the backward, with the dropout of the first.
        """
        for stack in self.stacks():
            stack.checkpointed = checkpointed
            if compiled:
                for layer in stack.layers:
                    layer.compile(dynamic=True)

    @property
    def output_weight(self) -> Tensor:
        """The matrix (V, D) that projects to the logits."""
        return self.embedding.weight if self.output_proj is None else self.output_proj.weight

    @property
    def output_bias(self) -> Tensor | None:
        """What is added to the logits (V,), if anything is."""
        return self.embedding.bias if self.output_proj is None else self.output_proj.bias

    def redraw(self) -> None:
        """Draw every matrix anew from N(0, init_std^2), if the configuration says so."""
        if self.config.init_std is None:
            return
        for path, parameter in self.named_parameters():
            if parameter.ndim >= 2 and not path.endswith("bias"):
                nn.init.normal_(parameter, std=self.config.init_std)
        if self.config.padding_id is not None:
            with torch.no_grad():
                self.embedding.weight[self.config.padding_id] = 0

    @method
    def _embed(
        self,
        ids: Tensor,
        rng: np.random.Generator | None = None,
        at: int | Tensor = 0,
        stream: str = "target",
        beside: Tensor | None = None,
    ) -> Tensor:
        if ids.ndim != 2:
            raise ShapeError(f"token ids of shape {tuple(ids.shape)}; they must be (batch, length)")
        end = at + ids.shape[1] if isinstance(at, int) else ids.shape[1]
        if end > self.config.max_length:
            if not isinstance(at, int):  # of texts in one row, the longest
                end = int(at.max()) + 1
            if end > self.config.max_length:
                raise self.too_long(end)
        parts = self.entrance(stream)
        x = parts.embedding(ids) * self.embedding_scale  # (B, T, D)
        if beside is not None:
            x = x + beside
        x = parts.positions(x, at)
        if parts.norm is not None:
            x = parts.norm(x)
        return self.dropout(x, rng)

    def entrance(self, stream: str) -> Entrance:
        """The parts that embed the ids of an input."""
        return Entrance(self.embedding, self.positions, self.embedding_norm)

    def too_long(self, length: int) -> ShapeError:
        """What to raise for a sequence of ``length`` tokens."""
        limit = self.config.max_length
        return ShapeError(f"a sequence of {length} tokens; the model takes {limit} at most")

    @method
    def _project(self, y: Tensor) -> Tensor:
        if self.output_proj is not None:
            return self.output_proj(y)
        return self.embedding.project(y)
