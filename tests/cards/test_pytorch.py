"""PyTorch is asked for late."""

from __future__ import annotations

import sys

import pytest

from npformer.cards.pytorch import torch


def test_without_pytorch_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs torch.*pip install -e '\.\[verify\]'"):
        torch.empty  # noqa: B018
