"""A kernel that is a fork is what Jupyter would have started."""

from __future__ import annotations

import os
import sys

import nbclient
import nbformat

from tests.forked import forked
from tests.walkthroughs.chapters import WALKTHROUGHS

CELLS = """\
import os, sys
print(os.getcwd(), os.environ["OF_A_TEST"], os.getpgid(0) == os.getpid(), "wave" in sys.modules)
import matplotlib.pyplot as plt
_ = plt.plot([1, 2])
plt.show()
name = "a second kernel knows nothing of a first"
"""


def outputs_of_two(directory):
    """What the cells write in two kernels, one after the other."""
    sys.path.insert(0, str(WALKTHROUGHS))
    import kernels

    kernels.IMPORTED = ("ipykernel.kernelapp", "wave")  # those of chapters take seconds
    kernels.fork_kernels()
    os.environ["OF_A_TEST"] = "as set later"
    found = []
    for code in (CELLS, "print('name' in globals())"):
        cells = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        where = {"metadata": {"path": directory}}
        nbclient.NotebookClient(cells, resources=where, timeout=60).execute()
        found.append(cells.cells[0].outputs)
    return found


def test_a_kernel_is_a_fork_in_the_chapters_directory(tmp_path):
    ended = forked(lambda: outputs_of_two(tmp_path), IPYTHONDIR=tmp_path / "ipython")
    assert ended.status == 0, ended.err
    (text, picture), (second,) = ended.result
    assert text["text"].split() == [str(tmp_path), *"as set later True True".split()]
    assert "image/png" in picture["data"]
    assert second["text"] == "False\n"
