"""Pairs from gettext's catalogues, ``.po`` and ``.mo``: a message and its translation.

Fuzzy and obsolete entries are left out. Of a plural, the singular is paired with the first form,
and the plural with each of the others; where the language has one form, with that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

from npformer.errors import CorpusError, NpformerError, install
from npformer.files.content import Content
from npformer.text.formats.languages import language_tag, matches
from npformer.text.formats.wanted import Note, Row, Wanted, one_line

MO_MAGIC = (b"\xde\x12\x04\x95", b"\x95\x04\x12\xde")


def catalogue_rows(content: Content, wanted: Wanted, note: Note) -> Iterator[Row]:
    """The pairs of a catalogue; a message without a translation has an empty side.

    Raises ``CorpusError`` for a file that is damaged or of another language, and ``NpformerError``
    if polib is not installed.
    """
    catalogue = _load(content)
    turned = _is_turned(content.name, catalogue.metadata.get("Language", ""), wanted, note)
    # A compiled catalogue has neither, and polib's entries of one no such attributes.
    entries = [e for e in catalogue if not (e.obsolete or getattr(e, "fuzzy", False))]
    if left_out := len(catalogue) - len(entries):
        note(f"{content.name}: {left_out:,} of {len(catalogue):,} entries are fuzzy or obsolete")
    for entry in entries:
        for message, translation in _pairs(entry):
            source, target = one_line(message), one_line(translation)
            yield (target, source, "") if turned else (source, target, "")


def _pairs(entry: Any) -> Iterator[tuple[str, str]]:
    if not entry.msgid_plural:
        yield entry.msgid, entry.msgstr
        return
    forms = [text for _, text in sorted(entry.msgstr_plural.items())] or [""]
    if len(forms) == 1:
        yield entry.msgid_plural, forms[0]
        return
    yield entry.msgid, forms[0]
    for form in dict.fromkeys(forms[1:]):
        yield entry.msgid_plural, form


def _is_turned(name: str, language: str, wanted: Wanted, note: Note) -> bool:
    """Whether the translations are in the source language, so that messages are the targets."""
    if not language_tag(language):
        return False
    if matches(language, wanted.target_language):
        return False
    if matches(language, wanted.source_language):
        note(f"{name} translates into {language}, so its translations are the sources")
        return True
    raise CorpusError(
        f"{name} has translations into {language!r}, not {wanted.target_language!r}; add "
        f"--target-language {language}"
    )


def _load(content: Content) -> Any:
    try:
        import polib
    except ImportError as error:
        raise NpformerError(
            f"{content.name} is a gettext catalogue, which needs polib; {install('corpora')}"
        ) from error
    data = content.read()
    # By a file: polib takes a text for a path if there is a file of that name.
    with tempfile.NamedTemporaryFile(prefix="npformer-") as file:
        file.write(data)
        file.flush()
        try:
            return (polib.mofile if data.startswith(MO_MAGIC) else polib.pofile)(file.name)
        except Exception as error:  # its own are OSError; damaged files raise others, too
            said = next(iter(str(error).splitlines()), type(error).__name__)
            raise CorpusError(
                f"{content.name} is no catalogue that polib can read: "
                + said.replace(file.name, "").replace("  ", " ")
            ) from error
