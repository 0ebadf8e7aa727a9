"""Whole models, assembled from ``torch_ref.nn``."""

from torch_ref.models.transformer import Transformer

__all__ = ["Transformer"]
