"""Every global generator from one seed, for a time."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np


@contextmanager
def replayed(seed: int) -> Iterator[None]:
    """Python's, NumPy's and, where it is imported, PyTorch's; afterwards as they were before."""
    python, numpy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    with ExitStack() as stack:
        random.seed(seed)
        np.random.seed(seed)
        if torch is not None:
            stack.enter_context(torch.random.fork_rng())
            torch.default_generator.manual_seed(seed)  # a hundredth of torch.manual_seed's time
            if torch.cuda.is_available():
                torch.cuda.manual_seed_all(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
