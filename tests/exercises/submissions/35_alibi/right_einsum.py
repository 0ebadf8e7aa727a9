"""Both as products of tensors."""

import numpy as np


def alibi_forward(slopes, t, s, at=None):
    first = (s - t) if at is None else at
    bias = -np.abs(np.subtract.outer(np.arange(first, first + t), np.arange(s))).astype(float)
    return np.einsum("n,ij->nij", slopes, bias), bias


def alibi_backward(dy, cache):
    return np.einsum("nij,ij->n", dy, cache)
