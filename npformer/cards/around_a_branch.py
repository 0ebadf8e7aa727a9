"""How the cards of residuals call them: around the sub-layer e -> e + h, h an input beside x."""

from __future__ import annotations

from typing import Any


def call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    """Result, and a backward whose sub-layer's gradient is that of e and that of h."""
    x, h = inputs
    y, cache = module.forward(x, lambda e: (e + h, None), **keywords)
    return y, lambda dy: module.backward(dy, cache, lambda de, _: (de, de))


def call_twin(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    """The twin's result."""
    x, h = inputs
    return module(x, lambda e: e + h, **keywords)
