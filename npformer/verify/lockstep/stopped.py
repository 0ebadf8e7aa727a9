"""Where an implementation that raises an exception of its own stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from npformer.errors import NpformerError, VerifyError
from npformer.verify.lockstep.visits import Site, name_of


class Stopped(VerifyError):
    """An implementation that raised an exception of its own."""


def stopped(site: Site, number: int, phase: str, error: Exception) -> Stopped:
    """The exception to raise in its place, which says where that was."""
    return Stopped(
        f"the implementation stopped in {name_of(site, number)}, in the {phase}: "
        f"{type(error).__name__}: {error}"
    )


@contextmanager
def naming(site: Site, number: int, phase: str) -> Iterator[None]:
    """Raises ``Stopped``, with the place, for an exception of the implementation's own."""
    try:
        yield
    except NpformerError:  # its message says enough, or it is ``Stopped`` already
        raise
    except Exception as error:
        raise stopped(site, number, phase, error) from error
