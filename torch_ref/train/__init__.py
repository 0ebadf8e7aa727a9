"""The twin's engine for npformer's training loop."""

from torch_ref.train.engine import TorchEngine

__all__ = ["TorchEngine"]
