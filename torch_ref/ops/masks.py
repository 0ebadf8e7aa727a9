"""Boolean masks, True where a query may attend."""

from __future__ import annotations

import torch
from torch import Tensor


def padding_mask(ids: Tensor, padding_id: int) -> Tensor:
    """ids (B, S) -> (B, 1, 1, S), True where there is a token to attend to."""
    return (ids != padding_id)[:, None, None, :]


def causal_mask(t: int, s: int | None = None, *, device: torch.device | None = None) -> Tensor:
    """(t, s), True where the key is not after the query; the last query sees every key."""
    s = t if s is None else s
    return torch.ones(t, s, dtype=torch.bool, device=device).tril(s - t)


def near_mask(
    t: int, s: int, causal: bool, window: int | None, *, device: torch.device | None = None
) -> Tensor:
    """(t, s): a key that is not after the query, if causal, and less than the window away."""
    behind = torch.arange(t, device=device)[:, None] + (s - t) - torch.arange(s, device=device)
    seen = behind >= 0 if causal else torch.ones_like(behind, dtype=torch.bool)
    return seen if window is None else seen & (behind.abs() < window)


def documents_mask(documents: Tensor) -> Tensor:
    """documents (B, T) -> (B, 1, T, T): a token sees its own text, padding (0) nothing."""
    same = documents[:, None, :, None] == documents[:, None, None, :]
    return same.logical_and(documents[:, None, None, :] != 0)


def document_positions(documents: Tensor) -> Tensor:
    """documents (B, T) -> (B, T): how many tokens of its text come before each; of padding 0."""
    return documents_mask(documents)[:, 0].tril(-1).sum(-1)


def padded_positions(ids: Tensor, padding_id: int) -> int | Tensor:
    """ids (B, T) -> (B, T): where each token is in its text; padding on its left is at 0.

    Where no text has any, 0; on a device that would have to be waited for, the same as a tensor.
    """
    shown = ids != padding_id
    seen = type(ids) is Tensor and ids.device.type == "cpu"  # no other kind has its values here
    if not ids.shape[1] or (seen and bool(shown[:, 0].all())):
        return 0
    begun = shown.cumsum(1) > 0
    return (begun.cumsum(1) - 1).clamp(min=0)


def first_tokens(counts: Tensor, at: Tensor | None = None) -> Tensor:
    """counts (B, T) -> (B, T): the place of each text's first token, -1 of what does not count."""
    place = torch.arange(counts.numel(), device=counts.device).view_as(counts)
    within = place % counts.shape[1] if at is None else at
    return torch.where(counts, place - within, -1)


def packed_mask(offsets: Tensor, length: int) -> Tensor:
    """offsets (D + 1,) -> (T, T): documents in one row see themselves alone, padding nothing."""
    place = torch.arange(length, device=offsets.device)
    document = torch.bucketize(place, offsets, right=True)
    return (document[:, None] == document) & (place < offsets[-1])
