"""Whole models, assembled from ``npformer.nn``."""

from npformer.models.transformer import Transformer

__all__ = ["Transformer"]
