"""Exercise 34: from one rotary layout to the other.

    order (head,)    weight (N H, D) or (N H,)

Write interleaved_order and interleaved_rows, then:

    npformer exercise check rotary_layout
    npformer exercise hint rotary_layout
"""

import numpy as np


def interleaved_order(head, width):
    """order (head,), so that ``x[..., order]`` is interleaved where x is of halves."""
    raise NotImplementedError("return order")


def interleaved_rows(weight, heads, width):
    """weight (N H, D) or (N H,), whose queries are of halves -> that of interleaved ones."""
    raise NotImplementedError("return the rows in their new order")
