"""The one or two files of a zip archive that hold the pairs, as collections are handed out."""

from __future__ import annotations

from pathlib import PurePosixPath

from npformer.errors import CorpusError
from npformer.files.content import Content
from npformer.files.looks import check_is_archive_of_files
from npformer.text.formats.sides import find_sides
from npformer.text.formats.wanted import Wanted

_NOT_TEXT = {"readme", "license", "licence", "copying", "changelog", "citation"}
_MOST_SHOWN = 6


def members_with_pairs(archive: Content, wanted: Wanted) -> list[Content]:
    """One member, or those of source and target, by their names: ``corpus.en``, ``corpus.de``.

    Raises ``CorpusError`` for an office document, and where the names do not tell.
    """
    check_is_archive_of_files(archive)
    names = [name for name in archive.members() if not _is_aside(PurePosixPath(name))]
    if len(names) == 1:
        return [Content(archive.path, names[0])]
    # By suffix or, where that is the format's, by name: corpus.en, corpus.de.txt, german.txt.
    endings = [PurePosixPath(name).suffix.lstrip(".") for name in names]
    stems = [PurePosixPath(PurePosixPath(name).stem).suffix.lstrip(".") for name in names]
    wholes = [PurePosixPath(name).stem for name in names]
    for labels in endings, stems, wholes:
        places = find_sides(labels, wanted._replace(columns=()))
        if places is not None and places[0] != places[1]:
            return [Content(archive.path, names[place]) for place in places]
    listed = ", ".join(names[:_MOST_SHOWN]) + (", ..." if len(names) > _MOST_SHOWN else "")
    raise CorpusError(
        f"{archive.name} holds {listed or 'no file'}, and not one file of pairs or one each for "
        f"{wanted.source_language} and {wanted.target_language}: unpack it and give FILE, or "
        "FILE.en,FILE.de"
    )


def _is_aside(path: PurePosixPath) -> bool:
    """Whether a member is about the corpus, or left there by a program."""
    return (
        path.parts[0] == "__MACOSX"
        or path.name.startswith(".")
        or path.stem.casefold() in _NOT_TEXT
        or path.name.casefold() in _NOT_TEXT
    )
