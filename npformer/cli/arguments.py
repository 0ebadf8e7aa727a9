"""From a command's dataclass to its arguments, through tyro; what is wrong fits on one line.

tyro draws a box around an error. npformer promises one line, so the box is caught and read:
its text up to the first rule, with the nearest allowed name where a choice was mistyped.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import itertools
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

from npformer.cli.page import wrapped
from npformer.cli.suggest import suggest
from npformer.errors import NpformerError, nearest

T = TypeVar("T")

CONFIG = (tyro.conf.PositionalMetavarFromFieldName,)

_FRAME = "│╭╮╰╯"
_KINDS = {"invalid literal for int": "an integer", "could not convert string to": "a number"}


class UsageError(NpformerError):
    """A command line that says something npformer does not understand."""


def parse(command: type[T], program: str, arguments: Sequence[str], default: T | None = None) -> T:
    """The command's dataclass, filled from ``arguments``; ``default`` gives the unmentioned fields.

    Prints the help and exits for ``--help``. Raises ``UsageError``, or the ``ConfigError`` of a
    configuration that refuses its values.
    """
    options: dict[str, Any] = {
        "prog": program,
        "description": inspect.getdoc(command),
        "config": CONFIG,
    }
    if default is not None:
        options["default"] = default
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box), wrapped():
            filled, unknown = tyro.cli(
                command, args=list(arguments), return_unknown_args=True, **options
            )
    except SystemExit as end:
        if not end.code:
            raise
        raise _cause(end) or UsageError(_one_line(box.getvalue())) from None
    if unknown:
        raise UsageError(_unknown(unknown[0], command, default, program))
    return filled


def _cause(error: BaseException) -> NpformerError | None:
    """The npformer error that made tyro give up, if that was the reason."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, NpformerError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _one_line(box: str) -> str:
    """What the box says, from below its title to the first rule: the rest points to --help."""
    lines = [line.strip(_FRAME + " ") for line in box.splitlines()[1:]]
    if lines and _is_rule(lines[0]):  # so it is where the terminal has no box characters
        del lines[0]
    text = " ".join(itertools.takewhile(lambda line: not _is_rule(line), lines)).strip()
    if choice := re.search(r"invalid choice '(.*?)' for argument '(.*?)'.*\((.*)\)", text):
        given, name, listed = choice.groups()
        allowed = re.findall(r"'(.*?)'", listed)
        return f"{name} is {given!r}; choose one of {', '.join(allowed)}" + nearest(given, allowed)
    if value := re.search(r"Error parsing (\S+): (.*?)\b(?:\(|float:).*?('.*')", text):
        for start, kind in _KINDS.items():
            if value.group(2).startswith(start):
                return f"{value.group(1)} is {value.group(3)}; it must be {kind}"
    if missing := re.search(r"Missing from .*?: (\S+)", text):
        return f"{missing.group(1)} is missing; --help explains it"
    return text.partition(" Got errors")[0]


def _is_rule(line: str) -> bool:
    return set(line) in ({"─"}, {"-"})


def completion(command: Any, program: str, shell: str, **options: Any) -> str:
    """The script by which a shell completes what is typed for ``command``; tyro writes it."""
    page = io.StringIO()
    words = ["--tyro-print-completion", shell]
    with contextlib.redirect_stdout(page), contextlib.suppress(SystemExit):
        tyro.cli(command, prog=program, args=words, config=CONFIG, **options)
    return page.getvalue()


def options_of(command: type, default: Any) -> list[str]:
    """Every option that exists; the help page names others in its prose, and some in part."""
    given = {} if default is None else {"default": default}
    script = completion(command, "npformer", "bash", **given)
    listed = re.findall(r"'flags': \[(.*?)\]", script)
    return sorted(set(re.findall(r"'(--[\w.-]+)'", " ".join(listed))))


def _unknown(word: str, command: type, default: Any, program: str) -> str:
    if not word.startswith("-"):
        return f"{word!r} is one argument too many; {program} --help shows what fits where"
    name = word.partition("=")[0]
    return f"option {name} does not exist" + (
        suggest(name, options_of(command, default)) or f"; {program} --help lists them"
    )
