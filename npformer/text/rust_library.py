"""The ``tokenizers`` library is written in Rust: its refusals, its panics and its threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from npformer.errors import TokenizerError


def not_text(text: object) -> TokenizerError:
    """What to raise for what the library refused as no text."""
    if not isinstance(text, str):
        return TokenizerError(f"a tokenizer encodes text, not {type(text).__name__}")
    at = next((n for n, c in enumerate(text) if "\ud800" <= c <= "\udfff"), 0)
    return TokenizerError(
        f"the text has half a surrogate pair, U+{ord(text[at]):04X}, at character {at}; "
        "decode it from its file as UTF-8 again"
    )


@contextlib.contextmanager
def panics_as_errors() -> Iterator[None]:
    """A panic of the Rust library is a BaseException; here it raises TokenizerError."""
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise TokenizerError(str(error)) from error


def _parallel_until_forked() -> None:
    """Work on all cores, but on one in a forked child, where the library's threads are gone.

    Without a setting the library warns at every fork, and with "true", which a process may have
    from the one that started it, a forked child waits for those threads for ever.
    """
    name = "TOKENIZERS_PARALLELISM"
    os.environ.setdefault(name, "true")
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: os.environ.__setitem__(name, "false"))


_parallel_until_forked()
