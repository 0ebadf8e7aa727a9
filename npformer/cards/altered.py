"""What wrong versions of a module's method change for one call, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def altered(one: Any, **attributes: Any) -> Iterator[None]:
    """``one`` has these attributes until the block ends; a function stands in for a method.

    A module that stayed as the wrong version left it would be wrong in every later call too.
    """
    own = vars(one)
    before = {name: own[name] for name in attributes if name in own}
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del own[name]
        own.update(before)
