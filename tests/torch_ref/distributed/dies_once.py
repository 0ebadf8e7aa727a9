"""``torch_ref.train``, but that the first time rank 1 is killed in update 8: for torchrun."""

from __future__ import annotations

import os
import signal
import sys
from unittest import mock

from torch_ref.train import TorchEngine
from torch_ref.train.__main__ import main


class DiesOnce(TorchEngine):
    """The engine, without measuring the CPU, and with the fault."""

    peak_flops = 0.0

    def update(self, learning_rate):
        first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if first and os.environ["RANK"] == "1" and self._steps == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().update(learning_rate)


if __name__ == "__main__":
    with mock.patch("torch_ref.train.TorchEngine", DiesOnce):
        sys.exit(main())
