"""Characters that standard output cannot write, as in a terminal of another encoding than UTF-8.

A report is written with escapes in their place, and one line says so at the end: nothing that took
time is lost for a character. A translation is a text for others to read, so there it is an error.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from contextlib import contextmanager

UTF8 = "set PYTHONIOENCODING=utf-8, or take a terminal that writes UTF-8"

_escaped: list[str] = []


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        _escaped.extend(error.object[error.start : error.end])
    return codecs.backslashreplace_errors(error)


codecs.register_error("npformer-escape", _escape)


@contextmanager
def escapes() -> Iterator[None]:
    """Escape what standard output cannot write, unless its user has chosen what to do with it.

    Says so on standard error at the end.
    """
    out = sys.stdout
    if getattr(out, "errors", None) != "strict" or not hasattr(out, "reconfigure"):
        yield
        return
    _escaped.clear()
    out.reconfigure(errors="npformer-escape")
    try:
        yield
    finally:
        out.reconfigure(errors="strict")
        if _escaped:
            print("npformer:", _said(len(_escaped), _escaped[0], out.encoding), file=sys.stderr)


def refused(error: UnicodeEncodeError) -> str:
    """What to say where a text could not be written."""
    return f"nothing is written: {_cannot(error.object[error.start], error.encoding)}"


def _said(count: int, first: str, encoding: str) -> str:
    written = "1 character is" if count == 1 else f"{count:,} characters are"
    return f"{written} written as escapes: {_cannot(first, encoding)}"


def _cannot(character: str, encoding: str) -> str:
    if "\ud800" <= character <= "\udfff":
        return f"{character!a} is no character but half a surrogate pair"
    return f"standard output is {encoding}, which has no {character!a}; {UTF8}"
