"""How much memory a process has had."""

from __future__ import annotations

import subprocess
import sys

import numpy as np


def test_the_peak_of_a_process_leaves_out_that_of_the_one_which_started_it():
    """Its ``ru_maxrss`` would be the parent's: what ``npformer bench`` said of its children."""
    held = np.ones(2**25)  # 256 MiB
    code = "from npformer.train.memory import peak_memory; print(peak_memory())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**20 < int(child.stdout) < held.nbytes
