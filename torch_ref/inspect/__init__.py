"""Looking inside the twin: the recording that ``npformer.inspect`` makes of the NumPy model."""

from torch_ref.inspect.recorder import record

__all__ = ["record"]
