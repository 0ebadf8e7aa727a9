"""A method with its very own code, but other functions behind some of the names that it calls."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any


def rebind(method: Any, names: Mapping[str, Any]) -> Any:
    """The bound ``method``, looking ``names`` up here first and then where it always did.

    A module-level function is found through the globals of the code that calls it. So a copy of
    the method with globals of its own lets one object call a watched op, while every other
    object, thread and module goes on calling the op itself.
    """
    function = method.__func__
    copy = types.FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return types.MethodType(copy, method.__self__)
