"""The best next tokens, chosen where the logits are, so that few numbers leave the device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Chosen(NamedTuple):
    """What a step leaves on the device for the host to fetch."""

    few: Tensor
    """(R, n, 2) float64: scores and ids of the best tokens; log probabilities unless one is asked.

    One array, as each fetch waits for the device; float64 holds every id exactly.
    """
    logits: Tensor
    """(R, V): all of them, ``banned`` ids at -inf."""


class Choice(NamedTuple):
    """Which tokens of each row: the ``k`` best that are not ``banned``; of 0, none but the logits.

    With ``scored`` the scores are log probabilities over the whole vocabulary, else logits.
    """

    k: int = 0
    banned: tuple[int, ...] = ()
    scored: bool = True

    def __call__(self, logits: Tensor) -> Chosen:
        """logits (R, V), which are changed, -> the tokens, of k > 1 one more than was asked."""
        if self.k == 0:
            return Chosen(logits.new_empty(len(logits), 0, 2), logits)
        log_sum = _log_sum(logits) if self.scored else 0.0
        for token in self.banned:
            logits[:, token] = -torch.inf
        if self.k == 1:
            best, ids = (x[:, None] for x in logits.max(dim=1))  # of equal ones the first, it says
        else:
            best, ids = logits.topk(min(self.k + 1, logits.shape[1]))
        return Chosen(torch.stack((best - log_sum, ids.double()), dim=2), logits)

    def fetch(self, chosen: Chosen) -> tuple[np.ndarray, np.ndarray]:
        """Scores (R, K) and ids (R, K), best first; of equal logits the smaller id comes first.

        ``topk`` does not promise that. Where two of its scores are equal, the last of them may
        be the one that was not asked for, the row is sorted again, stably.
        """
        few = chosen.few.cpu().numpy()
        scores, ids = few[..., 0], few[..., 1].astype(np.int64)
        rows = np.flatnonzero((scores[:, 1:] == scores[:, :-1]).any(axis=1))
        if len(rows):
            tied = chosen.logits[torch.as_tensor(rows, device=chosen.logits.device)]
            order = tied.sort(dim=1, descending=True, stable=True).indices
            ids[rows] = order[:, : ids.shape[1]].cpu().numpy()
            # Equal logits have equal scores, so these stay as they are.
        return scores[:, : self.k], ids[:, : self.k]


def _log_sum(logits: Tensor) -> Tensor:
    """logits (R, V) -> log of the sum of their exponentials (R, 1), summed in float64."""
    peak = logits.amax(dim=1, keepdim=True)
    return peak + (logits - peak).exp_().sum(dim=1, keepdim=True, dtype=torch.float64).log_()
