"""Embedding: PyTorch's, started small enough to be the output projection as well."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.seam import method
from torch_ref.seam import op


class Embedding(nn.Embedding):
    """One row of ``weight`` (num_embeddings, embedding_dim) per token id.

    With ``output_bias``, ``project`` adds ``bias`` (num_embeddings,).
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        output_bias: bool = False,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, device=device, dtype=dtype)
        bias = torch.zeros(num_embeddings, device=device, dtype=dtype) if output_bias else None
        self.bias = None if bias is None else nn.Parameter(bias)

    def reset_parameters(self) -> None:
        """Draw the weight from N(0, 1 / embedding_dim); the padding row starts at zero."""
        nn.init.normal_(self.weight, std=self.embedding_dim**-0.5)
        self._fill_padding_idx_with_zero()

    @method
    @op
    def project(self, x: Tensor) -> Tensor:
        """x (..., embedding_dim) -> logits (..., num_embeddings): the weight, tied."""
        return F.linear(x, self.weight, self.bias)
